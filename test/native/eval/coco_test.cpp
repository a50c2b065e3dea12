// The evaluation against a plain one: dense loops over categories, areas, images, thresholds and detections,
// written from the published definition, with none of the shortcuts of the product.
#include "eval/coco.h"

#include <algorithm>
#include <numeric>

#include "eval/match.h"
#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::randomSet;
using eval_fixture::RandomSet;

namespace {

struct PlainImage {
  std::vector<double> scores;
  std::vector<std::vector<bool>> matched, ignored;  // thresholds × detections
  int counted = 0;
};

double plainOverlap(const Instance& detection, const Instance& truth, const CocoParams& params) {
  if (params.type == IouType::bbox) return boxOverlap(detection.box, truth.box, truth.crowd);
  if (params.type == IouType::segm) return maskOverlap(detection.mask, truth.mask, truth.crowd);
  return keypointSimilarity(detection, truth, params.keypointSigmas);
}

PlainImage plainImage(std::vector<Instance> truths, std::vector<Instance> found,
                      const std::array<double, 2>& range, const CocoParams& params) {
  const auto outside = [&](const Instance& instance) {
    return instance.area < range[0] || instance.area > range[1];
  };
  const auto ignored = [&](const Instance& truth) {
    const bool unlabelled = params.type == IouType::keypoints && truth.numKeypoints == 0;
    return truth.crowd || unlabelled || (params.useIgnore && truth.ignore) || outside(truth);
  };
  std::stable_partition(truths.begin(), truths.end(), [&](const Instance& truth) { return !ignored(truth); });
  std::stable_sort(found.begin(), found.end(),
                   [](const Instance& a, const Instance& b) { return a.score > b.score; });
  if (found.size() > static_cast<size_t>(params.maxDetections.back()))
    found.resize(params.maxDetections.back());

  PlainImage out;
  for (const Instance& truth : truths) out.counted += !ignored(truth);
  for (const Instance& detection : found) out.scores.push_back(detection.score);
  for (const double threshold : params.iouThresholds) {
    std::vector<bool> taken(truths.size()), matched, unjudged;
    for (const Instance& detection : found) {
      int best = -1;
      double reached = std::min(threshold, 1 - 1e-10);
      for (size_t g = 0; g < truths.size(); ++g) {
        if (taken[g] && !truths[g].crowd) continue;
        if (best >= 0 && !ignored(truths[best]) && ignored(truths[g])) break;
        const bool comparable = params.type != IouType::keypoints || params.useCategories;
        const double overlap = comparable ? plainOverlap(detection, truths[g], params) : -1;
        if (overlap < reached) continue;
        reached = overlap;
        best = static_cast<int>(g);
      }
      if (best >= 0) taken[best] = true;
      const bool named = best >= 0 && truths[best].id != 0;
      matched.push_back(named);
      unjudged.push_back((best >= 0 && ignored(truths[best])) || (!named && outside(detection)));
    }
    out.matched.push_back(matched);
    out.ignored.push_back(unjudged);
  }
  return out;
}

CocoResult plainEvaluate(const CocoSet& truth, const std::vector<Instance>& detections,
                         const CocoParams& params) {
  auto images = params.images.empty() ? truth.images : params.images;
  auto categories = params.categories.empty() ? truth.categories : params.categories;
  std::sort(images.begin(), images.end());
  std::sort(categories.begin(), categories.end());
  const size_t K = params.useCategories ? categories.size() : 1, T = params.iouThresholds.size();
  const size_t R = params.recallThresholds.size(), A = params.areaRanges.size(),
               M = params.maxDetections.size();
  CocoResult result;
  result.recall.assign(T * K * A * M, -1);
  result.precision.assign(T * R * K * A * M, -1);
  result.scores.assign(T * R * K * A * M, -1);
  const auto select = [&](const std::vector<Instance>& all, size_t k, int64_t image) {
    std::vector<Instance> chosen;
    for (size_t c = 0; c < categories.size(); ++c) {
      if (params.useCategories && c != k) continue;
      for (const Instance& instance : all) {
        if (instance.image == image && instance.category == categories[c]) chosen.push_back(instance);
      }
    }
    return chosen;
  };
  for (size_t k = 0; k < K; ++k) {
    for (size_t a = 0; a < A; ++a) {
      std::vector<PlainImage> seen;
      int counted = 0;
      for (const int64_t image : images) {
        seen.push_back(plainImage(select(truth.instances, k, image), select(detections, k, image),
                                  params.areaRanges[a], params));
        counted += seen.back().counted;
      }
      if (counted == 0) continue;
      for (size_t m = 0; m < M; ++m) {
        for (size_t t = 0; t < T; ++t) {
          struct Entry {
            double score;
            bool matched, ignored;
          };
          std::vector<Entry> entries;
          for (const PlainImage& image : seen) {
            const size_t count = std::min(image.scores.size(), static_cast<size_t>(params.maxDetections[m]));
            for (size_t d = 0; d < count; ++d)
              entries.push_back({image.scores[d], image.matched[t][d], image.ignored[t][d]});
          }
          std::stable_sort(entries.begin(), entries.end(),
                           [](const Entry& x, const Entry& y) { return x.score > y.score; });
          std::vector<double> recall, precision;
          double right = 0, wrong = 0;
          for (const Entry& entry : entries) {
            right += entry.matched && !entry.ignored;
            wrong += !entry.matched && !entry.ignored;
            recall.push_back(right / counted);
            precision.push_back(right / (wrong + right + std::numeric_limits<double>::epsilon()));
          }
          for (size_t i = precision.size(); i-- > 1;)
            precision[i - 1] = std::max(precision[i - 1], precision[i]);
          result.recall[((t * K + k) * A + a) * M + m] = recall.empty() ? 0 : recall.back();
          for (size_t r = 0; r < R; ++r) {
            const size_t at = (((t * R + r) * K + k) * A + a) * M + m;
            result.precision[at] = result.scores[at] = 0;
            for (size_t i = 0; i < recall.size(); ++i) {
              if (recall[i] < params.recallThresholds[r]) continue;
              result.precision[at] = precision[i];
              result.scores[at] = entries[i].score;
              break;
            }
          }
        }
      }
    }
  }
  return result;
}

void compare(const RandomSet& set, const CocoParams& params) {
  const CocoResult actual = evaluateCoco(set.truth, set.detections, params);
  const CocoResult expected = plainEvaluate(set.truth, set.detections, params);
  CHECK(actual.recall == expected.recall);
  CHECK(actual.precision == expected.precision);
  CHECK(actual.scores == expected.scores);
}

/// One image, one category, the given boxes.
RandomSet handSet(std::vector<std::array<double, 4>> truths,
                  std::vector<std::pair<std::array<double, 4>, double>> found) {
  RandomSet set;
  set.truth.images = {1};
  set.truth.categories = {1};
  set.truth.names = {"thing"};
  for (const auto& box : truths) {
    Instance truth;
    truth.id = static_cast<int64_t>(set.truth.instances.size()) + 1;
    truth.image = truth.category = 1;
    truth.box = box;
    truth.area = box[2] * box[3];
    set.truth.instances.push_back(truth);
  }
  for (const auto& [box, score] : found) {
    Instance detection;
    detection.id = static_cast<int64_t>(set.detections.size()) + 1;
    detection.image = detection.category = 1;
    detection.box = box;
    detection.area = box[2] * box[3];
    detection.score = score;
    set.detections.push_back(detection);
  }
  return set;
}

const CocoParams kBoxes = CocoParams::defaults(IouType::bbox);
/// The original adds 2^-52 to the denominator of a precision, so that a perfect one is a little less than 1.
const doctest::Approx kOne(1);

}  // namespace

