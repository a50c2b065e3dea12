#include "eval/confusion.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "eval_fixture.h"

using namespace hd::eval;

namespace {

using Box = std::array<double, 4>;

double overlapOf(const Box& a, const Box& b, bool crowd) {
  const double width = std::min(a[0] + a[2], b[0] + b[2]) - std::max(a[0], b[0]);
  const double height = std::min(a[1] + a[3], b[1] + b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const double shared = width * height;
  return shared / (crowd ? a[2] * a[3] : a[2] * a[3] + b[2] * b[3] - shared);
}

/// By a list of all pairs instead of image by image: the next pair is always the one of the best scored
/// detection that is left, and of its pairs the one that overlaps most.
std::map<std::pair<int, int>, int64_t> bruteForce(const eval_fixture::RandomSet& set, double score,
                                                  double iou, std::array<SizeCount, 3>& sizes) {
  const auto label = [&](int64_t category) {
    const auto& ids = set.truth.categories;
    return static_cast<int>(std::find(ids.begin(), ids.end(), category) - ids.begin());
  };
  const int background = static_cast<int>(set.truth.categories.size());
  std::vector<std::tuple<double, size_t, double, size_t>> pairs;  // −score, detection, −overlap, truth
  std::set<size_t> unmatched;
  for (size_t d = 0; d < set.detections.size(); ++d) {
    const Instance& detection = set.detections[d];
    if (detection.score < score) continue;
    unmatched.insert(d);
    for (size_t t = 0; t < set.truth.instances.size(); ++t) {
      const Instance& truth = set.truth.instances[t];
      if (truth.image != detection.image || truth.crowd || truth.ignore) continue;
      const double overlap = overlapOf(detection.box, truth.box, false);
      if (overlap >= iou) pairs.emplace_back(-detection.score, d, -overlap, t);
    }
  }
  std::sort(pairs.begin(), pairs.end());
  std::map<std::pair<int, int>, int64_t> counts;
  std::set<size_t> taken;
  std::set<size_t> right;
  for (const auto& [negativeScore, d, negativeOverlap, t] : pairs) {
    if (unmatched.count(d) == 0 || taken.count(t) != 0) continue;
    unmatched.erase(d);
    taken.insert(t);
    const int of = label(set.truth.instances[t].category), as = label(set.detections[d].category);
    ++counts[{of, as}];
    if (of == as) right.insert(t);
  }
  for (const size_t d : unmatched) {
    const bool excused =
        std::any_of(set.truth.instances.begin(), set.truth.instances.end(), [&](const Instance& truth) {
          return truth.image == set.detections[d].image && (truth.crowd || truth.ignore) &&
                 overlapOf(set.detections[d].box, truth.box, truth.crowd) >= iou;
        });
    if (!excused) ++counts[{background, label(set.detections[d].category)}];
  }
  for (size_t t = 0; t < set.truth.instances.size(); ++t) {
    const Instance& truth = set.truth.instances[t];
    if (truth.crowd || truth.ignore) continue;
    if (taken.count(t) == 0) ++counts[{label(truth.category), background}];
    SizeCount& size = sizes[truth.area >= 96 * 96 ? 2 : truth.area >= 32 * 32 ? 1 : 0];
    ++size.truths;
    size.found += static_cast<int64_t>(right.count(t));
  }
  return counts;
}

Instance boxOf(int64_t category, Box box, double score = 0) {
  Instance instance;
  instance.image = 7;
  instance.category = category;
  instance.box = box;
  instance.area = box[2] * box[3];
  instance.score = score;
  return instance;
}

/// One picture, classes 9 (cat, label 0) and 2 (dog, label 1).
CocoSet truthOf(std::vector<Instance> instances) {
  CocoSet truth;
  truth.images = {7};
  truth.categories = {9, 2};
  truth.names = {"cat", "dog"};
  truth.instances = std::move(instances);
  return truth;
}

using Counts = std::vector<int64_t>;

}  // namespace

TEST_CASE("the confusion matrix and the sizes are those of the pairs in order") {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    CAPTURE(seed);
    const auto set = eval_fixture::randomSet(
        seed, {.images = 1 + static_cast<int>(seed % 9), .categories = 3, .truths = 50, .detections = 250});
    const double score = .1 * static_cast<double>(seed % 5), iou = seed % 2 == 0 ? .5 : .3;
    std::array<SizeCount, 3> sizes{};
    auto expected = bruteForce(set, score, iou, sizes);
    const Confusion found = confusionOf(set.truth, set.detections, {score, iou, 2});
    REQUIRE(found.classes == 3);
    for (size_t of = 0; of <= 3; ++of) {
      for (size_t as = 0; as <= 3; ++as) {
        CAPTURE(of);
        CAPTURE(as);
        CHECK(found.at(of, as) == expected[{static_cast<int>(of), static_cast<int>(as)}]);
      }
    }
    for (size_t i = 0; i < 3; ++i) {
      CHECK(found.sizes[i].truths == sizes[i].truths);
      CHECK(found.sizes[i].found == sizes[i].found);
    }
  }
}

