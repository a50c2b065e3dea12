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

TEST_CASE("close leaves a step out of the last epochs, and only that step") {
  const Pipeline steps = pipeline(R"([{"affine": {"close": 3}}, {"flip": {"probability": 1}}])");
  CHECK(steps.closes());
  CHECK_FALSE(pipeline(R"([{"affine": {}}])").closes());
  for (const int64_t left : {int64_t{4}, int64_t{100}, Pipeline::openEnd})
    CHECK(steps.plan(64, 64, draws(0), left).geometry.warped);
  for (const int64_t left : {3, 2, 1}) {
    const Plan plan = steps.plan(64, 64, draws(0), left);
    CHECK_FALSE(plan.geometry.warped);
    CHECK(plan.geometry.flipped);
  }
  CHECK(codeOf([] { pipeline(R"([{"flip": {"close": 3}}])"); }) == "HD_DATA_TRANSFORM");
}

TEST_CASE("steps that join pictures are refused where their parts could not follow") {
  const std::string mosaic = R"({"mosaic": {"size": 64}})";
  const auto code = [](const std::string& steps) { return codeOf([&] { pipeline(steps); }); };
  CHECK(code("[" + mosaic + ", " + mosaic + "]") == "HD_DATA_TRANSFORM");
  CHECK(code(R"([{"affine": {}}, )" + mosaic + "]") == "HD_DATA_TRANSFORM");
  CHECK(code(R"([{"mixup": {}}, )" + mosaic + "]") == "HD_DATA_TRANSFORM");
  CHECK(code(R"([{"mixup": {}}, {"copyPaste": {}}])") == "HD_DATA_TRANSFORM");
  CHECK(
      code("[" + mosaic + R"(, {"affine": {}}, {"copyPaste": {}}, {"mixup": {}}, {"colour": {}}])").empty());
  CHECK(pipeline(R"([{"mixup": {}}])").needs().partners);
  CHECK_FALSE(pipeline(R"([{"mixup": {}}])").needs().polygons);
  CHECK_FALSE(pipeline(R"([{"flip": {}}])").needs().partners);
}

TEST_CASE("mosaics bound the picture") {
  CHECK(pipeline(R"([{"mosaic": {"size": [90, 60]}}])").bound() == Extent{90, 90});
  CHECK_FALSE(pipeline(R"([{"mosaic": {"size": [90, 60], "probability": 0.5}}])").bound().has_value());
  CHECK(pipeline(R"([{"resize": {"sizes": [50]}}, {"mosaic": {"size": 90, "probability": 0.5}}])").bound() ==
        Extent{90, 90});
  CHECK(pipeline(R"([{"mosaic": {"size": 90}}])").largestPlan(10, 10).geometry.width == 90);
}
