// The kernels' elementary functions against the standard library over their whole ranges.
#include "ops/cpu/math.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace {

using namespace hd::ops::kernel;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// |actual − expected| in units of the expected value's last place.
double ulps(float actual, double expected) {
  const float rounded = static_cast<float>(expected);
  const double place = static_cast<double>(std::nextafter(std::abs(rounded), kInfinity)) -
                       std::abs(static_cast<double>(rounded));
  return std::abs(static_cast<double>(actual) - expected) / place;
}

/// Largest error of `function` over `count` evenly spaced points.
template <class Function, class Expected>
double worst(float low, float high, int count, Function function, Expected expected) {
  double largest = 0;
  for (int i = 0; i <= count; ++i) {
    const float x = low + (high - low) * (static_cast<float>(i) / static_cast<float>(count));
    largest = std::max(largest, ulps(function(x), expected(static_cast<double>(x))));
  }
  return largest;
}

float exponential(float x) {
  return fastExp(x);
}
float logarithm(float x) {
  return fastLog(x);
}
float logarithmOfOnePlus(float x) {
  return fastLog1p(x);
}

TEST_CASE("fastExp is within two units of the last place") {
  const auto expected = [](double x) { return std::exp(x); };
  CHECK(worst(-86.6f, 88.7f, 400000, exponential, expected) <= 2);
  CHECK(worst(-1.f, 1.f, 400000, exponential, expected) <= 2);
  CHECK(worst(-1e-4f, 1e-4f, 10000, exponential, expected) <= 2);
  CHECK(fastExp(0.f) == 1.f);
}

TEST_CASE("fastExp beyond the range of float") {
  CHECK(fastExp(-87.f) == 0.f);
  CHECK(fastExp(-1e30f) == 0.f);
  CHECK(fastExp(-kInfinity) == 0.f);
  CHECK(fastExp(89.f) == kInfinity);
  CHECK(fastExp(kInfinity) == kInfinity);
  CHECK(std::isfinite(fastExp(88.722f)));
  CHECK(std::isnan(fastExp(kNan)));
}

TEST_CASE("fastLog1p is within three units of the last place on [0, 1]") {
  const auto expected = [](double x) { return std::log1p(x); };
  CHECK(worst(0.f, 1.f, 400000, logarithmOfOnePlus, expected) <= 3);
  CHECK(worst(1e-30f, 1e-6f, 10000, logarithmOfOnePlus, expected) <= 3);
  CHECK(fastLog1p(0.f) == 0.f);
  CHECK(std::isnan(fastLog1p(kNan)));
}

TEST_CASE("fastLog is within three units of the last place") {
  const auto expected = [](double x) { return std::log(x); };
  CHECK(worst(0.5f, 2.f, 400000, logarithm, expected) <= 3);
  CHECK(worst(1e-3f, 1e3f, 400000, logarithm, expected) <= 3);
  for (int exponent = -126; exponent <= 127; ++exponent) {
    const float x = std::ldexp(1.37f, exponent);
    CHECK(ulps(fastLog(x), std::log(static_cast<double>(x))) <= 3);
  }
  CHECK(fastLog(1.f) == 0.f);
}

TEST_CASE("fastLog of special values") {
  CHECK(fastLog(0.f) == -kInfinity);
  CHECK(fastLog(1e-40f) == -kInfinity);
  CHECK(std::isnan(fastLog(-1.f)));
  CHECK(std::isnan(fastLog(-kInfinity)));
  CHECK(std::isnan(fastLog(kNan)));
  CHECK(fastLog(kInfinity) == kInfinity);
}

TEST_CASE("the double overloads are the library's") {
  CHECK(fastExp(-3.25) == std::exp(-3.25));
  CHECK(fastLog1p(0.3) == std::log1p(0.3));
  CHECK(fastLog(7.5) == std::log(7.5));
}

TEST_CASE("bfloat16 rounds to nearest, ties to even") {
  const float one = 1.f, step = 0x1p-7f;  // neighbours of 1 are 2^-7 apart
  CHECK(load(roundToBFloat16(one)) == one);
  CHECK(load(roundToBFloat16(one + 0.49f * step)) == one);
  CHECK(load(roundToBFloat16(one + 0.51f * step)) == one + step);
  CHECK(load(roundToBFloat16(one + 0.5f * step)) == one);             // 1 is even
  CHECK(load(roundToBFloat16(one + 1.5f * step)) == one + 2 * step);  // 1 + step is odd
  CHECK(load(roundToBFloat16(-one - 0.51f * step)) == -one - step);
  CHECK(load(roundToBFloat16(kInfinity)) == kInfinity);
  CHECK(load(roundToBFloat16(std::numeric_limits<float>::max())) == kInfinity);
  CHECK(std::isnan(load(roundToBFloat16(kNan))));
  // A NaN whose payload sits in the dropped bits alone must not become an infinity.
  CHECK(std::isnan(load(roundToBFloat16(std::bit_cast<float>(0x7f800001u)))));
}

TEST_CASE("every bfloat16 survives a round trip") {
  for (uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const BFloat16 value{static_cast<uint16_t>(bits)};
    const float wide = load(value);
    if (std::isnan(wide)) continue;
    REQUIRE(roundToBFloat16(wide).bits == value.bits);
  }
}

TEST_CASE("sumInOrder adds every element once") {
  for (const int64_t count : {0, 1, 15, 16, 17, 31, 32, 33, 1000}) {
    std::vector<float> values;
    double expected = 0;
    for (int64_t i = 0; i < count; ++i) {
      values.push_back(static_cast<float>((i * 7919) % 1000) - 500.f);
      expected += static_cast<double>(values.back());
    }
    CHECK(sumInOrder(values.data(), count) == expected);  // integers: exact in any order
  }
}

TEST_CASE("sumInOrder keeps what a float sum would lose") {
  std::vector<float> values(100000, 0.1f);
  values[0] = 1e8f;
  CHECK(sumInOrder(values.data(), 100000) ==
        doctest::Approx(1e8 + 99999 * static_cast<double>(0.1f)).epsilon(1e-12));
}

}  // namespace
