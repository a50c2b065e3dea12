#include "eval/match.h"

#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::checkError;

namespace {

CocoSet truthsOf(std::vector<std::pair<double, bool>> areasAndCrowds) {
  CocoSet truth;
  for (const auto& [area, crowd] : areasAndCrowds) {
    Instance instance;
    instance.area = area;
    instance.crowd = crowd;
    truth.instances.push_back(instance);
  }
  return truth;
}

std::vector<uint32_t> upTo(size_t count) {
  std::vector<uint32_t> indices;
  for (uint32_t i = 0; i < count; ++i) indices.push_back(i);
  return indices;
}

const CocoParams kBoxes = CocoParams::defaults(IouType::bbox);

std::vector<int32_t> match(const std::vector<double>& overlaps, size_t detections, const TruthOrder& order,
                           std::vector<double> thresholds = {.5}) {
  std::vector<int32_t> matches;
  matchGreedily(overlaps, detections, order, thresholds, matches);
  return matches;
}

}  // namespace

TEST_CASE("truths to be ignored stand last, else in their order; both ends of an area range are inside") {
  const CocoSet truth =
      truthsOf({{5, false}, {10, true}, {10, false}, {20, false}, {21, false}, {15, false}});
  const TruthOrder order = orderTruths(truth, upTo(6), {10, 20}, kBoxes);
  CHECK(order.order == std::vector<uint32_t>{2, 3, 5, 0, 1, 4});
  CHECK(order.ignored == std::vector<uint8_t>{0, 0, 0, 1, 1, 1});
  CHECK(order.crowd == std::vector<uint8_t>{0, 0, 0, 0, 1, 0});
}

TEST_CASE("which truths are ignored") {
  Instance truth;
  CocoParams params = kBoxes;
  CHECK_FALSE(isIgnored(truth, params));
  truth.ignore = true;
  CHECK_FALSE(isIgnored(truth, params));
  params.useIgnore = true;
  CHECK(isIgnored(truth, params));
  truth.ignore = false;
  params.type = IouType::keypoints;
  CHECK(isIgnored(truth, params));  // no labelled keypoint
  truth.numKeypoints = 1;
  CHECK_FALSE(isIgnored(truth, params));
  truth.crowd = true;
  CHECK(isIgnored(truth, params));
}

TEST_CASE("each detection takes the best free truth; equal overlaps go to the later one") {
  const TruthOrder order = orderTruths(truthsOf({{9, false}, {9, false}}), upTo(2), {0, 1e10}, kBoxes);
  CHECK(match({.6, .8, .9, .7}, 2, order) == std::vector<int32_t>{1, 0});
  CHECK(match({.6, .8, .4, .9}, 2, order) == std::vector<int32_t>{1, -1});
  CHECK(match({.7, .7}, 1, order) == std::vector<int32_t>{1});
  CHECK(match({.5, .4}, 1, order) == std::vector<int32_t>{0});
  CHECK(match({.6, .8, .9, .7}, 2, order, {.5, .75, .85}) == std::vector<int32_t>{1, 0, 1, 0, -1, 0});
  CHECK(match({1, 0}, 1, order, {1}) == std::vector<int32_t>{0});  // a threshold of one is reachable
}

TEST_CASE("a truth that counts wins over an ignored one; a crowd serves many") {
  const TruthOrder order = orderTruths(truthsOf({{9, true}, {9, false}}), upTo(2), {0, 1e10}, kBoxes);
  REQUIRE(order.order == std::vector<uint32_t>{1, 0});
  CHECK(match({.9, .6}, 1, order) == std::vector<int32_t>{0});
  CHECK(match({.9, .6, .9, .6, .9, .1}, 3, order) == std::vector<int32_t>{0, 1, 1});
}

TEST_CASE("an ignored truth that is no crowd serves once") {
  const TruthOrder order = orderTruths(truthsOf({{99, false}}), upTo(1), {0, 10}, kBoxes);
  CHECK(order.ignored == std::vector<uint8_t>{1});
  CHECK(match({.9, .9}, 2, order) == std::vector<int32_t>{0, -1});
}

TEST_CASE("overlaps of boxes and masks") {
  eval_fixture::RandomSet set = eval_fixture::randomSet(4, {1, 1, 6, 9, IouType::segm});
  const auto truths = upTo(6), found = upTo(9);
  for (const IouType type : {IouType::bbox, IouType::segm}) {
    const auto overlaps =
        computeOverlaps(set.truth, truths, set.detections, found, CocoParams::defaults(type));
    REQUIRE(overlaps.size() == 54);
    for (size_t d = 0; d < 9; ++d) {
      for (size_t g = 0; g < 6; ++g) {
        const Instance &a = set.detections[d], &b = set.truth.instances[g];
        const double expected =
            type == IouType::bbox ? boxOverlap(a.box, b.box, b.crowd) : maskOverlap(a.mask, b.mask, b.crowd);
        CHECK(overlaps[d * 6 + g] == expected);
      }
    }
  }
}

TEST_CASE("object keypoint similarity by hand") {
  const double sigmas[] = {.05, .1};
  Instance truth, detection;
  truth.area = 400;
  truth.box = {10, 10, 20, 20};
  truth.keypoints = {12, 12, 2, 20, 20, 1};
  detection.keypoints = {12, 12, 1, 23, 24, 1};
  CHECK(keypointSimilarity(detection, truth, sigmas) ==
        doctest::Approx((1 + std::exp(-25 / .04 / 400 / 2)) / 2));
  truth.keypoints[5] = 0;  // an unlabelled point does not count
  CHECK(keypointSimilarity(detection, truth, sigmas) == 1);
  truth.keypoints[2] = 0;  // none labelled: distance to the box from (−10, −10) to (50, 50)
  CHECK(keypointSimilarity(detection, truth, sigmas) == 1);
  detection.keypoints = {53, 12, 1, 12, -14, 1};
  const double expected = (std::exp(-9 / .01 / 400 / 2) + std::exp(-16 / .04 / 400 / 2)) / 2;
  CHECK(keypointSimilarity(detection, truth, sigmas) == doctest::Approx(expected));
}

TEST_CASE("a wrong number of keypoints is refused, on either side") {
  eval_fixture::RandomSet set = eval_fixture::randomSet(1, {1, 1, 1, 1, IouType::keypoints});
  const CocoParams params = CocoParams::defaults(IouType::keypoints);
  const auto compute = [&] { computeOverlaps(set.truth, upTo(1), set.detections, upTo(1), params); };
  CHECK_NOTHROW(compute());
  set.detections[0].keypoints.resize(15);
  checkError(compute, "HD_DATA_KEYPOINTS", "expected 17 keypoints for detection 1 but received 5");
  set.truth.instances[0].keypoints.clear();
  checkError(compute, "HD_DATA_KEYPOINTS", "for annotation 5 but received 0");
}
