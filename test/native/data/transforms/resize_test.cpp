#include <doctest/doctest.h>

#include <set>

#include "data/transforms/targets.h"
#include "native/data/picture_fixture.h"
#include "native/data/transforms/steps.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;

namespace {

Extent sizeOf(const Plan& plan) {
  return {plan.geometry.width, plan.geometry.height};
}

}  // namespace

TEST_CASE("resize keeps the ratio and fits both limits, up and down") {
  const Pipeline fit = pipeline(R"([{"resize": {"sizes": [[1333, 800]]}}])");
  CHECK(sizeOf(fit.plan(640, 480, draws(0))) == Extent{1067, 800});
  CHECK(sizeOf(fit.plan(4000, 500, draws(0))) == Extent{1333, 167});
  CHECK(sizeOf(fit.plan(1, 30000, draws(0))) == Extent{1, 1333});
  CHECK(sizeOf(pipeline(R"([{"resize": {"sizes": [320]}}])").plan(640, 428, draws(0))) == Extent{320, 214});
}

TEST_CASE("resize without the ratio makes every picture exactly that large") {
  const Pipeline stretch = pipeline(R"([{"resize": {"sizes": [[320, 320]], "keepRatio": false}}])");
  for (const auto& [width, height] : {std::pair{640, 480}, {480, 640}, {31, 3000}}) {
    CHECK(sizeOf(stretch.plan(width, height, draws(0))) == Extent{320, 320});
    CHECK(sizeOf(stretch.largestPlan(width, height)) == Extent{320, 320});
  }
  const Geometry wide = stretch.plan(640, 480, draws(0)).geometry;  // NanoDet: diag(0.5, 0.6667)
  CHECK(wide.scaleX == doctest::Approx(0.5));
  CHECK(wide.scaleY == doctest::Approx(0.66667));
  CHECK(stretch.bound().value() == Extent{320, 320});
  const Pipeline upright = pipeline(R"([{"resize": {"sizes": [[320, 640]], "keepRatio": false}}])");
  CHECK(sizeOf(upright.plan(640, 480, draws(0))) == Extent{320, 640});  // [width, height], not [long, short]
  CHECK(upright.bound().value() == Extent{320, 640});
  const Pipeline both =
      pipeline(R"([{"resize": {"mode": "value", "sizes": [[320, 640], [640, 320]], "keepRatio": false}}])");
  CHECK(sizeOf(both.largestPlan(10, 10)) == Extent{640, 640});
}

TEST_CASE("boxes follow a stretch, with NanoDet's numbers") {
  const auto boxOf = [](const Plan& plan) {
    AnnotationTable table;
    const Annotation a{100, 50, 300, 400, 70000, 0, false, false, 1, -1, -1, -1};
    return placeTargets(plan, {&a, 1}, table).boxes;
  };
  const auto check = [](const std::vector<float>& box, const std::vector<double>& expected) {
    REQUIRE(box.size() == 4);
    for (size_t i = 0; i < 4; ++i) CHECK(box[i] == doctest::Approx(expected[i]).epsilon(1e-4));
  };
  check(boxOf(pipeline(R"([{"resize": {"sizes": [320]}}])").plan(640, 480, draws(0))), {50, 25, 150, 200});
  const Pipeline stretch = pipeline(R"([{"resize": {"sizes": [320], "keepRatio": false}}])");
  check(boxOf(stretch.plan(640, 480, draws(0))), {50, 33.3333, 150, 266.6667});
  // Scale 1.2, stretch 0.9 / 1.1, flip, T = (0.6 W, 0.45 H): the mirror comes last here, so the centre goes
  // to 0.4 W before it. The stretch to 320 × 320 stands behind all.
  Plan plan(640, 480);
  plan.geometry.warp(
      warpOf({.scaleX = 1.2 * 0.9, .scaleY = 1.2 * 1.1, .translateX = 0.4, .translateY = 0.45}, 640, 480),
      640, 480);
  plan.geometry.flip();
  plan.geometry.resize(320, 320);
  const Projection all = plan.geometry.toCanvas();
  const std::array<double, 6> expected = {-0.54, 0, 364.8, 0, 0.88, -67.2};
  for (size_t i = 0; i < 6; ++i) CHECK(all.m[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  check(boxOf(plan), {202.8, 0, 310.8, 284.8});
}

TEST_CASE("resize 'value' draws each listed size and no other") {
  const Pipeline values =
      pipeline(R"([{"resize": {"mode": "value", "sizes": [[400, 300], [200, 150], [100, 75]]}}])");
  std::set<int> widths;
  for (uint64_t i = 0; i < 100; ++i) widths.insert(sizeOf(values.plan(400, 300, draws(i))).width);
  CHECK(widths == std::set<int>{100, 200, 400});
  CHECK(sizeOf(values.largestPlan(400, 300)) == Extent{400, 300});
}

TEST_CASE("resize 'range' draws every short side between the ends") {
  const Pipeline range = pipeline(R"([{"resize": {"mode": "range", "sizes": [[1000, 100], [1000, 104]]}}])");
  std::set<int> shorter;
  for (uint64_t i = 0; i < 200; ++i) {
    const Plan plan = range.plan(500, 250, draws(i));
    shorter.insert(plan.geometry.height);
    CHECK(plan.geometry.width == plan.geometry.height * 2);
  }
  CHECK(shorter == std::set<int>{100, 101, 102, 103, 104});
  CHECK(sizeOf(range.largestPlan(500, 250)) == Extent{208, 104});
  CHECK(range.bound().value() == Extent{1000, 1000});
}

TEST_CASE("no drawn size exceeds the largest plan or the bound") {
  const Pipeline both =
      pipeline(R"([{"resize": {"sizes": [[512, 128], [640, 480], [300, 300]]}}, {"flip": {}}])");
  for (uint64_t i = 0; i < 500; ++i) {
    hd::Random random(3, "test", 0, i);
    const int width = 1 + static_cast<int>(random.below(2000)),
              height = 1 + static_cast<int>(random.below(2000));
    const Extent drawn = sizeOf(both.plan(width, height, draws(i))),
                 largest = sizeOf(both.largestPlan(width, height));
    CHECK(drawn.width <= largest.width);
    CHECK(drawn.height <= largest.height);
    CHECK(std::max(largest.width, largest.height) <= both.bound()->width);
    CHECK(std::min(drawn.width, drawn.height) >= 1);
  }
}

TEST_CASE("resize refuses unusable options") {
  for (const char* json :
       {R"([{"resize": {}}])", R"([{"resize": null}])", R"([{"resize": {"sizes": []}}])",
        R"([{"resize": {"sizes": [[100, 200]]}}])", R"([{"resize": {"sizes": [[100]]}}])",
        R"([{"resize": {"sizes": [0]}}])", R"([{"resize": {"sizes": [[1e12, 10]]}}])",
        R"([{"resize": {"sizes": ["big"]}}])", R"([{"resize": {"sizes": [320], "mode": "random"}}])",
        R"([{"resize": {"sizes": [320], "keep": true}}])"}) {
    CAPTURE(json);
    CHECK(codeOf([&] { pipeline(json); }) == "HD_DATA_TRANSFORM");
  }
}
