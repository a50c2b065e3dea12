#include "core/colour.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

using hd::ColourMap;
using hd::ColourTurn;

namespace {

void check(const std::vector<float>& values, const std::vector<double>& expected) {
  REQUIRE(values.size() == expected.size());
  for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == doctest::Approx(expected[i]).epsilon(1e-5));
}

}  // namespace

TEST_CASE("values are mapped, then turned in HSV, and leave 0 to 255 as they like") {
  // NanoDet with brightness 0.2, contrast 1.4, saturation 1.2: (x + 51) · 1.4, then the distance from the
  // largest channel times 1.2.
  ColourMap map{{1.4f, 0, 0, 71.4f, 0, 1.4f, 0, 71.4f, 0, 0, 1.4f, 71.4f}};
  std::vector<float> values = {229.5f, 100, 20, 0, 0, 0};
  hd::recolourValues({.map = map, .saturation = 1.2f}, 2, values.data());
  check(values, {392.7, 392.7 - 1.2 * 181.3, 392.7 - 1.2 * 293.3, 71.4, 71.4, 71.4});
  values = {10, 20, 30};
  hd::recolourValues({.map = {{1, 0, 0, -51, 0, 1, 0, -51, 0, 0, 1, -51}}}, 1, values.data());
  check(values, {-41, -31, -21});
  values = {200, 10, 60, 77, 77, 77};
  hd::recolourValues({.hue = 1 / 3.0f}, 2, values.data());
  check(values, {60, 200, 10, 77, 77, 77});
}

TEST_CASE("a row of any length is turned as its pixels are one by one") {
  const ColourTurn turn{{{1.2f, 0.1f, 0, 9, 0, 0.8f, 0, -3, 0.3f, 0, 1.1f, 0}}, 0.7f, -0.2f};
  for (const int64_t count : {1, 63, 64, 65, 200}) {
    std::vector<float> row, each;
    for (int64_t i = 0; i < 3 * count; ++i) row.push_back(static_cast<float>(i * 37 % 256));
    each = row;
    hd::recolourValues(turn, count, row.data());
    for (int64_t i = 0; i < count; ++i) hd::recolourValues(turn, 1, &each[static_cast<size_t>(3 * i)]);
    CHECK(row == each);
  }
}

TEST_CASE("maps follow one another; contrast keeps its mean") {
  const ColourMap twice{{2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0}}, more{{1, 0, 0, 5, 0, 1, 0, 5, 0, 0, 1, 5}};
  CHECK(twice.then(more).rows == std::array<float, 12>{2, 0, 0, 5, 0, 2, 0, 5, 0, 0, 2, 5});
  CHECK(more.then(twice).rows == std::array<float, 12>{2, 0, 0, 10, 0, 2, 0, 10, 0, 0, 2, 10});
  std::vector<float> values = {40, 10, 70};
  hd::recolourValues({.map = ColourMap::contrast(0.5f, 40)}, 1, values.data());
  check(values, {40, 25, 55});
}
