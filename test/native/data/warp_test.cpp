// Targets against pixels: what is painted where the annotations say is found where the targets say.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "native/data/painted.h"

using fixture::Bytes;
using fixture::extentOf;
using fixture::PaintedDataset;

namespace {

constexpr const char* kStill = R"("scale": [0.6, 1.6], "translate": 0.2, "minVisible": 0, "minSide": 0)";

std::vector<fixture::PaintedPicture> pictures(const std::string& augment, int count) {
  return fixture::painted(std::make_shared<PaintedDataset>(12, 160, 120), augment, count);
}

}  // namespace

TEST_CASE("boxes lie where the colours are, to the pixel, when nothing is turned") {
  int objects = 0;
  for (const auto& picture :
       pictures(hd::concat(R"([{"affine": {)", kStill, R"(, "stretch": [0.8, 1.2]}}, {"flip": {}}])"), 60)) {
    for (size_t i = 0; i < picture.targets.labels.size(); ++i, ++objects) {
      const std::array<double, 4> found = extentOf(picture, picture.targets.labels[i]);
      if (found[0] > found[2]) continue;  // less than a pixel of it
      for (size_t edge = 0; edge < 4; ++edge)
        CHECK(std::abs(found[edge] - picture.targets.boxes[i * 4 + edge]) <= 1);
    }
  }
  CHECK(objects > 100);
}

TEST_CASE("tight boxes lie where the colours are under turns, slants and tilts; others hold them") {
  for (const bool tight : {true, false}) {
    int objects = 0;
    for (const auto& picture :
         pictures(hd::concat(R"([{"affine": {)", kStill,
                             R"(, "rotate": 60, "shear": 20, "perspective": 0.001, "tight": )",
                             tight ? "true" : "false", R"(}}, {"flip": {}}])"),
                  60)) {
      for (size_t i = 0; i < picture.targets.labels.size(); ++i) {
        const std::array<double, 4> found = extentOf(picture, picture.targets.labels[i]);
        if (found[0] > found[2]) continue;  // less than a pixel of it
        ++objects;
        for (size_t edge = 0; edge < 4; ++edge) {
          const double box = picture.targets.boxes[i * 4 + edge];
          if (tight) {
            CHECK(std::abs(found[edge] - box) <= 3);  // the tip of a sharp corner is paler than its object
          } else {
            CHECK((edge < 2 ? found[edge] >= box - 0.75 : found[edge] <= box + 0.75));
          }
        }
      }
    }
    CHECK(objects > 80);
  }
}

TEST_CASE("no colour is left without a box when nothing is dropped") {
  for (const auto& picture : pictures(hd::concat(R"([{"affine": {)", kStill, R"(, "rotate": 180}}])"), 40)) {
    for (int32_t label = 0; label < PaintedDataset::kObjects; ++label) {
      const std::array<double, 4> found = extentOf(picture, label);
      if (found[2] - found[0] < 3 || found[3] - found[1] < 3) continue;
      CHECK(std::count(picture.targets.labels.begin(), picture.targets.labels.end(), label) >= 1);
    }
  }
}

TEST_CASE("keypoints and polygons lie on the colours of their object") {
  int keypoints = 0;
  for (const auto& picture : pictures(
           hd::concat(R"([{"affine": {)", kStill, R"(, "rotate": 45, "shear": 10}}, {"flip": {}}])"), 40)) {
    for (size_t i = 0; i < picture.targets.labels.size(); ++i) {
      const std::vector<float>& middle = picture.targets.keypoints[i];
      if (middle[2] == 0 || picture.targets.boxes[i * 4] > middle[0] - 4 ||
          picture.targets.boxes[i * 4 + 2] < middle[0] + 4)
        continue;
      ++keypoints;
      CHECK(fixture::objectAt(picture, middle[0], middle[1]) == picture.targets.labels[i]);
    }
  }
  CHECK(keypoints > 60);
}

TEST_CASE("what a warp leaves bare is the padding colour") {
  const auto picture = pictures(R"([{"affine": {"scale": [0.5, 0.5], "translate": 0}}])", 1).front();
  CHECK(std::equal(picture.pixels.begin(), picture.pixels.begin() + 3, fixture::kFill.begin()));
  CHECK(fixture::objectAt(picture, 80, 60) != fixture::kBare);
}
