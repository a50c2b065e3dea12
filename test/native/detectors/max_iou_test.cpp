// Assignment by largest overlap against brute force over the whole matrix.
#include "detectors/max_iou.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "detectors/box_overlap.h"

using namespace hd::detectors;

namespace {

const std::vector<int64_t> strides{8, 16, 32};

/// Wide, square and tall, two sizes each.
AnchorLayout sixShapes() {
  AnchorLayout layout;
  layout.shapes = {{6, 3}, {8, 4}, {4, 4}, {6, 6}, {3, 6}, {4, 8}};
  return layout;
}

std::vector<float> randomBoxes(hd::Random& random, int64_t count, float side) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) {
    const float x = random.uniform(-10, side), y = random.uniform(-10, side);
    out.insert(out.end(), {x, y, x + random.uniform(2, side / 2), y + random.uniform(2, side / 2)});
  }
  return out;
}

struct Anchor {
  int64_t index;
  Box box;
};

std::vector<Anchor> validAnchors(const AnchorGrid& grid, const std::vector<ValidCells>& valid) {
  std::vector<Anchor> out;
  for (size_t l = 0; l < valid.size(); ++l) {
    const GridLevel& level = grid.levels()[l];
    for (int64_t row = 0; row < valid[l].height; ++row) {
      for (int64_t column = 0; column < valid[l].width; ++column) {
        for (int64_t shape = 0; shape < level.perCell; ++shape) {
          out.push_back({level.first + (row * level.width + column) * level.perCell + shape,
                         grid.box(level, row, column, shape)});
        }
      }
    }
  }
  return out;
}

std::vector<int32_t> bruteForce(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                                const std::vector<float>& objects, const std::vector<float>& crowd,
                                const MaxIouOptions& options) {
  std::vector<int32_t> out(static_cast<size_t>(grid.anchors()), excluded);
  const auto count = static_cast<int64_t>(objects.size() / 4);
  std::vector<Anchor> anchors;
  for (const Anchor& anchor : validAnchors(grid, valid)) {
    bool ignored = false;
    for (int64_t c = 0; c < static_cast<int64_t>(crowd.size() / 4) && options.ignoreThreshold > 0; ++c)
      ignored |= intersection(anchor.box, boxAt(crowd, c)) / area(anchor.box) > options.ignoreThreshold;
    if (!ignored) anchors.push_back(anchor);
  }
  for (const auto& [index, box] : anchors) {
    float best = 0;
    int32_t owner = 0;
    for (int64_t g = 0; g < count; ++g) {
      const float overlap = overlapOverUnion(box, boxAt(objects, g));
      if (overlap > best) best = overlap, owner = static_cast<int32_t>(g);
    }
    out[static_cast<size_t>(index)] = best >= static_cast<float>(options.positive)  ? owner
                                      : best < static_cast<float>(options.negative) ? background
                                                                                    : excluded;
  }
  for (int64_t g = 0; g < count; ++g) {
    float best = 0;
    for (const Anchor& anchor : anchors)
      best = std::max(best, overlapOverUnion(anchor.box, boxAt(objects, g)));
    for (const auto& [index, box] : anchors) {
      if (best > 0 && overlapOverUnion(box, boxAt(objects, g)) == best)
        out[static_cast<size_t>(index)] = static_cast<int32_t>(g);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("largest overlap equals brute force, with crowds and partly valid grids") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    hd::Random random(seed, "max iou test", 0, 0);
    const AnchorGrid grid(128, 160, strides, sixShapes());
    const auto valid = grid.validCells(128 - random.below(60), 160 - random.below(90), 32);
    const auto objects = randomBoxes(random, random.below(9), 128);
    const auto crowd = randomBoxes(random, random.below(3), 128);
    MaxIouOptions options;
    options.positive = random.chance(0.5f) ? 0.5 : 0.3;
    options.negative = options.positive - 0.1 * static_cast<double>(random.below(2));
    options.ignoreThreshold = random.chance(0.5f) ? 0.4 : -1;
    const MaxIouResult result = maxIou(grid, valid, objects, crowd, options);
    const auto expected = bruteForce(grid, valid, objects, crowd, options);
    CHECK(result.object == expected);
    CHECK(result.positives ==
          std::count_if(expected.begin(), expected.end(), [](int32_t object) { return object >= 0; }));
  }
}

TEST_CASE("every object that some anchor overlaps has an anchor unless a later one takes it") {
  hd::Random random(3, "max iou objects", 0, 0);
  const AnchorGrid grid(128, 128, strides, sixShapes());
  const auto valid = grid.validCells(128, 128, 32);
  // Far smaller than any anchor: no overlap reaches the lower threshold.
  const std::vector<float> objects{20, 20, 23, 24, 90, 90, 94, 93};
  const auto result = maxIou(grid, valid, objects);
  for (const int32_t object : {0, 1})
    CHECK(std::count(result.object.begin(), result.object.end(), object) >= 1);
  const auto twice = maxIou(grid, valid, std::vector<float>{20, 20, 23, 24, 20, 20, 23, 24});
  CHECK(std::count(twice.object.begin(), twice.object.end(), 0) == 0);  // as published: the last one wins
  CHECK(std::count(twice.object.begin(), twice.object.end(), 1) >= 1);
}

TEST_CASE("an object outside every anchor takes none") {
  const AnchorGrid grid(64, 64, {8}, sixShapes());
  const auto result = maxIou(grid, grid.validCells(64, 64, 32), std::vector<float>{900, 900, 950, 950});
  CHECK(result.positives == 0);
  CHECK(std::all_of(result.object.begin(), result.object.end(),
                    [](int32_t object) { return object == background; }));
}

TEST_CASE("equal overlaps go to the lowest object, and the threshold is inclusive") {
  AnchorLayout layout;
  layout.shapes = {{4, 4}, {2, 4}};
  const AnchorGrid grid(32, 32, {8}, layout);
  const auto valid = grid.validCells(32, 32, 32);
  // Each object is an anchor of the second shape, so that neither needs the square at cell (2, 2), which
  // overlaps both by one half.
  const std::vector<float> halves{0, 0, 16, 32, 16, 0, 32, 32};
  const auto square = static_cast<size_t>((2 * 4 + 2) * 2);
  for (const int64_t object : {0, 1})
    CHECK(overlapOverUnion(grid.box(grid.levels()[0], 2, 2), boxAt(halves, object)) == 0.5f);
  CHECK(maxIou(grid, valid, halves).object[square] == 0);
  MaxIouOptions above;
  above.positive = 0.5001;
  CHECK(maxIou(grid, valid, halves, {}, above).object[square] == excluded);
  above.negative = 0.5001;
  CHECK(maxIou(grid, valid, halves, {}, above).object[square] == background);
}

TEST_CASE("no objects: all background; not finite: refused by name") {
  const AnchorGrid grid(64, 64, strides, sixShapes());
  const auto valid = grid.validCells(64, 64, 32);
  const auto none = maxIou(grid, valid, {});
  CHECK(none.positives == 0);
  CHECK(std::count(none.object.begin(), none.object.end(), background) == grid.anchors());
  const std::vector<float> bad{0, 0, std::numeric_limits<float>::quiet_NaN(), 4};
  CHECK_THROWS_WITH_AS(maxIou(grid, valid, bad), doctest::Contains("object box 0"), hd::Error);
  CHECK_THROWS_WITH_AS(maxIou(grid, valid, {}, bad), doctest::Contains("crowd box 0"), hd::Error);
}
