#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "native/data/painted.h"
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

TEST_CASE("keepObject: the window holds the middle of an object, of each in turn, and keeps its size") {
  const fixture::PaintedDataset dataset(1, 160, 120);
  const auto annotations = dataset.annotations(0);
  const hd::data::Pipeline keeping =
      pipeline(R"([{"crop": {"probability": 1, "scale": [0.2, 0.4], "keepObject": true}}])");
  std::set<size_t> held;
  for (uint64_t i = 0; i < 300; ++i) {
    const hd::data::Scene scene = keeping.scene(0, draws(i), {&dataset, nullptr});
    const hd::data::Plan anywhere = keeping.plan(160, 120, draws(i));
    CHECK(scene.width() == anywhere.geometry.width);
    CHECK(scene.height() == anywhere.geometry.height);
    const hd::data::Window& window = scene.layers[0].plan.geometry.window;
    CHECK((window.left >= 0 && window.top >= 0 && window.right <= 160 && window.bottom <= 120));
    size_t inside = 0;
    for (size_t k = 0; k < annotations.size(); ++k) {
      const auto& a = annotations[k];
      if (!window.contains((a.x1 + a.x2) / 2, (a.y1 + a.y2) / 2)) continue;
      ++inside;
      held.insert(k);
    }
    CHECK(inside >= 1);
  }
  CHECK(held.size() == annotations.size());
}
