// FCOS's assignment of points against brute force over all points and objects.
#include "detectors/point_assigner.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "detectors/box_overlap.h"

using namespace hd::detectors;

namespace {

const std::vector<int64_t> strides{8, 16, 32, 64, 128};

AnchorLayout points() {
  AnchorLayout layout;
  layout.offset = 0.5;
  return layout;
}

/// Half of them on multiples of 4, where points lie exactly on sides.
std::vector<float> randomBoxes(hd::Random& random, int64_t count, float side) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) {
    float x = random.uniform(-10, side), y = random.uniform(-10, side);
    float width = random.uniform(2, side), height = random.uniform(2, side);
    if (random.chance(0.5f)) {
      x = 4 * std::round(x / 4), y = 4 * std::round(y / 4);
      width = 4 * std::ceil(width / 4), height = 4 * std::ceil(height / 4);
    }
    out.insert(out.end(), {x, y, x + width, y + height});
  }
  return out;
}

/// The published definition, point by point.
PointResult bruteForce(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                       const std::vector<float>& objects, const std::vector<float>& crowd,
                       const PointOptions& options) {
  PointResult out;
  out.object.assign(static_cast<size_t>(grid.anchors()), excluded);
  out.inside.assign(out.object.size(), 0);
  for (size_t l = 0; l < strides.size(); ++l) {
    const GridLevel& level = grid.levels()[l];
    const auto stride = static_cast<float>(level.stride);
    const double least = l == 0 ? -1 : options.ranges[l - 1];
    const double most = l == 4 ? std::numeric_limits<double>::infinity() : options.ranges[l];
    for (int64_t row = 0; row < valid[l].height; ++row) {
      for (int64_t column = 0; column < valid[l].width; ++column) {
        const float x = static_cast<float>(column) * stride + stride / 2,
                    y = static_cast<float>(row) * stride + stride / 2;
        const auto at = static_cast<size_t>(level.first + row * level.width + column);
        const auto within = [&](const Box& box) {
          return x > box.x1 && y > box.y1 && x < box.x2 && y < box.y2;
        };
        out.object[at] = background;
        for (int64_t c = 0; c < static_cast<int64_t>(crowd.size() / 4) && options.ignoreThreshold > 0; ++c) {
          if (within(boxAt(crowd, c))) out.object[at] = excluded;
        }
        if (out.object[at] == excluded) continue;
        float smallest = std::numeric_limits<float>::infinity();
        for (int64_t g = 0; g < static_cast<int64_t>(objects.size() / 4); ++g) {
          const Box object = boxAt(objects, g);
          if (!within(object)) continue;
          out.inside[at] = 1;
          const float cx = (object.x1 + object.x2) / 2, cy = (object.y1 + object.y2) / 2;
          const auto radius = static_cast<float>(options.radius) * stride;
          const bool near = options.radius <= 0 ||
                            (x > cx - radius && x < cx + radius && y > cy - radius && y < cy + radius);
          const float distance = std::max({x - object.x1, y - object.y1, object.x2 - x, object.y2 - y});
          if (!near || distance < least || distance > most || area(object) >= smallest) continue;
          smallest = area(object);
          out.object[at] = static_cast<int32_t>(g);
        }
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("points equal brute force, with and without centre sampling, crowds, partly valid grids") {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    hd::Random random(seed, "point assigner test", 0, 0);
    const AnchorGrid grid(256, 320, strides, points());
    const auto valid = grid.validCells(256 - random.below(120), 320 - random.below(200), 32);
    const auto objects = randomBoxes(random, random.below(10), 256);
    const auto crowd = randomBoxes(random, random.below(3), 80);
    PointOptions options;
    options.radius = random.chance(0.5f) ? 1.5 : 0;
    options.ignoreThreshold = random.chance(0.5f) ? 0.5 : -1;
    if (random.chance(0.3f)) options.ranges = {32, 64, 96, 128};
    const PointResult result = assignPoints(grid, valid, objects, crowd, options);
    const PointResult expected = bruteForce(grid, valid, objects, crowd, options);
    CHECK(result.object == expected.object);
    CHECK(result.inside == expected.inside);
    CHECK(result.positives == std::count_if(expected.object.begin(), expected.object.end(),
                                            [](int32_t object) { return object >= 0; }));
  }
}

TEST_CASE("each level takes its own sizes") {
  const AnchorGrid grid(512, 512, strides, points());
  const auto valid = grid.validCells(512, 512, 32);
  for (size_t wanted = 0; wanted < 4; ++wanted) {
    // Its centre is 0.75 of the level's largest distance away from every side.
    const float half = 0.75f * static_cast<float>(64 << wanted);
    const std::vector<float> object{256 - half, 256 - half, 256 + half, 256 + half};
    const PointResult result = assignPoints(grid, valid, object);
    for (size_t l = 0; l < strides.size(); ++l) {
      const auto begin = result.object.begin() + grid.levels()[l].first;
      CHECK((std::count(begin, begin + grid.levels()[l].count(), 0) > 0) == (l == wanted));
    }
  }
}

TEST_CASE("of nested objects a point takes the smallest, of equal ones the first") {
  const AnchorGrid grid(64, 64, strides, points());
  const auto valid = grid.validCells(64, 64, 32);
  const auto at = static_cast<size_t>(4 * 8 + 4);  // the point (36, 36) of the first level
  CHECK(assignPoints(grid, valid, std::vector<float>{4, 4, 60, 60, 20, 20, 50, 50}).object[at] == 1);
  CHECK(assignPoints(grid, valid, std::vector<float>{20, 20, 50, 50, 4, 4, 60, 60}).object[at] == 0);
  CHECK(assignPoints(grid, valid, std::vector<float>{20, 20, 50, 50, 20, 20, 50, 50}).object[at] == 0);
}

TEST_CASE("misuse and coordinates that are not finite are refused") {
  const AnchorGrid grid(64, 64, strides, points());
  const auto valid = grid.validCells(64, 64, 32);
  const std::vector<float> bad{0, 0, std::numeric_limits<float>::infinity(), 4};
  CHECK_THROWS_WITH_AS(assignPoints(grid, valid, bad), doctest::Contains("object box 0"), hd::Error);
  CHECK_THROWS_AS(assignPoints(grid, valid, {}, bad), hd::Error);
  PointOptions few;
  few.ranges = {64};
  CHECK_THROWS_AS(assignPoints(grid, valid, {}, {}, few), hd::Error);
  AnchorLayout two;
  two.shapes = {{4, 4}, {8, 8}};
  const AnchorGrid many(64, 64, strides, two);
  CHECK_THROWS_AS(assignPoints(many, many.validCells(64, 64, 32), {}), hd::Error);
}