TEST_CASE("thresholds are those of numpy.linspace to the last bit") {
  CHECK(kBoxes.iouThresholds ==
        std::vector<double>{.5, .55, .6, .65, .7, .75, .8, .85, .8999999999999999, .95});
  CHECK(kBoxes.recallThresholds.size() == 101);
  CHECK(kBoxes.recallThresholds[29] == .29);
  CHECK(kBoxes.recallThresholds[35] == .35000000000000003);
  CHECK(kBoxes.recallThresholds[57] == .5700000000000001);
  CHECK(kBoxes.recallThresholds[100] == 1);
  CHECK(CocoParams::defaults(IouType::keypoints).keypointSigmas.size() == 17);
}

TEST_CASE("random sets evaluate as the plain procedure does") {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    for (const IouType type : {IouType::bbox, IouType::segm, IouType::keypoints}) {
      const RandomSet set = randomSet(seed, {8, 3, 40, 160, type});
      CocoParams params = CocoParams::defaults(type);
      params.threads = static_cast<int>(seed % 3);
      compare(set, params);
      params.useCategories = false;
      compare(set, params);
      params = CocoParams::defaults(type);
      params.useIgnore = true;
      params.maxDetections = {1, 2, 4};
      params.images = {100, 93, 79, 65, 12};
      params.categories = {9, 3};
      params.iouThresholds = {.3, .9, 1};
      compare(set, params);
    }
  }
}

