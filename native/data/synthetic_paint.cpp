#include "data/synthetic_paint.h"

#include <algorithm>
#include <cmath>

#include "core/kernel.h"

// -O2 leaves loops of unknown length scalar; -ffp-contract=off stays in force, so all clones draw the same
// bytes.
#define ROW_KERNEL __attribute__((optimize("O3"))) HD_KERNEL

namespace hd::data {
namespace {

uint8_t toByte(float value) {
  return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f) + 0.5f);
}

Colour randomColour(Random& random, float low, float high) {
  return {random.uniform(low, high), random.uniform(low, high), random.uniform(low, high)};
}

/// Adds one edge to the coverage of a row-wise accumulation buffer: after a running sum along each row, a
/// cell holds the signed area to the right of the edge. The edge is cut at every row and column it crosses; a
/// piece of height dy at mean position f inside its column covers 1 − f of that column and all of the next
/// ones.
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

/// One row of background: `light` is added to the mix of two colours, `mix` runs linearly along the row. The
/// stripes are a triangle wave; `phase` stays positive so that a cast to int rounds down.
ROW_KERNEL void backgroundRow(const Colour& from, const Colour& step, float mix, float mixStep,
                              const float* light, float stripes, float phase, float phaseStep, int width,
                              uint8_t* row) {
  for (int x = 0; x < width; ++x) {
    const auto along = static_cast<float>(x);
    const float turns = phase + phaseStep * along;
    const float wave = turns - static_cast<float>(static_cast<int>(turns));
    const float lightness = light[x] + stripes * (std::abs(2 * wave - 1) - 0.5f);
    const float share = std::min(std::max(mix + mixStep * along, 0.0f), 1.0f);
    for (int c = 0; c < 3; ++c) {
      const float value = from[c] + step[c] * share + lightness;
      row[3 * x + c] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(value, 0.0f), 255.0f) + 0.5f));
    }
  }
}

/// Adds to each byte the sum of two 16-bit halves of a hash of its index (murmur's finaliser), centred and
/// scaled.
ROW_KERNEL void noiseRow(uint32_t seed, float scale, int count, uint8_t* bytes) {
  for (int i = 0; i < count; ++i) {
    uint32_t hash = seed + static_cast<uint32_t>(i) * 0x9E3779B9u;
    hash = (hash ^ (hash >> 16)) * 0x85EBCA6Bu;
    hash = (hash ^ (hash >> 13)) * 0xC2B2AE35u;
    hash ^= hash >> 16;
    const int sum = static_cast<int>(hash & 0xFFFF) + static_cast<int>(hash >> 16) - 0xFFFF;
    const float value = static_cast<float>(bytes[i]) + static_cast<float>(sum) * scale;
    bytes[i] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(value, 0.0f), 255.0f) + 0.5f));
  }
}

}  // namespace

void polygonCoverage(std::span<const float> polygon, int left, int top, int width, int height,
                     std::vector<float>& cover) {
  const size_t points = polygon.size() / 2;
  cover.assign(static_cast<size_t>(width + 1) * height, 0.0f);
  for (size_t i = 0; i < points; ++i) {
    const size_t j = (i + 1) % points;
    addEdge(polygon[2 * i] - left, polygon[2 * i + 1] - top, polygon[2 * j] - left, polygon[2 * j + 1] - top,
            width, height, cover);
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

Colour ScenePainter::paintBackground(Random& random) {
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

  const Colour step{to[0] - from[0], to[1] - from[1], to[2] - from[2]};
  const float perX = 1 / static_cast<float>(width_), perY = 1 / static_cast<float>(height_);
  std::array<float, grid> across;
  std::vector<float> light(static_cast<size_t>(width_));
  for (int y = 0; y < height_; ++y) {
    const float v = (static_cast<float>(y) + 0.5f) * perY;
    const int cellY = std::min(static_cast<int>(v * (grid - 1)), grid - 2);
    const float fractionY = v * (grid - 1) - static_cast<float>(cellY);
    for (int i = 0; i < grid; ++i) {
      const float upper = heights[cellY * grid + i], lower = heights[(cellY + 1) * grid + i];
      across[i] = upper + (lower - upper) * fractionY;
    }
    for (int x = 0; x < width_; ++x) {
      const float gridX = (static_cast<float>(x) + 0.5f) * perX * (grid - 1);
      const int cellX = std::min(static_cast<int>(gridX), grid - 2);
      light[x] = across[cellX] + (across[cellX + 1] - across[cellX]) * (gridX - static_cast<float>(cellX));
    }
    constexpr float positive = 2048;  // above any number of stripes to the left of or above the corner
    backgroundRow(from, step, 0.5f - alongX / 2 + alongY * (v - 0.5f), alongX * perX, light.data(), stripes,
                  positive + static_cast<float>(y) * stripeY / stripePeriod, stripeX / stripePeriod, width_,
                  row(y));
  }
  return {(from[0] + to[0]) / 2, (from[1] + to[1]) / 2, (from[2] + to[2]) / 2};
}

void ScenePainter::paintClutter(Random& random) {
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

void ScenePainter::fill(std::span<const float> polygon, const Colour& colour, float shade) {
  float x1 = polygon[0], x2 = polygon[0], y1 = polygon[1], y2 = polygon[1];
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    x1 = std::min(x1, polygon[i]), x2 = std::max(x2, polygon[i]);
    y1 = std::min(y1, polygon[i + 1]), y2 = std::max(y2, polygon[i + 1]);
  }
  const int left = std::max(0, static_cast<int>(std::floor(x1))),
            top = std::max(0, static_cast<int>(std::floor(y1)));
  const int width = std::min(width_, static_cast<int>(std::ceil(x2))) - left;
  const int height = std::min(height_, static_cast<int>(std::ceil(y2))) - top;
  if (width <= 0 || height <= 0) return;
  polygonCoverage(polygon, left, top, width, height, cover_);
  for (int y = 0; y < height; ++y) {
    const float light = 1 + shade * (0.5f - static_cast<float>(y) / static_cast<float>(height));
    const Colour shaded{colour[0] * light, colour[1] * light, colour[2] * light};
    uint8_t* pixels = row(top + y) + 3 * left;
    const float* alpha = cover_.data() + static_cast<size_t>(y) * width;
    for (int x = 0; x < width; ++x) {
      if (alpha[x] == 0) continue;
      for (size_t c = 0; c < 3; ++c) {
        uint8_t& value = pixels[3 * x + c];
        value = toByte(value + (shaded[c] - value) * alpha[x]);
      }
    }
  }
}

void ScenePainter::addNoise(uint32_t seed, float amplitude) {
  for (int y = 0; y < height_; ++y) {
    noiseRow(seed + static_cast<uint32_t>(y) * 0x632BE5ABu, amplitude / 65535, 3 * width_, row(y));
  }
}

}  // namespace hd::data
