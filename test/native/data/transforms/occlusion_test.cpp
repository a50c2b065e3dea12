#include "data/transforms/occlusion.h"

#include <doctest/doctest.h>

using hd::ImageTargets;
using hd::data::layOver;
using Boxes = std::vector<float>;

namespace {

std::vector<float> rectangle(float x1, float y1, float x2, float y2) {
  return {x1, y1, x2, y1, x2, y2, x1, y2};
}

ImageTargets object(int32_t label, float x1, float y1, float x2, float y2, bool polygons = true) {
  ImageTargets out;
  out.boxes = {x1, y1, x2, y2};
  out.labels = {label};
  if (polygons) out.polygons = {{rectangle(x1, y1, x2, y2)}};
  return out;
}

}  // namespace

TEST_CASE("layOver: a hidden side of the box moves to what is left of the mask, and the polygons with it") {
  ImageTargets under = object(0, 10.25f, 20.5f, 30, 40);
  layOver(object(1, 25, 0, 60, 60), 0, 0, under);
  CHECK(under.boxes == Boxes{10.25f, 20.5f, 25, 40});
  CHECK(under.polygons[0] == std::vector<std::vector<float>>{rectangle(10, 20, 25, 40)});
}

TEST_CASE("layOver: a corner or the middle hidden leaves the box and takes from the polygons") {
  for (const ImageTargets& over : {object(1, 25, 35, 60, 60), object(1, 15, 25, 20, 30)}) {
    ImageTargets under = object(0, 10, 20, 30, 40);
    layOver(over, 0, 0, under);
    CHECK(under.boxes == Boxes{10, 20, 30, 40});
    double area = 0;
    for (const auto& p : under.polygons[0]) area += (p[2] - p[0]) * (p[5] - p[1]);
    CHECK(area == 400 - 25);
  }
}

TEST_CASE("layOver: the mask decides, not the box") {
  ImageTargets under = object(0, 0, 0, 20, 20);
  under.polygons = {{{0, 0, 20, 0, 0, 20}}};  // a triangle: the lower right half of its box is not it
  const auto before = under.polygons;
  layOver(object(1, 15, 15, 20, 20), 0, 0, under);
  CHECK(under.polygons == before);
  layOver(object(1, 0, 10, 20, 20), 0, 0, under);
  CHECK(under.boxes == Boxes{0, 0, 20, 10});
}

TEST_CASE("layOver: what is left too little of is dropped, with all that belongs to it") {
  const auto three = [] {
    ImageTargets all = object(0, 0, 0, 10, 10);
    hd::data::append(all, object(1, 20, 0, 30, 10));
    hd::data::append(all, object(2, 40, 0, 50, 10));
    all.keypoints = {{1, 1, 2}, {21, 1, 2}, {41, 1, 2}};
    return all;
  };
  ImageTargets some = three();
  layOver(object(3, 20, 0, 29, 10), 0, 0.1f, some);  // a tenth stays
  CHECK(some.labels == std::vector<int32_t>{0, 1, 2});
  CHECK(some.boxes == Boxes{0, 0, 10, 10, 29, 0, 30, 10, 40, 0, 50, 10});
  some = three();
  layOver(object(3, 20, 0, 29, 10), 0, 0.11f, some);
  CHECK(some.labels == std::vector<int32_t>{0, 2});
  CHECK(some.boxes == Boxes{0, 0, 10, 10, 40, 0, 50, 10});
  CHECK(some.keypoints == std::vector<std::vector<float>>{{1, 1, 2}, {41, 1, 2}});
  CHECK(some.polygons.size() == 2);
  layOver(object(3, 0, 0, 100, 100), 1, 0, some);  // the first lies on another sheet
  CHECK(some.labels == std::vector<int32_t>{0});
}

TEST_CASE("layOver: without polygons a box stays as it is until it is covered") {
  ImageTargets under = object(0, 10, 20, 30, 40, false);
  layOver(object(1, 0, 0, 28, 60), 0, 0.1f, under);  // exactly a tenth stays
  CHECK(under.boxes == Boxes{10, 20, 30, 40});
  CHECK(under.polygons.empty());
  layOver(object(1, 0, 0, 29, 60), 0, 0.1f, under);
  CHECK(under.labels.empty());
}
