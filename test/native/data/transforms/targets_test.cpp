#include "data/transforms/targets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "native/data/picture_fixture.h"

using hd::ImageTargets;
using namespace hd::data;

namespace {

Annotation box(float x1, float y1, float x2, float y2, int label = 0) {
  return {x1, y1, x2, y2, double{x2 - x1} * (y2 - y1), label, false, false, 0, -1, -1, -1};
}

double areaOf(const std::vector<float>& polygon) {
  double twice = 0;
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    const size_t j = (i + 2) % polygon.size();
    twice += double{polygon[i]} * polygon[j + 1] - double{polygon[j]} * polygon[i + 1];
  }
  return std::abs(twice) / 2;
}

}  // namespace

TEST_CASE("boxes are scaled, mirrored and clipped; what is outside vanishes with its label") {
  Plan plan(100, 50);
  plan.geometry.resize(200, 100);
  plan.geometry.flip();
  const std::vector<Annotation> annotations = {box(10, 5, 30, 25, 3), box(-20, 40, 10, 70, 4),
                                               box(120, 0, 130, 10, 5)};
  const ImageTargets out = placeTargets(plan, annotations, {});
  CHECK(out.boxes == std::vector<float>{140, 10, 180, 50, 180, 80, 200, 100});
  CHECK(out.labels == std::vector<int32_t>{3, 4});
  CHECK(out.keypoints.empty());
  CHECK(out.polygons.empty());
  CHECK(out.width == 200);
  CHECK(out.originalHeight == 50);
  CHECK(out.flipped);
  CHECK(out.scaleX == 2);
}

TEST_CASE("the numbers in the targets lead back to original pixels") {
  for (uint64_t round = 0; round < 100; ++round) {
    hd::Random random(2, "test", 0, round);
    Plan plan(300, 200);
    if (random.chance(0.5f)) plan.geometry.flip();
    plan.geometry.crop(static_cast<int>(random.below(50)), static_cast<int>(random.below(50)), 220, 150);
    plan.geometry.resize(100 + static_cast<int>(random.below(300)),
                         100 + static_cast<int>(random.below(300)));
    const Annotation original = box(110, 70, 130, 90);
    const ImageTargets out = placeTargets(plan, {&original, 1}, {});
    REQUIRE(out.boxes.size() == 4);
    const auto back = [&](float x) {
      return ((out.flipped ? static_cast<float>(out.width) - x : x) - out.offsetX) / out.scaleX;
    };
    CHECK(std::min(back(out.boxes[0]), back(out.boxes[2])) == doctest::Approx(110).epsilon(1e-4));
    CHECK(std::max(back(out.boxes[0]), back(out.boxes[2])) == doctest::Approx(130).epsilon(1e-4));
    CHECK((out.boxes[1] - out.offsetY) / out.scaleY == doctest::Approx(70).epsilon(1e-4));
  }
}

TEST_CASE("crowd and difficult annotations become regions to ignore, whatever little is left of them") {
  Plan plan(100, 100);
  plan.geometry.crop(0, 0, 50, 50);
  plan.minVisible = 0.9f;
  std::vector<Annotation> annotations = {box(10, 10, 20, 20), box(45, 45, 95, 95), box(0, 0, 100, 100),
                                         box(60, 60, 70, 70)};
  annotations[1].crowd = annotations[3].crowd = annotations[2].difficult = true;
  const ImageTargets out = placeTargets(plan, annotations, {});
  CHECK(out.boxes == std::vector<float>{10, 10, 20, 20});
  CHECK(out.crowd == std::vector<float>{45, 45, 50, 50, 0, 0, 50, 50});
}

TEST_CASE("minVisible counts the share of what lay inside the original picture") {
  Plan plan(100, 100);
  plan.geometry.crop(50, 0, 50, 100);
  plan.minVisible = 0.5f;
  const std::vector<Annotation> annotations = {box(40, 10, 59, 20, 0), box(39, 10, 59, 20, 1),
                                               box(90, 10, 190, 20, 2), box(41, 0, 59, 9, 3)};
  CHECK(placeTargets(plan, annotations, {}).labels == std::vector<int32_t>{2, 3});
}

