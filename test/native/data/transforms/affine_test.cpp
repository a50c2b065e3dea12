#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "native/data/picture_fixture.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;
using namespace hd::data;

namespace {

// Everything still; tests override one option.
std::string still(const std::string& more) {
  return hd::concat(R"([{"affine": {"scale": [1, 1], "translate": 0)", more.empty() ? "" : ", ", more, "}}]");
}

struct Span {
  double least = 1e9, largest = -1e9;
  void add(double value) {
    least = std::min(least, value);
    largest = std::max(largest, value);
  }
  void check(double low, double high, double slack) const {
    CHECK(least >= low - 1e-5);
    CHECK(largest <= high + 1e-5);
    CHECK(least <= low + slack);
    CHECK(largest >= high - slack);
  }
};

template <class Measure>
Span over(const std::string& json, const Measure& measure) {
  const Pipeline steps = pipeline(json);
  Span span;
  for (uint64_t i = 0; i < 500; ++i) {
    const Plan plan = steps.plan(200, 100, draws(i));
    CHECK(plan.geometry.width == 200);
    CHECK(plan.geometry.height == 100);
    span.add(measure(plan.geometry.toCanvas()));
  }
  return span;
}

}  // namespace

TEST_CASE("affine: nothing to do leaves every point in its place") {
  const Plan plan = pipeline(still("")).plan(200, 100, draws(3));
  for (const double x : {0.0, 77.0, 200.0}) {
    CHECK(plan.geometry.toCanvas().mapX(x, 20) == doctest::Approx(x));
    CHECK(plan.geometry.toCanvas().mapY(x, 20) == doctest::Approx(20));
  }
}

TEST_CASE("affine: each option reaches from its least to its largest, and no further") {
  const auto stretch = [](const Projection& map) { return map.stretchX(3, 4); };
  over(R"([{"affine": {"scale": [0.6, 1.4], "translate": 0}}])", stretch).check(0.6, 1.4, 0.02);
  over(still(R"("stretch": [0.8, 1.2])"), stretch).check(0.8, 1.2, 0.02);
  over(still(R"("stretch": [0.8, 1.2])"), [](const Projection& map) {
    return map.stretchX(0, 0) / map.stretchY(0, 0);
  }).check(0.8 / 1.2, 1.2 / 0.8, 0.15);
  over(R"([{"affine": {"scale": [1, 1], "translate": 0.2}}])", [](const Projection& map) {
    return map.mapX(100, 50) / 200;
  }).check(0.3, 0.7, 0.01);
  over(R"([{"affine": {"scale": [1, 1], "translate": 0.2}}])", [](const Projection& map) {
    return map.mapY(100, 50) / 100;
  }).check(0.3, 0.7, 0.01);
  over(still(R"("rotate": 25)"), [](const Projection& map) {
    return std::atan2(map.m[1], map.m[0]) * 180 / M_PI;
  }).check(-25, 25, 1);
  over(still(R"("shear": 15)"), [](const Projection& map) {
    return std::atan(map.m[1]) * 180 / M_PI;
  }).check(-15, 15, 0.5);
  over(still(R"("shear": 15)"), [](const Projection& map) {
    return std::atan(map.m[3]) * 180 / M_PI;
  }).check(-15, 15, 0.5);
  const auto depth = [](const Projection& map) { return (map.depth(200, 50) - map.depth(100, 50)) / 100; };
  over(still(R"("perspective": 0.001)"), depth).check(-0.001, 0.001, 0.0001);
  over(still(R"("perspective": 0.01)"), depth).check(-0.8 / 300, 0.8 / 300, 0.0003);
}

TEST_CASE("affine: the scale is one draw for both sides") {
  over(R"([{"affine": {"scale": [0.5, 1.5], "translate": 0}}])", [](const Projection& map) {
    return map.stretchX(0, 0) / map.stretchY(0, 0);
  }).check(1, 1, 1e-5);
}

TEST_CASE("affine: one option does not change what the others draw") {
  const Plan one = pipeline(still(R"("rotate": 10)")).plan(200, 100, draws(9));
  const Plan both =
      pipeline(still(R"("rotate": 10, "perspective": 0.0001, "shear": 0)")).plan(200, 100, draws(9));
  const auto angle = [](const Plan& plan) {
    const Projection map = plan.geometry.toCanvas();
    return std::atan2(map.mapY(101, 50) - map.mapY(99, 50), map.mapX(101, 50) - map.mapX(99, 50));
  };
  CHECK(angle(one) == doctest::Approx(angle(both)).epsilon(1e-3));
}

TEST_CASE("affine: pictures that are not warped keep the fast way and all boxes") {
  const Pipeline some = pipeline(R"([{"affine": {"probability": 0.25}}])");
  int warped = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const Plan plan = some.plan(200, 100, draws(i));
    warped += plan.geometry.warped;
    CHECK((plan.minVisible > 0) == plan.geometry.warped);
    CHECK((plan.minSide > 0) == plan.geometry.warped);
    CHECK(plan.geometry.keepsPixels() != plan.geometry.warped);
  }
  CHECK(warped > 200);
  CHECK(warped < 300);
}

TEST_CASE("affine: later steps act on what it made") {
  Plan plan = pipeline(R"([{"affine": {"translate": 0, "scale": [0.5, 0.5]}}, {"flip": {"probability": 1}},
                           {"resize": {"sizes": [400]}}])")
                  .plan(200, 100, draws(0));
  const Projection map = plan.geometry.toCanvas();
  CHECK(plan.geometry.width == 400);
  CHECK(map.mapX(0, 0) == doctest::Approx(300));
  CHECK(map.mapY(0, 0) == doctest::Approx(50));
  CHECK(map.mapX(200, 100) == doctest::Approx(100));
  plan.geometry.crop(10, 20, 50, 50);
  CHECK(plan.geometry.toCanvas().mapX(200, 100) == doctest::Approx(90));
  CHECK(plan.geometry.window.right == 200);
}

TEST_CASE("affine: a crop before it stays cut") {
  const Plan plan = pipeline(R"([{"crop": {"probability": 1, "scale": [0.5, 0.5]}}, {"affine": {}}])")
                        .plan(200, 100, draws(2));
  const Window& window = plan.geometry.window;
  CHECK(window.right - window.left == doctest::Approx(100));
  CHECK(window.bottom - window.top == doctest::Approx(50));
}

TEST_CASE("affine refuses unusable options") {
  for (const char* options :
       {R"({"scale": [1.5, 0.5]})", R"({"scale": [0, 1]})", R"({"scale": [1, 20]})", R"({"scale": [1]})",
        R"({"stretch": [0, 1]})", R"({"translate": 2})", R"({"translate": -0.1})", R"({"rotate": 181})",
        R"({"shear": 45})", R"({"perspective": 0.1})", R"({"minVisible": 2})", R"({"minSide": -1})",
        R"({"probability": 2})", R"({"degrees": 10})"}) {
    CAPTURE(options);
    CHECK(codeOf([&] { pipeline(hd::concat(R"([{"affine": )", options, "}]")); }) == "HD_DATA_TRANSFORM");
  }
}
