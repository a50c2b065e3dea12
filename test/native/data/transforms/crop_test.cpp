#include <doctest/doctest.h>

#include <algorithm>

#include "native/data/picture_fixture.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;

TEST_CASE("windows lie inside the picture, have the wanted sizes and reach every border") {
  const hd::data::Pipeline steps =
      pipeline(R"([{"crop": {"probability": 1, "scale": [0.25, 0.75], "minVisible": 0.4}}])");
  int smallest = 1000, largest = 0, leftmost = 1000, rightmost = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const hd::data::Plan plan = steps.plan(80, 60, draws(i));
    const hd::data::Geometry& window = plan.geometry;
    CHECK(window.keepsPixels());
    CHECK(window.height >= 15);
    CHECK(window.height <= 45);
    const int left = static_cast<int>(-window.offsetX), top = static_cast<int>(-window.offsetY);
    CHECK((left >= 0 && left + window.width <= 80 && top >= 0 && top + window.height <= 60));
    CHECK(plan.minVisible == 0.4f);
    smallest = std::min(smallest, window.width);
    largest = std::max(largest, window.width);
    leftmost = std::min(leftmost, left);
    rightmost = std::max(rightmost, left + window.width);
  }
  CHECK(smallest == 20);
  CHECK(largest == 60);
  CHECK(leftmost == 0);
  CHECK(rightmost == 80);
}

TEST_CASE("pictures that are not cropped keep all objects") {
  const hd::data::Plan plan = pipeline(R"([{"crop": {"probability": 0}}])").plan(80, 60, draws(0));
  CHECK(plan.geometry.width == 80);
  CHECK(plan.minVisible == 0);
}

TEST_CASE("a picture of one pixel survives a crop") {
  const hd::data::Plan plan =
      pipeline(R"([{"crop": {"probability": 1, "scale": [0.05, 0.05]}}])").plan(1, 1, draws(0));
  CHECK(plan.geometry.width == 1);
  CHECK(plan.geometry.height == 1);
}

TEST_CASE("crop refuses unusable options") {
  for (const char* json : {R"([{"crop": {"scale": [0.9, 0.5]}}])", R"([{"crop": {"scale": [0.01, 0.5]}}])",
                           R"([{"crop": {"scale": [0.5, 1.5]}}])", R"([{"crop": {"scale": [0.5]}}])",
                           R"([{"crop": {"minVisible": 2}}])", R"([{"crop": {"size": 3}}])"}) {
    CAPTURE(json);
    CHECK(codeOf([&] { pipeline(json); }) == "HD_DATA_TRANSFORM");
  }
}
