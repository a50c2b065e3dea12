#include "data/synthetic_paint.h"

#include <algorithm>
#include <cmath>

namespace hd::data {
namespace {

uint8_t toByte(float value) { return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f) + 0.5f); }

Colour randomColour(Random& random, float low, float high) {
  return {random.uniform(low, high), random.uniform(low, high), random.uniform(low, high)};
}

/// Adds one edge to the coverage of a row-wise accumulation buffer: after a running sum along each row, a cell holds the
/// signed area to the right of the edge. The edge is cut at every row and column it crosses; a piece of height dy at mean
/// position f inside its column covers 1 − f of that column and all of the next ones.
void addEdge(float x0, float y0, float x1, float y1, int width, int height, std::vector<float>& cover) {
  if (y0 == y1) return;
  const float direction = y0 < y1 ? 1.0f : -1.0f;
  if (y0 > y1) std::swap(x0, x1), std::swap(y0, y1);
  const float slope = (x1 - x0) / (y1 - y0);
  const int firstRow = std::max(0, static_cast<int>(std::floor(y0)));
  const int lastRow = std::min(height - 1, static_cast<int>(std::ceil(y1)) - 1);
  const auto add = [&](float* row, float piece, float x) {
    x = std::clamp(x, 0.0f, static_cast<float>(width));
    const int column = std::min(static_cast<int>(x), width - 1);
    const float inside = x - static_cast<float>(column);
    row[column] += piece * (1 - inside);
    row[column + 1] += piece * inside;
  };
  for (int rowIndex = firstRow; rowIndex <= lastRow; ++rowIndex) {
    float* row = cover.data() + static_cast<size_t>(rowIndex) * (width + 1);
    const float top = std::max(y0, static_cast<float>(rowIndex));
    const float bottom = std::min(y1, static_cast<float>(rowIndex + 1));
    float start = x0 + (top - y0) * slope, end = x0 + (bottom - y0) * slope;
    if (start > end) std::swap(start, end);
    const float piece = (bottom - top) * direction;
    if (std::floor(start) == std::floor(end)) {
      add(row, piece, (start + end) / 2);
      continue;
    }
    const float perPixel = piece / (end - start);
    for (float x = start; x < end;) {
      const float next = std::min(std::floor(x) + 1, end);
      add(row, perPixel * (next - x), (x + next) / 2);
      x = next;
    }
  }
}

uint64_t mixBits(uint64_t state) {  // splitmix64's finaliser
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ull;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EBull;
  return state ^ (state >> 31);
}

}  // namespace

void polygonCoverage(std::span<const float> polygon, int left, int top, int width, int height, std::vector<float>& cover) {
  const size_t points = polygon.size() / 2;
  cover.assign(static_cast<size_t>(width + 1) * height, 0.0f);
  for (size_t i = 0; i < points; ++i) {
    const size_t j = (i + 1) % points;
    addEdge(polygon[2 * i] - left, polygon[2 * i + 1] - top, polygon[2 * j] - left, polygon[2 * j + 1] - top, width, height,
            cover);
  }
  for (int y = 0; y < height; ++y) {
    const float* in = cover.data() + static_cast<size_t>(y) * (width + 1);
    float* out = cover.data() + static_cast<size_t>(y) * width;  // never ahead of `in`
    float sum = 0;
    for (int x = 0; x < width; ++x) {
      sum += in[x];
      out[x] = std::min(std::abs(sum), 1.0f);
    }
  }
}

