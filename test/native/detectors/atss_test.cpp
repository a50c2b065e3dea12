// ATSS and the valuable region against brute force over all anchors, and the figures of the published code.
#include "detectors/atss.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

using hd::detectors::AnchorGrid;
using hd::detectors::AtssOptions;
using hd::detectors::AtssResult;
using hd::detectors::Box;
using hd::detectors::RegionRule;
using hd::detectors::ValidCells;

namespace {

const std::vector<int64_t> strides{8, 16, 32, 64, 128};

float areaOf(const Box& b) {
  return (b.x2 - b.x1) * (b.y2 - b.y1);
}

float shared(const Box& a, const Box& b) {
  return std::max(0.0f, std::min(a.x2, b.x2) - std::max(a.x1, b.x1)) *
         std::max(0.0f, std::min(a.y2, b.y2) - std::max(a.y1, b.y1));
}

float iou(const Box& a, const Box& b) {
  const float overlap = shared(a, b);
  return overlap / std::max(areaOf(a) + areaOf(b) - overlap, 1e-6f);
}

struct Cell {
  int64_t anchor, level;
  Box box;
  double x, y;
};

std::vector<Cell> validAnchors(const AnchorGrid& grid, const std::vector<ValidCells>& valid) {
  std::vector<Cell> out;
  for (size_t l = 0; l < grid.levels().size(); ++l) {
    const auto& level = grid.levels()[l];
    for (int64_t row = 0; row < valid[l].height; ++row) {
      for (int64_t column = 0; column < valid[l].width; ++column) {
        for (int64_t shape = 0; shape < level.perCell; ++shape) {
          out.push_back({level.first + (row * level.width + column) * level.perCell + shape,
                         static_cast<int64_t>(l), grid.box(level, row, column, shape),
                         grid.centre(level, column), grid.centre(level, row)});
        }
      }
    }
  }
  return out;
}

/// The definition, by sorting all anchors of a level for every object.
AtssResult bruteForce(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                      const std::vector<float>& objects, const std::vector<float>& crowd,
                      const AtssOptions& options) {
  AtssResult out;
  out.object.assign(static_cast<size_t>(grid.anchors()), hd::detectors::excluded);
  out.overlap.assign(out.object.size(), 0.0f);
  const auto anchors = validAnchors(grid, valid);
  for (const Cell& a : anchors) {
    out.object[a.anchor] = hd::detectors::background;
    for (size_t c = 0; c < crowd.size() && options.ignoreThreshold > 0; c += 4) {
      const Box region{crowd[c], crowd[c + 1], crowd[c + 2], crowd[c + 3]};
      if (shared(a.box, region) / areaOf(a.box) > options.ignoreThreshold)
        out.object[a.anchor] = hd::detectors::excluded;
    }
  }
  for (size_t g = 0; g < objects.size() / 4; ++g) {
    const Box object{objects[4 * g], objects[4 * g + 1], objects[4 * g + 2], objects[4 * g + 3]};
    const double x = (static_cast<double>(object.x1) + object.x2) / 2;
    const double y = (static_cast<double>(object.y1) + object.y2) / 2;
    std::vector<std::pair<Cell, float>> candidates;
    for (int64_t l = 0; l < static_cast<int64_t>(grid.levels().size()); ++l) {
      std::vector<std::pair<double, Cell>> order;
      for (const Cell& a : anchors) {
        if (a.level == l && out.object[a.anchor] != hd::detectors::excluded)
          order.emplace_back((a.x - x) * (a.x - x) + (a.y - y) * (a.y - y), a);
      }
      std::stable_sort(order.begin(), order.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      order.resize(std::min<size_t>(order.size(), static_cast<size_t>(options.candidates)));
      for (const auto& [distance, a] : order) candidates.emplace_back(a, iou(a.box, object));
    }
    double mean = 0, squares = 0;
    for (const auto& [a, overlap] : candidates) mean += overlap;
    mean /= std::max(1.0, static_cast<double>(candidates.size()));
    for (const auto& [a, overlap] : candidates) squares += (overlap - mean) * (overlap - mean);
    out.thresholds.push_back(candidates.size() < 2
                                 ? mean
                                 : mean + std::sqrt(squares / static_cast<double>(candidates.size() - 1)));
    for (const auto& [a, overlap] : candidates) {
      const auto cx = static_cast<float>(a.x), cy = static_cast<float>(a.y);
      const float inside = std::min({cx - object.x1, cy - object.y1, object.x2 - cx, object.y2 - cy});
      if (overlap < out.thresholds[g] || !(inside > 0.01f)) continue;
      if (out.object[a.anchor] >= 0 && overlap <= out.overlap[a.anchor]) continue;
      out.object[a.anchor] = static_cast<int32_t>(g);
      out.overlap[a.anchor] = overlap;
    }
  }
  out.positives = std::count_if(out.object.begin(), out.object.end(), [](int32_t g) { return g >= 0; });
  return out;
}

std::vector<float> bruteRegion(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                               const std::vector<float>& objects, const std::vector<double>& thresholds,
                               RegionRule rule) {
  std::vector<float> out(static_cast<size_t>(grid.anchors()), 0.0f);
  for (const Cell& a : validAnchors(grid, valid)) {
    for (size_t g = 0; g < thresholds.size(); ++g) {
      const Box o{objects[4 * g], objects[4 * g + 1], objects[4 * g + 2], objects[4 * g + 3]};
      const double dx = (static_cast<double>(o.x1) + o.x2) / 2 - a.x,
                   dy = (static_cast<double>(o.y1) + o.y2) / 2 - a.y;
      const double width = std::max(o.x2, a.box.x2) - std::min(o.x1, a.box.x1);
      const double height = std::max(o.y2, a.box.y2) - std::min(o.y1, a.box.y1);
      const double share = rule == RegionRule::released ? shared(a.box, o) / areaOf(a.box) : iou(a.box, o);
      const double q = share - (dx * dx + dy * dy) / (width * width + height * height);
      if (0.25 * thresholds[g] <= q && q < thresholds[g])
        out[a.anchor] = std::max(out[a.anchor], iou(a.box, o));
    }
  }
  return out;
}

/// Boxes inside, across and outside the canvas; on half of them integer centres, so that distances tie.
std::vector<float> randomBoxes(hd::Random& random, int64_t count, float height, float width) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) {
    float x = random.uniform(-10, width), y = random.uniform(-10, height);
    float w = random.uniform(1, width / 2), h = random.uniform(1, height / 2);
    if (random.chance(0.5f)) {
      x = 4 * std::round(x / 4), y = 4 * std::round(y / 4);
      w = 8 * std::ceil(w / 8), h = 8 * std::ceil(h / 8);
    }
    out.insert(out.end(), {x, y, x + w, y + h});
  }
  return out;
}

