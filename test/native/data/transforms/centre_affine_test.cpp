#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "native/data/painted.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::PaintedDataset;
using fixture::pipeline;
using namespace hd::data;

TEST_CASE("centreAffine has CenterNet's formula") {
  // Centre (320, 240), s = 640: x' = 0.8 x, y' = 0.8 y + 64.
  const Plan plan =
      pipeline(R"([{"centreAffine": {"size": 512, "probability": 0}}])").plan(640, 480, draws(0));
  CHECK(plan.geometry.width == 512);
  CHECK(plan.geometry.height == 512);
  const std::array<double, 9> expected = {0.8, 0, 0, 0, 0.8, 64, 0, 0, 1};
  for (size_t i = 0; i < 9; ++i) CHECK(plan.geometry.projection.m[i] == doctest::Approx(expected[i]));
}

TEST_CASE("centreAffine draws eight scales, and a centre away from the edges") {
  const Pipeline steps = pipeline(R"([{"centreAffine": {"size": 512}}])");
  std::set<int> scales;
  double least = 1e9, largest = 0, top = 1e9, bottom = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Projection map = steps.plan(640, 200, draws(i)).geometry.projection;
    const double s = 512 / map.m[0];
    scales.insert(static_cast<int>(std::lround(s / 64)));
    const double x = (256 - map.m[2]) / map.m[0], y = (256 - map.m[5]) / map.m[4];
    least = std::min(least, x);
    largest = std::max(largest, x);
    top = std::min(top, y);
    bottom = std::max(bottom, y);
  }
  CHECK(scales == std::set<int>{6, 7, 8, 9, 10, 11, 12, 13});
  CHECK(least == doctest::Approx(128));
  CHECK(largest == doctest::Approx(640 - 128 - 1));
  CHECK(top == doctest::Approx(64));  // 200 − 128 is less than 128: halved
  CHECK(bottom == doctest::Approx(200 - 64 - 1));
  CHECK(steps.plan(1, 1, draws(0)).geometry.width == 512);
  CHECK(steps.bound().value() == Extent{512, 512});
}

TEST_CASE("centreAffine: objects are where their boxes say") {
  const auto dataset = std::make_shared<PaintedDataset>(8, 160, 120);
  int objects = 0;
  for (const auto& picture :
       fixture::painted(dataset, R"([{"centreAffine": {"size": 96, "border": 16}}])", 8)) {
    for (size_t i = 0; i < picture.targets.labels.size(); ++i) {
      const float* box = &picture.targets.boxes[4 * i];
      if (box[2] - box[0] < 4 || box[3] - box[1] < 4) continue;
      ++objects;
      CHECK(fixture::objectAt(picture, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2) ==
            picture.targets.labels[i]);
    }
  }
  CHECK(objects > 8);
}

TEST_CASE("centreAffine refuses unusable options") {
  for (const char* options :
       {"{}", R"({"size": [100, 200]})", R"({"size": 64, "scales": []})", R"({"size": 64, "scales": [0]})",
        R"({"size": 64, "scales": 1})", R"({"size": 64, "border": -1})", R"({"size": 64, "rotate": 1})"}) {
    CAPTURE(options);
    CHECK(codeOf([&] { pipeline(hd::concat(R"([{"centreAffine": )", options, "}]")); }) ==
          "HD_DATA_TRANSFORM");
  }
}