TEST_CASE("results do not depend on the number of threads") {
  const RandomSet set = randomSet(11, {40, 5, 300, 2000});
  CocoParams params = kBoxes;
  params.threads = 1;
  const CocoResult one = evaluateCoco(set.truth, set.detections, params);
  for (const int threads : {2, 5}) {
    params.threads = threads;
    const CocoResult many = evaluateCoco(set.truth, set.detections, params);
    CHECK(many.precision == one.precision);
    CHECK(many.stats == one.stats);
  }
}

TEST_CASE("perfect detections, no detections, no truths") {
  const std::array<double, 4> a{10, 10, 50, 50}, b{100, 100, 200, 150};
  auto set = handSet({a, b}, {{a, .9}, {b, .8}});
  CocoResult result = evaluateCoco(set.truth, set.detections, kBoxes);
  const double expected[] = {1, 1, 1, -1, 1, 1, .5, 1, 1, -1, 1, 1};
  for (size_t i = 0; i < 12; ++i) CHECK(result.stats[i] == doctest::Approx(expected[i]));
  CHECK(result.averagePrecision(0) == kOne);
  CHECK(result.averageRecall(0) == 1);

  result = evaluateCoco(set.truth, {}, kBoxes);
  CHECK(result.stats == std::vector<double>{0, 0, 0, -1, 0, 0, 0, 0, 0, -1, 0, 0});

  set.truth.instances.clear();
  result = evaluateCoco(set.truth, set.detections, kBoxes);
  CHECK(result.stats == std::vector<double>(12, -1));
  CHECK(result.averagePrecision(0) == -1);
  CHECK(result.averagePrecision(0, .5) == -1);
}

TEST_CASE("an AP by hand: one right, one wrong before the second right") {
  const std::array<double, 4> a{10, 10, 50, 50}, b{100, 100, 50, 50}, wrong{300, 300, 50, 50};
  const auto set = handSet({a, b}, {{a, .9}, {wrong, .8}, {b, .7}});
  const CocoResult result = evaluateCoco(set.truth, set.detections, kBoxes);
  CHECK(result.averagePrecision(0, .5) == doctest::Approx((51 * 1. + 50 * (2. / 3)) / 101));
}

TEST_CASE("a crowd takes any number of detections out of the count") {
  const std::array<double, 4> a{10, 10, 50, 50};
  auto set = handSet({a, {100, 100, 200, 200}},
                     {{{120, 120, 30, 30}, .9}, {{150, 150, 30, 30}, .8}, {{200, 200, 30, 30}, .7}, {a, .6}});
  CHECK(evaluateCoco(set.truth, set.detections, kBoxes).averagePrecision(0) < .5);
  set.truth.instances[1].crowd = true;
  CHECK(evaluateCoco(set.truth, set.detections, kBoxes).averagePrecision(0) == kOne);
}