void checkEqual(const AtssResult& actual, const AtssResult& expected) {
  CHECK(actual.object == expected.object);
  CHECK(actual.overlap == expected.overlap);
  CHECK(actual.positives == expected.positives);
  REQUIRE(actual.thresholds.size() == expected.thresholds.size());
  for (size_t g = 0; g < expected.thresholds.size(); ++g) {
    CHECK(actual.thresholds[g] == doctest::Approx(expected.thresholds[g]).epsilon(1e-12));
  }
}

/// The toy scene of the published code's golden checks (128 × 128).
const std::vector<float> toyBoxes{21, 25, 86, 73, 61, 38, 124, 119, 7, 91, 28, 107};

int64_t countIf(const std::vector<float>& values, int64_t from, int64_t to) {
  return std::count_if(values.begin() + from, values.begin() + to, [](float v) { return v > 0; });
}

}  // namespace

TEST_CASE("assignment equals brute force, distance ties included") {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    hd::Random random(seed, "atss test", 0, 0);
    const int64_t height = 32 * (1 + random.below(6)), width = 32 * (1 + random.below(8));
    hd::detectors::AnchorLayout layout;
    if (random.chance(0.4f)) layout.shapes = {{4, 2}, {4, 4}, {2, 4}, {6, 6}};
    if (random.chance(0.4f)) layout.offset = 0.5;
    const AnchorGrid grid(height, width, strides, layout);
    const auto valid =
        grid.validCells(height - random.below(64) % height, width - random.below(64) % width, 32);
    const auto objects =
        randomBoxes(random, random.below(12), static_cast<float>(height), static_cast<float>(width));
    const auto crowd =
        randomBoxes(random, random.below(3), static_cast<float>(height), static_cast<float>(width));
    const AtssOptions options{1 + random.below(12), random.chance(0.5f) ? 0.5 : -1.0};
    checkEqual(atss(grid, valid, objects, crowd, options), bruteForce(grid, valid, objects, crowd, options));
  }
}

