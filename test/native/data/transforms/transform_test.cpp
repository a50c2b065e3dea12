#include "data/transforms/transform.h"

#include <doctest/doctest.h>

#include <cmath>

#include "native/data/picture_fixture.h"
#include "native/data/transforms/steps.h"

using namespace hd::data;
using fixture::codeOf;

TEST_CASE("geometry: a random chain of steps maps points as the steps do one after another") {
  for (uint64_t round = 0; round < 300; ++round) {
    hd::Random random(1, "test", 0, round);
    const int width = 20 + static_cast<int>(random.below(400)),
              height = 20 + static_cast<int>(random.below(400));
    const double x0 = random.uniform() * static_cast<float>(width),
                 y0 = random.uniform() * static_cast<float>(height);
    Geometry geometry = Geometry::identity(width, height);
    double x = x0, y = y0;
    for (int step = 0; step < 5; ++step) {
      const int w = geometry.width, h = geometry.height;
      switch (random.below(3)) {
        case 0: {
          const int newWidth = 10 + static_cast<int>(random.below(300)),
                    newHeight = 10 + static_cast<int>(random.below(300));
          geometry.resize(newWidth, newHeight);
          x *= static_cast<double>(newWidth) / w;
          y *= static_cast<double>(newHeight) / h;
          break;
        }
        case 1: {
          const int newWidth = 1 + static_cast<int>(random.below(static_cast<uint32_t>(w)));
          const int newHeight = 1 + static_cast<int>(random.below(static_cast<uint32_t>(h)));
          const int left = static_cast<int>(random.below(static_cast<uint32_t>(w - newWidth + 1)));
          const int top = static_cast<int>(random.below(static_cast<uint32_t>(h - newHeight + 1)));
          geometry.crop(left, top, newWidth, newHeight);
          x -= left;
          y -= top;
          break;
        }
        default:
          geometry.flip();
          x = w - x;
      }
    }
    CHECK(geometry.mapX(x0) == doctest::Approx(x).epsilon(1e-9).scale(1000));
    CHECK(geometry.mapY(y0) == doctest::Approx(y).epsilon(1e-9).scale(1000));
  }
}

TEST_CASE("geometry: pixels are kept by crops and mirrors at whole offsets only") {
  Geometry geometry = Geometry::identity(40, 30);
  geometry.flip();
  geometry.crop(3, 4, 20, 20);
  CHECK(geometry.keepsPixels());
  geometry.resize(21, 20);
  CHECK_FALSE(geometry.keepsPixels());
}

TEST_CASE("colour maps chain as functions do") {
  const ColourMap first{{1, 2, 3, 4, 0, 1, 0, 5, 1, 1, 1, 6}}, second{{0, 1, 0, 1, 2, 0, 0, 2, 0, 0, 3, 3}};
  const auto apply = [](const ColourMap& map, std::array<float, 3> v) {
    std::array<float, 3> out{};
    for (size_t row = 0; row < 3; ++row) {
      const float* m = &map.rows[row * 4];
      out[row] = m[0] * v[0] + m[1] * v[1] + m[2] * v[2] + m[3];
    }
    return out;
  };
  const std::array<float, 3> value = {10, 20, 30};
  CHECK(apply(first.then(second), value) == apply(second, apply(first, value)));
  CHECK(ColourMap{}.identity());
  CHECK(first.then(ColourMap{}) == first);
  CHECK_FALSE(first.identity());
}

TEST_CASE("an unknown transform is refused with the list of those there are") {
  try {
    transformFactory("rotate");
    FAIL("expected an error");
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_DATA_TRANSFORM");
    for (const char* name : {"affine", "colour", "crop", "flip", "mosaic", "resize"})
      CHECK(std::string(error.what()).find(name) != std::string::npos);
  }
}

