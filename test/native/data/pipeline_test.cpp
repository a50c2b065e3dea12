#include "data/pipeline.h"

#include <doctest/doctest.h>

#include "native/data/picture_fixture.h"
#include "native/data/transforms/steps.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;

TEST_CASE("steps run in the order of the list") {
  const Plan cropped =
      pipeline(R"([{"crop": {"probability": 1, "scale": [0.5, 0.5]}}, {"resize": {"sizes": [100]}}])")
          .plan(80, 80, draws(0));
  CHECK(cropped.geometry.width == 100);
  CHECK(cropped.geometry.scaleX == 2.5);
  const Plan resized =
      pipeline(R"([{"resize": {"sizes": [100]}}, {"crop": {"probability": 1, "scale": [0.5, 0.5]}}])")
          .plan(80, 80, draws(0));
  CHECK(resized.geometry.width == 50);
  CHECK(resized.geometry.scaleX == 1.25);
}

TEST_CASE("a plan is a function of its draws") {
  const Pipeline all = pipeline(
      R"([{"resize": {"sizes": [[64, 32], [128, 96]]}}, {"flip": {}}, {"crop": {}}, {"colour": {}}])");
  int different = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    const Plan a = all.plan(200, 100, draws(i)), b = all.plan(200, 100, draws(i)),
               c = all.plan(200, 100, draws(i + 1));
    CHECK(a.geometry.offsetX == b.geometry.offsetX);
    CHECK(a.geometry.scaleX == b.geometry.scaleX);
    CHECK(a.colour == b.colour);
    different += a.colour != c.colour;
  }
  CHECK(different == 50);
}

TEST_CASE("the empty pipeline changes nothing and bounds nothing") {
  for (const Pipeline& none : {Pipeline(hd::Value()), pipeline("[]")}) {
    const Plan plan = none.plan(31, 17, draws(0));
    CHECK(plan.geometry.keepsPixels());
    CHECK(plan.geometry.width == 31);
    CHECK(plan.colour.identity());
    CHECK_FALSE(none.bound().has_value());
  }
}

TEST_CASE("shrinkToFit keeps the ratio and never enlarges") {
  Plan plan(200, 100);
  shrinkToFit(plan, {300, 300});
  CHECK(plan.geometry.width == 200);
  shrinkToFit(plan, {64, 64});
  CHECK(plan.geometry.width == 64);
  CHECK(plan.geometry.height == 32);
  Plan sliver(3000, 1);
  shrinkToFit(sliver, {64, 64});
  CHECK(sliver.geometry.height == 1);
}

TEST_CASE("what is no list of single steps is refused") {
  for (const char* json :
       {R"(["flip"])", R"([{}])", R"([{"flip": {}, "crop": {}}])", R"([{"rotate": {}}])"}) {
    CAPTURE(json);
    CHECK(codeOf([&] { pipeline(json); }) == "HD_DATA_TRANSFORM");
  }
  CHECK(codeOf([] { pipeline(R"({"flip": {}})"); }) == "HD_INTERNAL");
}