TEST_CASE("the valuable region equals brute force under both rules") {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    hd::Random random(seed, "region test", 0, 0);
    const AnchorGrid grid(160, 224, strides);
    const auto valid = grid.validCells(130, 224, 32);
    const auto objects = randomBoxes(random, 6, 160, 224);
    const auto thresholds = atss(grid, valid, objects).thresholds;
    for (const RegionRule rule : {RegionRule::released, RegionRule::distance}) {
      const auto region = valuableRegion(grid, valid, objects, thresholds, rule);
      const auto expected = bruteRegion(grid, valid, objects, thresholds, rule);
      // Single and double precision may disagree where q touches a bound; nowhere else.
      int64_t different = 0;
      for (size_t i = 0; i < region.size(); ++i) different += std::abs(region[i] - expected[i]) > 1e-6f;
      CHECK(different <= 2);
      CHECK(countIf(region, 0, grid.anchors()) > 0);
    }
  }
}

TEST_CASE("the published toy scene: thresholds, positives and their overlaps") {
  const AnchorGrid grid(128, 128, strides);
  const auto valid = grid.validCells(128, 128, 32);
  const AtssResult result = atss(grid, valid, toyBoxes);
  CHECK(result.thresholds[0] == doctest::Approx(.498161).epsilon(2e-6));
  CHECK(result.thresholds[1] == doctest::Approx(.550853).epsilon(2e-6));
  CHECK(result.thresholds[2] == doctest::Approx(.064013).epsilon(2e-5));
  CHECK(result.positives == 23);
  const std::vector<std::vector<int64_t>> expected{{86, 87, 101, 102, 103, 104, 118, 119, 120},
                                                   {155, 156, 157, 171, 172, 173, 187, 188},
                                                   {193, 194, 195, 209, 210, 211}};
  for (size_t g = 0; g < expected.size(); ++g) {
    std::vector<int64_t> anchors;
    for (size_t a = 0; a < result.object.size(); ++a) {
      if (result.object[a] == static_cast<int32_t>(g)) anchors.push_back(static_cast<int64_t>(a));
    }
    CHECK(anchors == expected[g]);
  }
  CHECK(result.overlap[103] == doctest::Approx(.701887).epsilon(2e-6));
  CHECK(result.overlap[156] == doctest::Approx(.716552).epsilon(2e-6));
  for (const int64_t a : expected[2]) CHECK(result.overlap[a] == doctest::Approx(.082031).epsilon(1e-5));
}

