#include <doctest/doctest.h>

#include <set>

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