TEST_CASE("rows are true classes, columns what they were taken for, the last of both nothing") {
  const CocoSet truth =
      truthOf({boxOf(9, {0, 0, 10, 10}), boxOf(9, {50, 0, 10, 10}), boxOf(2, {0, 50, 10, 10})});
  const std::vector<Instance> detections{boxOf(9, {0, 0, 10, 10}, .9), boxOf(2, {50, 0, 10, 10}, .8),
                                         boxOf(2, {90, 90, 10, 10}, .7), boxOf(2, {0, 50, 10, 10}, .29)};
  CHECK(confusionOf(truth, detections).counts == Counts{1, 1, 0, 0, 0, 1, 0, 1, 0});
  CHECK(confusionOf(truth, detections, {.29, .5, 1}).counts == Counts{1, 1, 0, 0, 1, 0, 0, 1, 0});
}

TEST_CASE("a truth belongs to the best scored detection, of equals to the first") {
  const CocoSet truth = truthOf({boxOf(9, {0, 0, 10, 10})});
  const Box exact{0, 0, 10, 10}, near{0, 0, 10, 8};
  CHECK(confusionOf(truth, {boxOf(9, exact, .8), boxOf(2, near, .9)}).counts ==
        Counts{0, 1, 0, 0, 0, 0, 1, 0, 0});
  CHECK(confusionOf(truth, {boxOf(9, near, .8), boxOf(2, exact, .8)}).counts ==
        Counts{1, 0, 0, 0, 0, 0, 0, 1, 0});
}

TEST_CASE("a detection takes the truth that it overlaps most, of equals the first, and only a free one") {
  const CocoSet truth = truthOf({boxOf(9, {0, 0, 10, 10}), boxOf(2, {0, 0, 10, 10})});
  CHECK(confusionOf(truth, {boxOf(2, {0, 0, 10, 10}, .9)}).counts == Counts{0, 1, 0, 0, 0, 1, 0, 0, 0});
  CHECK(confusionOf(truth, {boxOf(2, {0, 0, 10, 10}, .9), boxOf(2, {0, 0, 10, 10}, .8)}).counts ==
        Counts{0, 1, 0, 0, 1, 0, 0, 0, 0});
  const CocoSet wider = truthOf({boxOf(9, {0, 0, 10, 12}), boxOf(2, {0, 0, 10, 10})});
  CHECK(confusionOf(wider, {boxOf(2, {0, 0, 10, 10}, .9)}).counts == Counts{0, 0, 1, 0, 1, 0, 0, 0, 0});
}

TEST_CASE("crowds and difficult truths are in no row and excuse what lies on them") {
  Instance crowd = boxOf(9, {0, 0, 100, 100}), difficult = boxOf(2, {200, 0, 10, 10});
  crowd.crowd = true;
  difficult.ignore = true;
  const CocoSet truth = truthOf({crowd, difficult, boxOf(9, {5, 5, 10, 10})});
  const Confusion found = confusionOf(
      truth, {boxOf(9, {20, 20, 10, 10}, .9), boxOf(2, {40, 20, 10, 10}, .9), boxOf(9, {200, 0, 10, 10}, .9),
              boxOf(9, {200, 0, 10, 10}, .9), boxOf(9, {5, 5, 10, 10}, .5), boxOf(9, {300, 0, 10, 10}, .5)});
  CHECK(found.counts == Counts{1, 0, 0, 0, 0, 0, 1, 0, 0});
  CHECK(found.sizes[0].truths == 1);
  CHECK(found.sizes[0].found == 1);
}

TEST_CASE("sizes: each truth in one row, found only by its own class") {
  const CocoSet truth = truthOf({boxOf(9, {0, 0, 32, 31}), boxOf(9, {200, 0, 32, 32}),
                                 boxOf(9, {0, 200, 96, 96}), boxOf(2, {400, 0, 96, 95})});
  const Confusion found =
      confusionOf(truth, {boxOf(9, {200, 0, 32, 32}, .9), boxOf(2, {0, 200, 96, 96}, .9)});
  CHECK(found.sizes[0].truths == 1);
  CHECK(found.sizes[1].truths == 2);
  CHECK(found.sizes[2].truths == 1);
  CHECK(found.sizes[0].found == 0);
  CHECK(found.sizes[1].found == 1);
  CHECK(found.sizes[2].found == 0);
}

TEST_CASE("images and classes that the truth does not have are left out; nothing is nothing") {
  CocoSet truth = truthOf({boxOf(9, {0, 0, 10, 10})});
  Instance elsewhere = boxOf(9, {0, 0, 10, 10}, .9);
  elsewhere.image = 8;
  CHECK(confusionOf(truth, {elsewhere, boxOf(77, {0, 0, 10, 10}, .9)}).counts ==
        Counts{0, 0, 1, 0, 0, 0, 0, 0, 0});
  CHECK(confusionOf(CocoSet{}, {}).counts == Counts{0});
}