TEST_CASE("a difficult truth is left out only on request, as in pycocotools") {
  const std::array<double, 4> a{10, 10, 50, 50}, b{100, 100, 50, 50};
  auto set = handSet({a, b}, {{a, .9}});
  set.truth.instances[1].ignore = true;
  CocoParams params = kBoxes;
  CHECK(evaluateCoco(set.truth, set.detections, params).averageRecall(0) == .5);
  params.useIgnore = true;
  CHECK(evaluateCoco(set.truth, set.detections, params).averageRecall(0) == 1);
}

TEST_CASE("a truth with id 0 is never found, as in pycocotools") {
  const std::array<double, 4> a{10, 10, 50, 50};
  auto set = handSet({a}, {{a, .9}});
  set.truth.instances[0].id = 0;
  CHECK(evaluateCoco(set.truth, set.detections, kBoxes).averagePrecision(0) == 0);
}

TEST_CASE("limits beyond three, fewer than three, or unknown areas") {
  const auto set = randomSet(3);
  CocoParams params = kBoxes;
  params.maxDetections = {2, 5};
  const CocoResult two = evaluateCoco(set.truth, set.detections, params);
  CHECK(two.stats[6] < two.stats[7]);
  CHECK(two.stats[7] == two.stats[8]);
  params.areaLabels = {"all", "tiny", "middle", "huge"};
  CHECK(evaluateCoco(set.truth, set.detections, params).stats[3] == -1);
  params.iouThresholds = {.3, .6};
  CHECK(evaluateCoco(set.truth, set.detections, params).stats[1] == -1);
}

TEST_CASE("matches explain the numbers") {
  const std::array<double, 4> a{10, 10, 50, 50}, b{100, 100, 200, 200};
  auto set = handSet({b, a}, {{{400, 400, 50, 50}, .3}, {a, .9}, {b, .8}});
  set.truth.instances[0].crowd = true;
  const auto all = matchCoco(set.truth, set.detections, kBoxes);
  REQUIRE(all.size() == 1);
  const ImageMatches& matches = all[0];
  CHECK(matches.truthIds == std::vector<int64_t>{2, 1});
  CHECK(matches.truthIgnored == std::vector<uint8_t>{0, 1});
  CHECK(matches.detectionIds == std::vector<int64_t>{2, 3, 1});
  CHECK(matches.scores == std::vector<double>{.9, .8, .3});
  CHECK(matches.overlaps == std::vector<double>{0, 1, 1, 0, 0, 0});
  for (size_t t = 0; t < 10; ++t) {
    CHECK(std::vector<int64_t>(&matches.matches[3 * t], &matches.matches[3 * t] + 3) ==
          std::vector<int64_t>{2, 1, 0});
    CHECK(matches.detectionIgnored[3 * t] == 0);
    CHECK(matches.detectionIgnored[3 * t + 1] == 1);
    CHECK(matches.detectionIgnored[3 * t + 2] == 0);
  }
  const auto small = matchCoco(set.truth, set.detections, kBoxes, 1);
  CHECK(small[0].truthIgnored == std::vector<uint8_t>{1, 1});
  CHECK(small[0].detectionIgnored == std::vector<uint8_t>(30, 1));
  eval_fixture::checkError([&] { matchCoco(set.truth, set.detections, kBoxes, 4); }, "HD_INTERNAL",
                           "area range 4");
}

TEST_CASE("parameters that make no sense are refused") {
  const auto set = randomSet(0);
  const auto with = [&](auto change) {
    return [&, change] {
      CocoParams params = kBoxes;
      change(params);
      evaluateCoco(set.truth, set.detections, params);
    };
  };
  using eval_fixture::checkError;
  checkError(with([](CocoParams& p) { p.maxDetections = {}; }), "HD_INTERNAL", "incomplete");
  checkError(with([](CocoParams& p) { p.areaLabels.pop_back(); }), "HD_INTERNAL", "incomplete");
  checkError(with([](CocoParams& p) { p.maxDetections = {10, 1}; }), "HD_INTERNAL", "must rise");
}
