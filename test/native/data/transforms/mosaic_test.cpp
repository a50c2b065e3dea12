#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "native/data/painted.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::PaintedDataset;
using fixture::pipeline;
using namespace hd::data;

namespace {

Scene sceneOf(const std::string& json, const Dataset& dataset, uint64_t position, int64_t image = 0) {
  return pipeline(json).scene(image, draws(position), {&dataset, nullptr});
}

// Where a layer's whole picture lies on the canvas.
std::array<double, 4> placeOf(const Layer& layer) {
  const Window& window = layer.plan.geometry.window;
  const Projection map = layer.plan.geometry.toCanvas();
  return {map.mapX(window.left, window.top), map.mapY(window.left, window.top),
          map.mapX(window.right, window.bottom), map.mapY(window.right, window.bottom)};
}

}  // namespace

TEST_CASE("mosaic: four pictures meet in a point within its range and lie side by side") {
  const PaintedDataset dataset(12, 160, 120);
  double leastX = 1e9, largestX = -1e9, leastY = 1e9, largestY = -1e9;
  std::set<int64_t> partners;
  for (uint64_t i = 0; i < 300; ++i) {
    const Scene scene = sceneOf(R"([{"mosaic": {"size": 200, "centre": [0.25, 0.75]}}])", dataset, i, 7);
    REQUIRE(scene.layers.size() == 4);
    CHECK(scene.layers[0].image == 7);
    CHECK(scene.upper == 0);
    CHECK(scene.width() == 200);
    CHECK(scene.height() == 200);
    const auto first = placeOf(scene.layers[0]), second = placeOf(scene.layers[1]),
               third = placeOf(scene.layers[2]), fourth = placeOf(scene.layers[3]);
    const double x = first[2], y = first[3];  // of the sheet of 400 pixels: the result begins at 100
    CHECK(second[0] == doctest::Approx(x).scale(1));
    CHECK(second[3] == doctest::Approx(y).scale(1));
    CHECK(third[2] == doctest::Approx(x).scale(1));
    CHECK(third[1] == doctest::Approx(y).scale(1));
    CHECK(fourth[0] == doctest::Approx(x).scale(1));
    CHECK(fourth[1] == doctest::Approx(y).scale(1));
    CHECK(scene.layers[0].plan.geometry.toCanvas().stretchX(0, 0) == doctest::Approx(200 / 160.0));
    CHECK(first[1] >= -100 - 1e-6);  // nothing lies outside the sheet
    CHECK(fourth[2] <= 300 + 1e-6);
    leastX = std::min(leastX, x);
    largestX = std::max(largestX, x);
    leastY = std::min(leastY, y);
    largestY = std::max(largestY, y);
    for (size_t k = 1; k < 4; ++k) partners.insert(scene.layers[k].image);
  }
  CHECK(leastX == doctest::Approx(0).scale(1).epsilon(4));
  CHECK(largestX == doctest::Approx(199).epsilon(0.03));
  CHECK(leastY == doctest::Approx(0).scale(1).epsilon(4));
  CHECK(largestY == doctest::Approx(199).epsilon(0.03));
  CHECK(partners.size() == 12);
}

TEST_CASE("mosaic: what lies beyond a corner of the sheet is cut away") {
  const PaintedDataset dataset(3, 100, 100);
  const Scene scene = sceneOf(R"([{"mosaic": {"size": 200, "centre": [0.1, 0.1]}}])", dataset, 0);
  const Window& window = scene.layers[0].plan.geometry.window;  // 40 of its 200 pixels reach the sheet
  CHECK(window.left == doctest::Approx(80));
  CHECK(window.top == doctest::Approx(80));
  CHECK(window.right == doctest::Approx(100));
  const Window& beside = scene.layers[1].plan.geometry.window;
  CHECK(beside.left == doctest::Approx(0).scale(1));
  CHECK(beside.top == doctest::Approx(80));
}

TEST_CASE("mosaic: it lies as its first picture does, and plan() says its size") {
  const PaintedDataset tall(3, 60, 90), wide(3, 90, 60);
  const char* json =
      R"([{"mosaic": {"size": [300, 200], "probability": 0.5}}, {"crop": {"probability": 1}}])";
  int joined = 0;
  for (uint64_t i = 0; i < 60; ++i) {
    for (const PaintedDataset* dataset : {&tall, &wide}) {
      const Scene scene = sceneOf(json, *dataset, i);
      const Plan plan = pipeline(json).plan(dataset->width(0), dataset->height(0), draws(i));
      CHECK(scene.width() == plan.geometry.width);
      CHECK(scene.height() == plan.geometry.height);
      joined += scene.layers.size() == 4;
    }
  }
  CHECK(joined > 40);
  CHECK(joined < 80);
  const Scene upright = sceneOf(R"([{"mosaic": {"size": [300, 200]}}])", tall, 0);
  CHECK(upright.width() == 200);
  CHECK(upright.height() == 300);
}

