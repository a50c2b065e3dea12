#include "data/transforms/polygon_mask.h"

#include <doctest/doctest.h>

using hd::data::forEachRun;
using hd::data::PolygonMask;

namespace {

std::vector<float> rectangle(float x1, float y1, float x2, float y2) {
  return {x1, y1, x2, y1, x2, y2, x1, y2};
}

}  // namespace

TEST_CASE("forEachRun: the pixels whose centre lies inside, within the picture") {
  std::vector<std::array<int, 3>> runs;
  const auto take = [&](int y, int left, int right) { runs.push_back({y, left, right}); };
  forEachRun(rectangle(1.4f, 0.6f, 3.6f, 2.4f), 10, 10, take);
  CHECK(runs == std::vector<std::array<int, 3>>{{1, 1, 4}});
  runs.clear();
  forEachRun({0, 0, 4, 0, 0, 4}, 10, 10, take);  // a triangle
  CHECK(runs == std::vector<std::array<int, 3>>{{0, 0, 3}, {1, 0, 2}, {2, 0, 1}});
  runs.clear();
  forEachRun(rectangle(-5, -5, 50, 50), 3, 2, take);
  CHECK(runs == std::vector<std::array<int, 3>>{{0, 0, 3}, {1, 0, 3}});
}

TEST_CASE("PolygonMask: what is left after a cut") {
  PolygonMask mask({2, 3, 12, 13});
  CHECK(mask.box() == std::array<int, 4>{});
  CHECK(mask.rectangles().empty());
  mask.add(rectangle(2, 3, 12, 13));
  CHECK(mask.count() == 100);
  CHECK(mask.box() == std::array<int, 4>{2, 3, 12, 13});
  CHECK(mask.rectangles() == std::vector<std::vector<float>>{rectangle(2, 3, 12, 13)});
  mask.cut(rectangle(0, 0, 5, 40));
  CHECK(mask.count() == 70);
  CHECK(mask.box() == std::array<int, 4>{5, 3, 12, 13});
  mask.cut(rectangle(7, 5, 9, 8));  // a hole
  CHECK(mask.count() == 64);
  CHECK(mask.box() == std::array<int, 4>{5, 3, 12, 13});
  CHECK(mask.rectangles() == std::vector<std::vector<float>>{rectangle(5, 3, 12, 5), rectangle(5, 5, 7, 8),
                                                             rectangle(9, 5, 12, 8),
                                                             rectangle(5, 8, 12, 13)});
  mask.cut(rectangle(0, 0, 40, 40));
  CHECK(mask.count() == 0);
  CHECK(mask.box() == std::array<int, 4>{});
}