Colour Canvas::paintBackground(Random& random) {
  const Colour from = randomColour(random, 30, 225);
  Colour to;
  for (size_t c = 0; c < 3; ++c) to[c] = std::clamp(from[c] + random.uniform(-60, 60), 10.0f, 245.0f);
  const float alongX = random.uniform(-1, 1), alongY = random.uniform(-1, 1);
  const float blobs = random.uniform(0, 30);
  const float stripes = random.chance(0.4f) ? random.uniform(6, 24) : 0;
  const float stripePeriod = random.uniform(6, 24);
  const float stripeX = random.uniform(-1, 1), stripeY = random.uniform(-1, 1);
  constexpr int grid = 7;
  std::array<float, grid * grid> heights;
  for (float& height : heights) height = random.uniform(-1, 1) * blobs;

  for (int y = 0; y < height_; ++y) {
    const float v = (static_cast<float>(y) + 0.5f) / static_cast<float>(height_);
    const float gridY = v * (grid - 1);
    const int cellY = std::min(static_cast<int>(gridY), grid - 2);
    const float fractionY = gridY - static_cast<float>(cellY);
    uint8_t* row = pixels_.data() + static_cast<size_t>(y) * width_ * 3;
    for (int x = 0; x < width_; ++x) {
      const float u = (static_cast<float>(x) + 0.5f) / static_cast<float>(width_);
      const float gridX = u * (grid - 1);
      const int cellX = std::min(static_cast<int>(gridX), grid - 2);
      const float fractionX = gridX - static_cast<float>(cellX);
      const float* cell = heights.data() + cellY * grid + cellX;
      const float upper = cell[0] + (cell[1] - cell[0]) * fractionX;
      const float lower = cell[grid] + (cell[grid + 1] - cell[grid]) * fractionX;
      float lightness = upper + (lower - upper) * fractionY;
      if (stripes > 0) {
        const float phase = (static_cast<float>(x) * stripeX + static_cast<float>(y) * stripeY) / stripePeriod;
        const float wave = phase - std::floor(phase);
        lightness += stripes * (std::abs(2 * wave - 1) - 0.5f);
      }
      const float mix = std::clamp(0.5f + alongX * (u - 0.5f) + alongY * (v - 0.5f), 0.0f, 1.0f);
      for (size_t c = 0; c < 3; ++c) row[3 * x + c] = toByte(from[c] + (to[c] - from[c]) * mix + lightness);
    }
  }
  return {(from[0] + to[0]) / 2, (from[1] + to[1]) / 2, (from[2] + to[2]) / 2};
}

void Canvas::paintClutter(Random& random) {
  const uint32_t strokes = random.below(3);
  const auto width = static_cast<float>(width_), height = static_cast<float>(height_);
  for (uint32_t i = 0; i < strokes; ++i) {
    const float x0 = random.uniform(0, width), y0 = random.uniform(0, height);
    const float x1 = random.uniform(0, width), y1 = random.uniform(0, height);
    const float thickness = random.uniform(0.5f, 1.5f);
    const float length = std::sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)) + 1e-3f;
    const float nx = -(y1 - y0) / length * thickness, ny = (x1 - x0) / length * thickness;
    const std::array<float, 8> quad{x0 + nx, y0 + ny, x1 + nx, y1 + ny, x1 - nx, y1 - ny, x0 - nx, y0 - ny};
    fill(quad, randomColour(random, 0, 255));
  }
}

void Canvas::fill(std::span<const float> polygon, const Colour& colour, float shade) {
  float x1 = polygon[0], x2 = polygon[0], y1 = polygon[1], y2 = polygon[1];
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    x1 = std::min(x1, polygon[i]), x2 = std::max(x2, polygon[i]);
    y1 = std::min(y1, polygon[i + 1]), y2 = std::max(y2, polygon[i + 1]);
  }
  const int left = std::max(0, static_cast<int>(std::floor(x1))), top = std::max(0, static_cast<int>(std::floor(y1)));
  const int width = std::min(width_, static_cast<int>(std::ceil(x2))) - left;
  const int height = std::min(height_, static_cast<int>(std::ceil(y2))) - top;
  if (width <= 0 || height <= 0) return;
  polygonCoverage(polygon, left, top, width, height, cover_);
  for (int y = 0; y < height; ++y) {
    const float light = 1 + shade * (0.5f - static_cast<float>(y) / static_cast<float>(height));
    const Colour shaded{colour[0] * light, colour[1] * light, colour[2] * light};
    uint8_t* row = pixels_.data() + (static_cast<size_t>(top + y) * width_ + left) * 3;
    const float* alpha = cover_.data() + static_cast<size_t>(y) * width;
    for (int x = 0; x < width; ++x) {
      if (alpha[x] == 0) continue;
      for (size_t c = 0; c < 3; ++c) {
        uint8_t& value = row[3 * x + c];
        value = toByte(value + (shaded[c] - value) * alpha[x]);
      }
    }
  }
}

void Canvas::addNoise(uint64_t seed, float amplitude) {
  // Two bytes of a counter-based generator a channel: their sum is triangular over 0…510.
  const float scale = amplitude / 255;
  for (size_t pixel = 0; pixel < pixels_.size() / 3; ++pixel) {
    const uint64_t bits = mixBits(seed + pixel * 0x9E3779B97F4A7C15ull);
    for (size_t c = 0; c < 3; ++c) {
      const int sum = static_cast<int>((bits >> (16 * c)) & 255) + static_cast<int>((bits >> (16 * c + 8)) & 255);
      uint8_t& value = pixels_[3 * pixel + c];
      value = toByte(value + static_cast<float>(sum - 255) * scale);
    }
  }
}

}  // namespace hd::data
