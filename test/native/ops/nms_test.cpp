// Non-maximum suppression against the plainest possible reference, and its edges.
#include "ops/nms.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "ops/cpu/nms_kernel.h"

namespace {

struct Scene {
  std::vector<float> boxes, scores;
  std::vector<int32_t> labels;
  int64_t size() const { return static_cast<int64_t>(scores.size()); }
};

/// Clustered boxes, so that many pairs overlap; scores on a coarse grid, so that many tie.
Scene randomScene(uint64_t seed, int64_t count, int classes) {
  hd::Random random(seed, "nms test", 0, 0);
  Scene scene;
  for (int64_t i = 0; i < count; ++i) {
    const float x = 40.0f * static_cast<float>(random.below(4)) + random.uniform(0, 20);
    const float y = 40.0f * static_cast<float>(random.below(3)) + random.uniform(0, 20);
    scene.boxes.insert(scene.boxes.end(), {x, y, x + random.uniform(5, 50), y + random.uniform(5, 50)});
    scene.scores.push_back(static_cast<float>(random.below(25)) / 25.0f);
    scene.labels.push_back(static_cast<int32_t>(random.below(static_cast<uint32_t>(classes))) * 7 - 10);
  }
  return scene;
}

/// Sorts everything, then tests every pair.
std::vector<int64_t> reference(const Scene& scene, double threshold, bool byClass, int64_t limit) {
  std::vector<int64_t> order(static_cast<size_t>(scene.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    if (scene.scores[a] != scene.scores[b]) return scene.scores[a] > scene.scores[b];
    return byClass && scene.labels[a] < scene.labels[b];
  });
  std::vector<int64_t> keep;
  for (const int64_t candidate : order) {
    const float* a = &scene.boxes[4 * candidate];
    const bool free = std::none_of(keep.begin(), keep.end(), [&](int64_t other) {
      if (byClass && scene.labels[other] != scene.labels[candidate]) return false;
      const float* b = &scene.boxes[4 * other];
      const float width = std::max(0.0f, std::min(a[2], b[2]) - std::max(a[0], b[0]));
      const float height = std::max(0.0f, std::min(a[3], b[3]) - std::max(a[1], b[1]));
      const float overlap = width * height;
      const float areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]);
      return static_cast<double>(overlap / (areas - overlap)) > threshold;
    });
    if (free) keep.push_back(candidate);
  }
  if (limit >= 0 && static_cast<int64_t>(keep.size()) > limit) keep.resize(static_cast<size_t>(limit));
  return keep;
}

std::vector<int64_t> plain(const Scene& scene, double threshold) {
  return hd::ops::nms(scene.boxes.data(), scene.scores.data(), scene.size(), threshold);
}

std::vector<int64_t> batched(const Scene& scene, double threshold, int64_t limit = -1) {
  return hd::ops::batchedNms(scene.boxes.data(), scene.scores.data(), scene.labels.data(), scene.size(),
                             threshold, limit);
}

}  // namespace

TEST_CASE("nms and batched nms equal the all-pairs reference on random scenes") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Scene scene = randomScene(seed, static_cast<int64_t>(seed * 17), 1 + static_cast<int>(seed % 6));
    for (const double threshold : {0.0, 0.3, 0.6, 0.95, 1.0}) {
      CAPTURE(seed);
      CAPTURE(threshold);
      CHECK(plain(scene, threshold) == reference(scene, threshold, false, -1));
      for (const int64_t limit : {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{13}, int64_t{100000}}) {
        CHECK(batched(scene, threshold, limit) == reference(scene, threshold, true, limit));
      }
    }
  }
}

TEST_CASE("a limit beyond the first sorted chunk gives the same survivors") {
  const Scene scene = randomScene(5, 4000, 3);
  CHECK(batched(scene, 0.9, 700) == reference(scene, 0.9, true, 700));
}

TEST_CASE("suppression is strictly above the threshold") {
  // Two boxes that share exactly half of their union.
  Scene scene{{0, 0, 10, 10, 0, 0, 10, 20}, {0.9f, 0.8f}, {0, 0}};
  CHECK(plain(scene, 0.5) == std::vector<int64_t>{0, 1});
  CHECK(plain(scene, 0.4999) == std::vector<int64_t>{0});
  // 0.6 is no float: an overlap of float(0.6) = 0.60000002 is above it, as it is in double arithmetic.
  scene.boxes = {0, 0, 10, 10, 0, 0, 10, 6};
  CHECK(plain(scene, 0.6) == std::vector<int64_t>{0});
  CHECK(plain(scene, 0.600001) == std::vector<int64_t>{0, 1});
}