TEST_CASE("keypoints follow, change places in a mirrored picture, and vanish outside") {
  AnnotationTable table;
  Annotation person = box(10, 10, 90, 90);
  person.keypoints = table.addKeypoints(std::vector<float>{20, 30, 2, 70, 40, 1, 5, 5, 0, 99, 50, 2});
  const std::vector<std::pair<int, int>> pairs = {{0, 1}, {2, 9}};
  Plan plan(100, 100);
  plan.geometry.crop(0, 0, 98, 100);
  plan.geometry.flip();
  plan.keypointPairs = &pairs;
  const ImageTargets out = placeTargets(plan, {&person, 1}, table);
  REQUIRE(out.keypoints.size() == 1);
  CHECK(out.keypoints[0] == std::vector<float>{28, 40, 1, 78, 30, 2, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("objects without shapes beside objects with shapes keep the lists aligned") {
  AnnotationTable table;
  std::vector<Annotation> annotations = {box(10, 10, 20, 20), box(10, 10, 20, 20)};
  annotations[1].polygons = table.addPolygons({{10, 10, 20, 10, 20, 20}});
  annotations[1].keypoints = table.addKeypoints(std::vector<float>{15, 15, 2});
  const ImageTargets out = placeTargets(Plan(100, 100), annotations, table);
  REQUIRE(out.polygons.size() == 2);
  REQUIRE(out.keypoints.size() == 2);
  CHECK(out.polygons[0].empty());
  CHECK(out.polygons[1] == std::vector<std::vector<float>>{{10, 10, 20, 10, 20, 20}});
  CHECK(out.keypoints[0].empty());
}

TEST_CASE("clipping polygons: known shapes") {
  CHECK(areaOf(clipPolygon({-10, -10, 20, -10, 20, 20, -10, 20}, 10, 10)) == doctest::Approx(100));
  CHECK(areaOf(clipPolygon({5, -5, 15, 5, 5, 15, -5, 5}, 10, 10)) == doctest::Approx(100));
  CHECK(clipPolygon({1, 1, 4, 1, 4, 4}, 10, 10) == std::vector<float>{1, 1, 4, 1, 4, 4});
  CHECK(clipPolygon({20, 20, 30, 20, 30, 30}, 10, 10).empty());
  CHECK(clipPolygon({}, 10, 10).empty());
  CHECK(clipPolygon({1, 1, 5, 5}, 10, 10).empty());
}

TEST_CASE("clipping polygons: the area inside agrees with counting points") {
  for (uint64_t round = 0; round < 40; ++round) {
    hd::Random random(4, "test", 0, round);
    std::vector<float> star;  // around a centre, hence simple
    const float cx = random.uniform(0, 50), cy = random.uniform(0, 50);
    for (int i = 0; i < 9; ++i) {
      const float radius = random.uniform(5, 40), angle = static_cast<float>(i) * 0.698132f;
      star.push_back(cx + radius * std::cos(angle));
      star.push_back(cy + radius * std::sin(angle));
    }
    int inside = 0;
    constexpr int kGrid = 150;
    for (int i = 0; i < kGrid * kGrid; ++i) {
      const float x = (static_cast<float>(i % kGrid) + 0.5f) * 50 / kGrid,
                  y = (static_cast<float>(i / kGrid) + 0.5f) * 50 / kGrid;
      bool in = false;
      for (size_t a = 0; a < star.size(); a += 2) {
        const size_t b = (a + 2) % star.size();
        if ((star[a + 1] > y) != (star[b + 1] > y) &&
            x < star[a] + (star[b] - star[a]) * (y - star[a + 1]) / (star[b + 1] - star[a + 1]))
          in = !in;
      }
      inside += in;
    }
    const std::vector<float> clipped = clipPolygon(star, 50, 50);
    CHECK(areaOf(clipped) == doctest::Approx(inside * 2500.0 / (kGrid * kGrid)).epsilon(0.03).scale(10));
    for (const float coordinate : clipped) CHECK((coordinate >= -1e-3f && coordinate <= 50 + 1e-3f));
  }
}

TEST_CASE("random boxes agree with mapping both corners and clipping") {
  for (uint64_t round = 0; round < 200; ++round) {
    hd::Random random(8, "test", 0, round);
    Plan plan(200, 100);
    plan.geometry.resize(50 + static_cast<int>(random.below(300)), 50 + static_cast<int>(random.below(300)));
    if (random.chance(0.5f)) plan.geometry.flip();
    const float x = random.uniform(-20, 200), y = random.uniform(-20, 100);
    const Annotation one = box(x, y, x + random.uniform(0.01f, 80), y + random.uniform(0.01f, 80));
    const ImageTargets out = placeTargets(plan, {&one, 1}, {});
    const double w = plan.geometry.width, h = plan.geometry.height;
    const double xa = plan.geometry.mapX(one.x1), xb = plan.geometry.mapX(one.x2);
    const double left = std::clamp(std::min(xa, xb), 0.0, w), right = std::clamp(std::max(xa, xb), 0.0, w);
    const double top = std::clamp(plan.geometry.mapY(one.y1), 0.0, h),
                 bottom = std::clamp(plan.geometry.mapY(one.y2), 0.0, h);
    if (static_cast<float>(right) <= static_cast<float>(left) ||
        static_cast<float>(bottom) <= static_cast<float>(top)) {
      CHECK(out.boxes.empty());
    } else {
      CHECK(out.boxes == std::vector<float>{static_cast<float>(left), static_cast<float>(top),
                                            static_cast<float>(right), static_cast<float>(bottom)});
    }
  }
}

TEST_CASE("warped: boxes are those around the warped corners, cut at window and frame") {
  Plan plan(100, 100);
  plan.geometry.warp(warpOf({.rotate = 45}, 100, 100), 100, 100);
  const Annotation one = box(40, 40, 60, 60);
  const ImageTargets out = placeTargets(plan, {&one, 1}, {});
  const float reach = 10 * std::sqrt(2.0f);
  REQUIRE(out.boxes.size() == 4);
  CHECK(out.boxes[0] == doctest::Approx(50 - reach));
  CHECK(out.boxes[3] == doctest::Approx(50 + reach));
  CHECK(out.scaleX == doctest::Approx(1));
  Plan half(100, 100);
  half.geometry.window = {50, 0, 100, 100};
  half.geometry.warp({}, 100, 100);
  const std::vector<Annotation> several = {box(40, 10, 60, 20, 1), box(10, 10, 50, 20, 2),
                                           box(70, 0, 80, 5, 3)};
  const ImageTargets cut = placeTargets(half, several, {});
  CHECK(cut.labels == std::vector<int32_t>{1, 3});
  CHECK(cut.boxes == std::vector<float>{50, 10, 60, 20, 70, 0, 80, 5});
}

TEST_CASE("warped: what lies outside the window has no place, however the picture is turned") {
  Plan plan(100, 100);
  plan.geometry.window = {0, 0, 50, 100};
  plan.geometry.warp(warpOf({.rotate = 30}, 100, 100), 100, 100);
  const Annotation one = box(60, 40, 80, 60);
  CHECK(placeTargets(plan, {&one, 1}, {}).boxes.empty());
}

TEST_CASE("warped: minVisible and minSide drop objects, and regions to ignore stay") {
  Plan plan(100, 100);
  plan.geometry.warp(Projection::scaled(0.1, 0.1).then(Projection::moved(-2, 0)), 100, 100);
  plan.minSide = 2;
  plan.minVisible = 0.5f;
  std::vector<Annotation> annotations = {box(30, 0, 49, 90, 1), box(30, 0, 51, 19, 2), box(0, 0, 41, 90, 3),
                                         box(0, 0, 39, 90, 4),  box(30, 0, 51, 21, 5), box(30, 0, 32, 2, 6)};
  annotations.back().crowd = true;
  const ImageTargets out = placeTargets(plan, annotations, {});
  CHECK(out.labels == std::vector<int32_t>{3, 5});
  CHECK(out.crowd.size() == 4);
}

TEST_CASE("warped: keypoints and polygons follow, and tight boxes go around polygons") {
  AnnotationTable table;
  Annotation diamond = box(30, 30, 70, 70);
  diamond.polygons = table.addPolygons({{50, 30, 70, 50, 50, 70, 30, 50}});
  diamond.keypoints = table.addKeypoints(std::vector<float>{50, 30, 2, 50, 50, 1, 0, 0, 0, 90, 10, 2});
  Plan plan(100, 100);
  plan.geometry.warp(warpOf({.rotate = 45}, 100, 100), 100, 100);
  plan.geometry.flip();
  const std::vector<std::pair<int, int>> pairs = {{0, 1}};
  plan.keypointPairs = &pairs;
  ImageTargets out = placeTargets(plan, {&diamond, 1}, table);
  const float side = 20 * std::sqrt(0.5f), far = 20 * std::sqrt(2.0f);
  CHECK(out.boxes[0] == doctest::Approx(50 - far));
  REQUIRE(out.keypoints[0].size() == 12);
  CHECK(out.keypoints[0][0] == doctest::Approx(50));  // the second one: they changed places
  CHECK(out.keypoints[0][2] == 1);
  CHECK(out.keypoints[0][3] == doctest::Approx(50 + side));  // the top went left with the turn, then right
  CHECK(out.keypoints[0][4] == doctest::Approx(50 - side));
  CHECK(out.keypoints[0][11] == 0);  // the corner left the frame
  plan.tightBoxes = true;
  out = placeTargets(plan, {&diamond, 1}, table);
  CHECK(out.boxes[0] == doctest::Approx(50 - side));
  CHECK(out.boxes[3] == doctest::Approx(50 + side));
  CHECK(areaOf(out.polygons[0][0]) == doctest::Approx(800));
}
