#include "data/synthetic_paint.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace hd::data;

namespace {

bool contains(const std::vector<float>& polygon, float x, float y) {
  bool inside = false;
  const size_t points = polygon.size() / 2;
  for (size_t i = 0, j = points - 1; i < points; j = i++) {
    const float xi = polygon[2 * i], yi = polygon[2 * i + 1], xj = polygon[2 * j], yj = polygon[2 * j + 1];
    if ((yi > y) != (yj > y) && x < xi + (xj - xi) * (y - yi) / (yj - yi)) inside = !inside;
  }
  return inside;
}

}  // namespace

TEST_CASE("coverage equals the share of sampled points inside") {
  hd::Random random(1, "test", 0, 0);
  std::vector<float> cover;
  for (int round = 0; round < 20; ++round) {
    std::vector<float> triangle(6);
    for (float& value : triangle) value = random.uniform(0, 12);
    polygonCoverage(triangle, 0, 0, 12, 12, cover);
    for (int y = 0; y < 12; ++y) {
      for (int x = 0; x < 12; ++x) {
        constexpr int samples = 16;
        int inside = 0;
        for (int i = 0; i < samples * samples; ++i) {
          inside +=
              contains(triangle, static_cast<float>(x) + (static_cast<float>(i % samples) + 0.5f) / samples,
                       static_cast<float>(y) + (static_cast<float>(i / samples) + 0.5f) / samples);
        }
        CHECK(cover[static_cast<size_t>(y * 12 + x)] ==
              doctest::Approx(inside / 256.0).epsilon(0.001).scale(50));
      }
    }
  }
}

TEST_CASE("the sum of coverage is the area, for stars and turned squares, in both directions of travel") {
  const std::vector<std::vector<float>> shapes{
      {2, 2, 9, 2, 9, 7, 2, 7},
      {2.5f, 1.25f, 10.5f, 1.25f, 10.5f, 3.75f, 2.5f, 3.75f},
      {6, 1, 11, 6, 6, 11, 1, 6},
      {6, 0, 7, 4, 12, 4, 8, 7, 9, 12, 6, 9, 3, 12, 4, 7, 0, 4, 5, 4}};
  const std::vector<double> areas{35, 20, 50, 56};
  std::vector<float> cover;
  for (size_t i = 0; i < shapes.size(); ++i) {
    std::vector<float> reversed;
    for (size_t p = shapes[i].size(); p > 0; p -= 2)
      reversed.insert(reversed.end(), {shapes[i][p - 2], shapes[i][p - 1]});
    double twice = 0;
    for (size_t p = 0, n = shapes[i].size(); p < n; p += 2) {
      twice +=
          double{shapes[i][p]} * shapes[i][(p + 3) % n] - double{shapes[i][(p + 2) % n]} * shapes[i][p + 1];
    }
    for (const auto& polygon : {shapes[i], reversed}) {
      polygonCoverage(polygon, 0, 0, 12, 12, cover);
      const double sum = std::accumulate(cover.begin(), cover.begin() + 144, 0.0);
      CHECK(sum == doctest::Approx(std::abs(twice) / 2).epsilon(1e-4));
      if (i < 3) CHECK(sum == doctest::Approx(areas[i]).epsilon(1e-4));
    }
  }
}

TEST_CASE("polygons that leave the window are cut, never drawn outside of it") {
  std::vector<float> cover;
  polygonCoverage(std::vector<float>{-5, -5, 30, -5, 30, 30, -5, 30}, 0, 0, 8, 6, cover);
  for (int i = 0; i < 48; ++i) CHECK(cover[static_cast<size_t>(i)] == doctest::Approx(1));
  hd::Random random(2, "test", 0, 0);
  std::vector<uint8_t> pixels(9 * 7 * 3, 50);
  ScenePainter painter(pixels.data(), 27, 9, 7);
  for (int round = 0; round < 500; ++round) {
    std::vector<float> polygon(6 + 2 * random.below(6));
    for (float& value : polygon) value = random.uniform(-40, 40);
    painter.fill(polygon, {0, 128, 255}, 0.3f);
  }
}

TEST_CASE("a covered pixel takes the colour, a half covered one the mean") {
  std::vector<uint8_t> pixels(4 * 2 * 3, 100);
  ScenePainter painter(pixels.data(), 12, 4, 2);
  painter.fill(std::vector<float>{0, 0, 1.5f, 0, 1.5f, 1, 0, 1}, {200, 0, 100});
  CHECK(std::vector<uint8_t>(pixels.begin(), pixels.begin() + 9) ==
        std::vector<uint8_t>{200, 0, 100, 150, 50, 100, 100, 100, 100});
  CHECK(pixels[12] == 100);
}

TEST_CASE("noise has mean zero, its amplitude as bound, and other values for another seed") {
  std::vector<uint8_t> pixels(200 * 100 * 3, 128), other = pixels;
  ScenePainter(pixels.data(), 600, 200, 100).addNoise(1, 10);
  ScenePainter(other.data(), 600, 200, 100).addNoise(2, 10);
  CHECK(pixels != other);
  double sum = 0, squares = 0;
  for (const uint8_t value : pixels) {
    CHECK(std::abs(int{value} - 128) <= 10);
    sum += value - 128.0;
    squares += (value - 128.0) * (value - 128.0);
  }
  const auto count = static_cast<double>(pixels.size());
  CHECK(std::abs(sum / count) < 0.1);
  CHECK(squares / count ==
        doctest::Approx(100.0 / 6).epsilon(0.05));  // the variance of a triangle of half-width 10
}

TEST_CASE("backgrounds are drawn whole and differ") {
  std::vector<uint8_t> first(40 * 30 * 3), second = first;
  hd::Random a(1, "test", 0, 0), b(1, "test", 0, 1);
  ScenePainter(first.data(), 120, 40, 30).paintBackground(a);
  ScenePainter(second.data(), 120, 40, 30).paintBackground(b);
  CHECK(first != second);
  CHECK(std::accumulate(first.end() - 3, first.end(), 0) > 0);  // the last pixel was written
}