TEST_CASE("boxes of different classes never suppress each other, wherever they lie") {
  const Scene scene{{5000, 5000, 5010, 5010, 5000, 5000, 5010, 5010, 5000, 5000, 5010, 5010},
                    {0.5f, 0.6f, 0.7f},
                    {2'000'000'000, -2'000'000'000, 2'000'000'000}};
  CHECK(batched(scene, 0.5) == std::vector<int64_t>{2, 1});
}

TEST_CASE("hostile numbers neither crash nor suppress their neighbours") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const Scene scene{
      {0, 0, 10, 10, nan, nan, nan, nan, -infinity, -infinity, infinity, infinity, 3, 3, 3, 3, 9, 9, 1, 1},
      {0.5f, 0.9f, 0.8f, nan, infinity},
      {0, 0, 0, 0, 0}};
  const auto keep = plain(scene, 0.5);
  CHECK(keep == std::vector<int64_t>{4, 1, 2, 0, 3});
  CHECK(plain({}, 0.5).empty());
  CHECK(batched({}, 0.5).empty());
}

TEST_CASE("twenty thousand candidates of eighty classes: the same survivors as one class at a time") {
  hd::Random random(11, "many", 0, 0);
  Scene scene;
  for (int i = 0; i < 20000; ++i) {
    const float x = random.uniform(0, 600), y = random.uniform(0, 400);
    scene.boxes.insert(scene.boxes.end(), {x, y, x + random.uniform(10, 80), y + random.uniform(10, 80)});
    scene.scores.push_back(random.uniform());
    scene.labels.push_back(static_cast<int32_t>(random.below(80)));
  }
  auto together = batched(scene, 0.4);
  std::vector<int64_t> apart;
  for (int32_t label = 0; label < 80; ++label) {
    Scene one;
    std::vector<int64_t> places;
    for (int64_t i = 0; i < scene.size(); ++i) {
      if (scene.labels[i] != label) continue;
      one.boxes.insert(one.boxes.end(), &scene.boxes[4 * i], &scene.boxes[4 * i] + 4);
      one.scores.push_back(scene.scores[i]);
      places.push_back(i);
    }
    for (const int64_t kept : plain(one, 0.4)) apart.push_back(places[kept]);
  }
  CHECK(together.size() < 20000);
  std::sort(together.begin(), together.end());
  std::sort(apart.begin(), apart.end());
  CHECK(together == apart);
}

TEST_CASE("any order of the input keeps the same boxes when scores differ") {
  Scene scene = randomScene(3, 200, 4);
  for (int64_t i = 0; i < scene.size(); ++i) scene.scores[i] = 1.0f / static_cast<float>(i * 37 % 211 + 1);
  const auto keep = batched(scene, 0.4);
  Scene reversed;
  for (int64_t i = scene.size() - 1; i >= 0; --i) {
    reversed.boxes.insert(reversed.boxes.end(), &scene.boxes[4 * i], &scene.boxes[4 * i] + 4);
    reversed.scores.push_back(scene.scores[i]);
    reversed.labels.push_back(scene.labels[i]);
  }
  auto mapped = batched(reversed, 0.4);
  for (int64_t& index : mapped) index = scene.size() - 1 - index;
  CHECK(mapped == keep);
}

TEST_CASE("the operators agree with the kernels and take strided and double tensors") {
  const Scene scene = randomScene(9, 120, 4);
  const auto boxes = at::from_blob(const_cast<float*>(scene.boxes.data()), {scene.size(), 4});
  const auto scores = at::from_blob(const_cast<float*>(scene.scores.data()), {scene.size()});
  const auto labels = at::from_blob(const_cast<int32_t*>(scene.labels.data()), {scene.size()}, at::kInt);
  const auto asTensor = [](const std::vector<int64_t>& keep) { return at::tensor(keep, at::kLong); };
  CHECK(at::equal(hd::ops::nms(boxes, scores, 0.5), asTensor(plain(scene, 0.5))));
  CHECK(at::equal(hd::ops::nms(boxes.t().contiguous().t(), scores.to(at::kDouble), 0.5),
                  asTensor(plain(scene, 0.5))));
  CHECK(at::equal(hd::ops::batchedNms(boxes, scores, labels, 0.5, 20), asTensor(batched(scene, 0.5, 20))));
  CHECK(at::equal(hd::ops::batchedNms(boxes, scores, labels.to(at::kLong), 0.5),
                  asTensor(batched(scene, 0.5))));
  CHECK(hd::ops::nms(at::empty({0, 4}), at::empty({0}), 0.5).numel() == 0);
  // A tensor that asks for gradients is welcome; the result carries none.
  CHECK_FALSE(hd::ops::nms(boxes.clone().requires_grad_(), scores, 0.5).requires_grad());
}

TEST_CASE("wrong shapes and types are refused with the cure") {
  const auto boxes = at::zeros({3, 4}), scores = at::zeros({3});
  CHECK_THROWS_AS(hd::ops::nms(boxes, at::zeros({2}), 0.5), hd::Error);
  CHECK_THROWS_AS(hd::ops::nms(at::zeros({3, 5}), scores, 0.5), hd::Error);
  CHECK_THROWS_AS(hd::ops::batchedNms(boxes, scores, at::zeros({3}), 0.5), hd::Error);
  CHECK_THROWS_AS(hd::ops::batchedNms(boxes, scores, at::full({3}, int64_t{1} << 40, at::kLong), 0.5),
                  hd::Error);
}