TEST_CASE("mosaic: steps before it happen to each picture by itself, steps behind it to all alike") {
  const PaintedDataset dataset(12, 160, 120);
  int mixed = 0, same = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    const Scene before = sceneOf(R"([{"flip": {}}, {"mosaic": {"size": 200}}])", dataset, i);
    const Scene behind = sceneOf(R"([{"mosaic": {"size": 200}}, {"flip": {}}, {"colour": {}}])", dataset, i);
    std::set<bool> flips;
    for (const Layer& layer : before.layers) flips.insert(layer.plan.geometry.flipped);
    mixed += flips.size() == 2;
    bool alike = true;
    for (const Layer& layer : behind.layers) {
      alike &= layer.plan.geometry.flipped == behind.layers[0].plan.geometry.flipped;
      alike &= layer.plan.colour == behind.layers[0].plan.colour;
    }
    same += alike;
  }
  CHECK(mixed > 25);
  CHECK(same == 40);
}

TEST_CASE("mosaic: boxes lie where the colours are, also where a warp shows more of the sheet") {
  const auto dataset = std::make_shared<PaintedDataset>(12, 160, 120);
  for (
      const char* json :
      {R"([{"mosaic": {"size": 192, "minVisible": 0, "minSide": 0}}])",
       R"([{"mosaic": {"size": 192, "minVisible": 0, "minSide": 0}}, {"affine": {"scale": [0.5, 1.2], "rotate": 10, "minVisible": 0, "minSide": 0}}])"}) {
    int objects = 0;
    for (const auto& picture : fixture::painted(dataset, json, 24)) {
      CHECK(picture.width == 192);
      for (size_t i = 0; i < picture.targets.labels.size(); ++i) {
        const float* box = &picture.targets.boxes[i * 4];
        CHECK((box[0] >= 0 && box[1] >= 0 && box[2] <= 192 && box[3] <= 192));
        if (box[2] - box[0] < 6 || box[3] - box[1] < 6) continue;
        const std::vector<float>& middle = picture.targets.keypoints[i];
        ++objects;
        if (middle[2] > 0)
          CHECK(fixture::objectAt(picture, middle[0], middle[1]) == picture.targets.labels[i]);
        CHECK_FALSE(picture.targets.polygons[i].empty());
      }
      // Every painted pixel lies in a box of its colour.
      int lost = 0;
      for (int y = 0; y < picture.height; ++y) {
        for (int x = 0; x < picture.width; ++x) {
          const int32_t label = fixture::objectAt(picture, x, y);
          if (label < 0) continue;
          bool held = false;
          for (size_t i = 0; i < picture.targets.labels.size(); ++i) {
            const float* box = &picture.targets.boxes[i * 4];
            held |= picture.targets.labels[i] == label && x >= box[0] - 1 && x <= box[2] && y >= box[1] - 1 &&
                    y <= box[3];
          }
          lost += !held;
        }
      }
      CHECK(lost == 0);
    }
    CHECK(objects > 60);
  }
}

TEST_CASE("mosaic without the ratio stretches each picture to the size") {
  const Pipeline steps = pipeline(R"([{"mosaic": {"size": [96, 128], "keepRatio": false}}])");
  const PaintedDataset dataset(8, 160, 120);
  const Scene scene = steps.scene(0, draws(1), {&dataset, nullptr});
  CHECK(Extent{scene.width(), scene.height()} == Extent{96, 128});
  for (const Layer& layer : scene.layers) {
    CHECK(layer.plan.geometry.projection.stretchX(80, 60) == doctest::Approx(96 / 160.0));
    CHECK(layer.plan.geometry.projection.stretchY(80, 60) == doctest::Approx(128 / 120.0));
  }
  CHECK(steps.bound().value() == Extent{96, 128});
}

TEST_CASE("mosaic refuses unusable options") {
  for (const char* options : {"{}", R"({"size": [100, 200]})", R"({"size": 0})", R"({"size": "big"})",
                              R"({"size": 64, "centre": [0.8, 0.2]})", R"({"size": 64, "centre": [0, 1]})",
                              R"({"size": 64, "close": -1})", R"({"size": 64, "count": 9})"}) {
    CAPTURE(options);
    CHECK(codeOf([&] { pipeline(hd::concat(R"([{"mosaic": )", options, "}]")); }) == "HD_DATA_TRANSFORM");
  }
}