TEST_CASE("options: unknown members and numbers out of range are refused") {
  hd::Value options;
  options.set("probability", 1.5);
  CHECK(codeOf([&] { checkMembers("flip", options, {"probability"}); }).empty());
  CHECK(codeOf([&] { checkMembers("flip", options, {"chance"}); }) == "HD_DATA_TRANSFORM");
  CHECK(codeOf([&] { numberWithin("flip", options, "probability", 0.5, 0, 1); }) == "HD_DATA_TRANSFORM");
  CHECK(numberWithin("flip", options, "other", 0.5, 0, 1) == 0.5);
  options.set("probability", std::nan(""));
  CHECK(codeOf([&] { numberWithin("flip", options, "probability", 0.5, 0, 1); }) == "HD_DATA_TRANSFORM");
}

TEST_CASE("options: ranges are two numbers in order, within their limits") {
  const auto range = [](const char* json) {
    return rangeWithin("affine", hd::parseJson(json), "scale", {0.5f, 1.5f}, 0.1, 2);
  };
  CHECK(range("{}") == std::array<float, 2>{0.5f, 1.5f});
  CHECK(range(R"({"scale": null})") == std::array<float, 2>{0.5f, 1.5f});
  CHECK(range(R"({"scale": [0.1, 2]})") == std::array<float, 2>{0.1f, 2});
  for (const char* json : {R"({"scale": [2, 1]})", R"({"scale": [0, 1]})", R"({"scale": [1, 3]})",
                           R"({"scale": [1]})", R"({"scale": 1})", R"({"scale": ["a", "b"]})"}) {
    CAPTURE(json);
    CHECK(codeOf([&] { range(json); }) == "HD_DATA_TRANSFORM");
  }
}

TEST_CASE("geometry: warped maps follow the same steps as axis-aligned ones") {
  for (uint64_t round = 0; round < 100; ++round) {
    hd::Random random(3, "test", 0, round);
    Geometry plain = Geometry::identity(200, 120), warped = plain;
    warped.warp({}, 200, 120);
    for (int step = 0; step < 5; ++step) {
      const int w = plain.width, h = plain.height;
      const int newWidth = 1 + static_cast<int>(random.below(static_cast<uint32_t>(w))),
                newHeight = 1 + static_cast<int>(random.below(static_cast<uint32_t>(h)));
      const uint32_t kind = random.below(3);
      for (Geometry* geometry : {&plain, &warped}) {
        if (kind == 0) geometry->resize(newWidth + 30, newHeight + 30);
        if (kind == 1) geometry->crop((w - newWidth) / 2, (h - newHeight) / 3, newWidth, newHeight);
        if (kind == 2) geometry->flip();
      }
    }
    CHECK(warped.width == plain.width);
    CHECK(warped.flipped == plain.flipped);
    CHECK(warped.toCanvas().mapX(50, 70) == doctest::Approx(plain.mapX(50)).scale(100));
    CHECK(plain.toCanvas().mapX(50, 70) == doctest::Approx(plain.mapX(50)).scale(100));
    CHECK(warped.toCanvas().mapY(50, 70) == doctest::Approx(plain.mapY(70)).scale(100));
  }
}

TEST_CASE("fill: three values of a byte, or none") {
  for (const char* step : {"affine", "centreAffine"}) {
    const auto with = [step](const char* fill) {
      return hd::concat("[{\"", step, "\": {\"fill\": ", fill,
                        std::string(step) == "affine" ? "}}]" : ", \"size\": 32}}]");
    };
    CHECK(fixture::pipeline(with("null")).plan(8, 8, fixture::draws(0)).fill == std::nullopt);
    CHECK(fixture::pipeline(with("[0, 255, 7]")).plan(8, 8, fixture::draws(0)).fill ==
          std::array<uint8_t, 3>{0, 255, 7});
    for (const char* wrong : {"[0, 0]", "[0, 0, 256]", "[-1, 0, 0]", "7", "\"black\"", "[]"})
      CHECK(fixture::codeOf([&] { fixture::pipeline(with(wrong)); }) == "HD_DATA_TRANSFORM");
  }
}
