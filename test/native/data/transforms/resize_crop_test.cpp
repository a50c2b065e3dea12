#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "native/data/picture_fixture.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;

TEST_CASE("resizeCrop: the shorter side gets a listed length, the window sides of its range") {
  const hd::data::Pipeline steps =
      pipeline(R"([{"resizeCrop": {"probability": 1, "short": [40, 60], "window": [32, 50]}}])");
  std::set<double> scales;
  std::set<int> widths, heights;
  for (uint64_t i = 0; i < 500; ++i) {
    const hd::data::Geometry window = steps.plan(200, 100, draws(i)).geometry;
    scales.insert(window.scaleX);
    widths.insert(window.width);
    heights.insert(window.height);
    CHECK(window.window.left >= -1e-9);
    CHECK(window.window.right <= 200 + 1e-9);
    CHECK(window.window.bottom <= 100 + 1e-9);
  }
  CHECK(scales == std::set<double>{0.4, 0.6});
  CHECK(*widths.begin() == 32);
  CHECK(*widths.rbegin() == 50);
  CHECK(*heights.begin() == 32);
  CHECK(*heights.rbegin() == 50);
}

TEST_CASE("resizeCrop: a picture smaller than the least window stays whole") {
  const auto plan = pipeline(R"([{"resizeCrop": {"probability": 1, "short": [20], "window": [32, 50]}}])")
                        .plan(30, 20, draws(0));
  CHECK(plan.geometry.width == 30);
  CHECK(plan.geometry.height == 20);
  CHECK(plan.minVisible == 0.3f);
  CHECK(pipeline(R"([{"resizeCrop": {"probability": 0}}])").plan(30, 20, draws(0)).minVisible == 0);
}

TEST_CASE("resizeCrop refuses unusable options") {
  for (const char* options :
       {R"({"short": []})", R"({"short": 400})", R"({"short": ["a"]})", R"({"short": [0]})",
        R"({"window": [600, 384]})", R"({"window": [0, 5]})", R"({"minVisible": 2})", R"({"size": 1})"}) {
    CAPTURE(options);
    CHECK(codeOf([&] { pipeline(hd::concat(R"([{"resizeCrop": )", options, "}]")); }) == "HD_DATA_TRANSFORM");
  }
}
