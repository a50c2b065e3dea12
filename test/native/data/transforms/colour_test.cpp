#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "native/data/picture_fixture.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;
using hd::data::ColourMap;

namespace {

using Rgb = std::array<float, 3>;

Rgb apply(const ColourMap& map, const Rgb& value) {
  Rgb out{};
  for (size_t row = 0; row < 3; ++row) {
    const float* m = &map.rows[row * 4];
    out[row] = m[0] * value[0] + m[1] * value[1] + m[2] * value[2] + m[3];
  }
  return out;
}

ColourMap drawn(const char* json, uint64_t position) {
  return pipeline(json).plan(8, 8, draws(position)).colour;
}
float luma(const Rgb& value) {
  return 0.299f * value[0] + 0.587f * value[1] + 0.114f * value[2];
}

}  // namespace

TEST_CASE("brightness shifts all channels alike, within its limit") {
  float least = 0, largest = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    const Rgb out =
        apply(drawn(R"([{"colour": {"brightness": 0.2, "contrast": 0, "saturation": 0, "hue": 0}}])", i),
              {10, 20, 30});
    CHECK(out[1] - out[0] == doctest::Approx(10));
    CHECK(out[2] - out[1] == doctest::Approx(10));
    least = std::min(least, out[0] - 10);
    largest = std::max(largest, out[0] - 10);
  }
  CHECK(least == doctest::Approx(-51).epsilon(0.05));
  CHECK(largest == doctest::Approx(51).epsilon(0.05));
}

TEST_CASE("contrast keeps mid-grey, saturation and hue keep greys and luma") {
  for (uint64_t i = 0; i < 50; ++i) {
    const Rgb contrast =
        apply(drawn(R"([{"colour": {"brightness": 0, "contrast": 0.5, "saturation": 0, "hue": 0}}])", i),
              {127.5f, 127.5f, 227.5f});
    CHECK(contrast[0] == doctest::Approx(127.5));
    CHECK(contrast[2] - 127.5 >= 50 - 1e-3);
    CHECK(contrast[2] - 127.5 <= 150 + 1e-3);
    const ColourMap chroma =
        drawn(R"([{"colour": {"brightness": 0, "contrast": 0, "saturation": 0.5, "hue": 0.5}}])", i);
    const Rgb grey = apply(chroma, {90, 90, 90}), colour = apply(chroma, {200, 40, 90});
    for (const float channel : grey) CHECK(channel == doctest::Approx(90).epsilon(1e-3));
    CHECK(luma(colour) == doctest::Approx(luma({200, 40, 90})).epsilon(1e-3));
  }
}

TEST_CASE("saturation scales the distance to luma") {
  const ColourMap map =
      drawn(R"([{"colour": {"brightness": 0, "contrast": 0, "saturation": 1, "hue": 0}}])", 4);
  const Rgb value = {200, 40, 90}, out = apply(map, value);
  const float factor = (out[0] - luma(value)) / (value[0] - luma(value));
  CHECK(factor >= 0);
  CHECK(factor <= 2);
  for (size_t c = 0; c < 3; ++c)
    CHECK(out[c] == doctest::Approx(luma(value) + factor * (value[c] - luma(value))).epsilon(1e-4));
}

TEST_CASE("hue turns chroma without changing its size, and draws both ways") {
  const auto chroma = [](const Rgb& v) {
    return std::hypot(0.595716f * v[0] - 0.274453f * v[1] - 0.321263f * v[2],
                      0.211456f * v[0] - 0.522591f * v[1] + 0.311135f * v[2]);
  };
  int towardsGreen = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    const Rgb out =
        apply(drawn(R"([{"colour": {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0.1}}])", i),
              {200, 40, 40});
    CHECK(chroma(out) == doctest::Approx(chroma({200, 40, 40})).epsilon(1e-3));
    towardsGreen += out[1] > out[2];
  }
  CHECK(towardsGreen > 20);
  CHECK(towardsGreen < 80);
}

TEST_CASE("limits of 0 and probability 0 change nothing") {
  CHECK(drawn(R"([{"colour": {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}}])", 1).identity());
  CHECK(drawn(R"([{"colour": {"probability": 0}}])", 1).identity());
  CHECK_FALSE(drawn(R"([{"colour": {}}])", 1).identity());
}

TEST_CASE("colour refuses unusable options") {
  for (const char* json : {R"([{"colour": {"hue": 0.6}}])", R"([{"colour": {"contrast": -1}}])",
                           R"([{"colour": {"gamma": 1}}])"}) {
    CHECK(codeOf([&] { pipeline(json); }) == "HD_DATA_TRANSFORM");
  }
}