TEST_CASE("the published toy scene: valuable region, released and by distance") {
  const AnchorGrid grid(128, 128, strides);
  const auto valid = grid.validCells(128, 128, 32);
  const AtssResult assigned = atss(grid, valid, toyBoxes);
  const auto overlapsWithPositives = [&](const std::vector<float>& region) {
    std::vector<int64_t> out;
    for (size_t a = 0; a < region.size(); ++a) {
      if (region[a] > 0 && assigned.object[a] >= 0) out.push_back(static_cast<int64_t>(a));
    }
    return out;
  };
  const auto released = valuableRegion(grid, valid, toyBoxes, assigned.thresholds, RegionRule::released);
  CHECK(countIf(released, 0, 256) == 142);
  CHECK(countIf(released, 256, 320) == 41);
  CHECK(countIf(released, 0, 341) == 183);
  CHECK(std::accumulate(released.begin(), released.end(), 0.0) == doctest::Approx(42.56767).epsilon(1e-6));
  CHECK(released[36] == doctest::Approx(.158824).epsilon(1e-5));
  CHECK(released[37] == doctest::Approx(.194109).epsilon(1e-5));
  CHECK(overlapsWithPositives(released) == std::vector<int64_t>{103, 104, 119, 120, 155});
  const auto distance = valuableRegion(grid, valid, toyBoxes, assigned.thresholds, RegionRule::distance);
  CHECK(countIf(distance, 0, 256) == 120);
  CHECK(countIf(distance, 256, 320) == 39);
  CHECK(std::accumulate(distance.begin(), distance.end(), 0.0) == doctest::Approx(47.1935).epsilon(1e-5));
  CHECK(overlapsWithPositives(distance).size() == 2);
  // Members per object, one object at a time.
  const std::vector<int64_t> releasedMembers{88, 102, 21}, distanceMembers{73, 92, 20};
  for (size_t g = 0; g < 3; ++g) {
    const std::vector<float> one(toyBoxes.begin() + 4 * g, toyBoxes.begin() + 4 * g + 4);
    const std::vector<double> t{assigned.thresholds[g]};
    CHECK(countIf(valuableRegion(grid, valid, one, t, RegionRule::released), 0, 341) == releasedMembers[g]);
    CHECK(countIf(valuableRegion(grid, valid, one, t, RegionRule::distance), 0, 341) == distanceMembers[g]);
  }
}

TEST_CASE("an anchor that two equal objects claim goes to the first") {
  const AnchorGrid grid(128, 128, strides);
  const auto valid = grid.validCells(128, 128, 32);
  const std::vector<float> twins{20, 20, 90, 80, 20, 20, 90, 80};
  const AtssResult result = atss(grid, valid, twins);
  CHECK(result.positives > 0);
  CHECK(std::none_of(result.object.begin(), result.object.end(), [](int32_t g) { return g == 1; }));
}

TEST_CASE("no objects, no valid cells, one anchor, thousands of boxes") {
  const AnchorGrid grid(128, 192, strides);
  const auto valid = grid.validCells(100, 120, 32);
  const AtssResult none = atss(grid, valid, {});
  CHECK(none.positives == 0);
  CHECK(std::count(none.object.begin(), none.object.end(), hd::detectors::background) ==
        16 * 16 + 8 * 8 + 4 * 4 + 2 * 2 + 1);
  const std::vector<ValidCells> empty(5);
  const AtssResult nowhere = atss(grid, empty, toyBoxes);
  CHECK(nowhere.positives == 0);
  CHECK(nowhere.thresholds.size() == 3);

  const AnchorGrid single(32, 32, {32});
  const AtssResult one = atss(single, single.validCells(32, 32, 32), std::vector<float>{-20, -20, 20, 20});
  CHECK(one.positives == 1);  // a lone candidate reaches its own mean

  hd::Random random(1, "many boxes", 0, 0);
  const AnchorGrid large(800, 1344, strides);
  const auto boxes = randomBoxes(random, 5000, 800, 1344);
  const AtssResult many = atss(large, large.validCells(800, 1344, 32), boxes);
  CHECK(many.thresholds.size() == 5000);
  CHECK(many.positives > 5000);
}

TEST_CASE("coordinates far away or not finite") {
  const AnchorGrid grid(128, 128, strides);
  const auto valid = grid.validCells(128, 128, 32);
  CHECK(atss(grid, valid, std::vector<float>{1e30f, 1e30f, 2e30f, 2e30f}).positives == 0);
  CHECK(atss(grid, valid, std::vector<float>{-3e38f, -3e38f, 3e38f, 3e38f}).object.size() == 341);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> boxes{0, 0, 10, 10, 0, 0, bad, 10};
    CHECK_THROWS_AS(atss(grid, valid, boxes), hd::Error);
    CHECK_THROWS_AS(atss(grid, valid, {}, boxes), hd::Error);
  }
}
