// COCO metrics against pycocotools: statistics, curves, per-image matches and overlaps, read through the JSON
// readers.
#include "eval/coco.h"

#include <algorithm>
#include <map>

#include "golden.h"

namespace {

using hd::Value;
using namespace hd::eval;

IouType typeOf(const std::string& name) {
  if (name == "bbox") return IouType::bbox;
  if (name == "segm") return IouType::segm;
  if (name == "keypoints") return IouType::keypoints;
  throw hd::Error("HD_INTERNAL", "unknown type " + name);
}

std::vector<int64_t> integersOf(const Value& list) {
  std::vector<int64_t> values;
  for (const Value& value : list.asArray()) values.push_back(value.asInt());
  return values;
}

CocoParams paramsOf(const Value& c, golden::Checker& check) {
  CocoParams params = CocoParams::defaults(typeOf(c.at("iouType").asString()));
  if (!c.at("params").isObject()) return params;
  for (const auto& [name, value] : c.at("params").asObject()) {
    if (name == "useCats") {
      params.useCategories = value.asInt() != 0;
    } else if (name == "imgIds") {
      params.images = integersOf(value);
    } else if (name == "catIds") {
      params.categories = integersOf(value);
    } else if (name == "maxDets") {
      params.maxDetections.clear();
      for (const int64_t limit : integersOf(value)) params.maxDetections.push_back(static_cast<int>(limit));
    } else if (name == "iouThrs") {
      params.iouThresholds = c.at("params").numbers(name);
    } else if (name == "recThrs") {
      params.recallThresholds = c.at("params").numbers(name);
    } else if (name == "areaRngLbl") {
      params.areaLabels = c.at("params").strings(name);
    } else if (name == "areaRng") {
      params.areaRanges.clear();
      for (const Value& range : value.asArray()) {
        params.areaRanges.push_back({range.asArray().at(0).asNumber(), range.asArray().at(1).asNumber()});
      }
    } else {
      check.fail("no check for the parameter " + name);
    }
  }
  return params;
}

/// Indices from a "trkam" or "tkam" list into the flat arrays.
size_t curveIndex(const CocoResult& r, const std::vector<int64_t>& at) {
  return static_cast<size_t>((((at[0] * r.R + at[1]) * r.K + at[2]) * r.A + at[3]) * r.M + at[4]);
}
size_t recallIndex(const CocoResult& r, const std::vector<int64_t>& at) {
  return static_cast<size_t>(((at[0] * r.K + at[1]) * r.A + at[2]) * r.M + at[3]);
}

void checkSums(const CocoResult& result, const Value& c, golden::Tolerance tolerance, golden::Checker& check,
               const std::string& what) {
  const auto sums = [](const std::vector<double>& values) {
    std::pair<double, int64_t> sum{0, 0};
    for (const double value : values) {
      if (value > -1) sum.first += value, ++sum.second;
    }
    return sum;
  };
  const auto [precision, precisions] = sums(result.precision);
  const auto [recall, recalls] = sums(result.recall);
  // The expected sums are printed with twelve digits and have up to ten thousands of terms.
  const golden::Tolerance summed{std::max(tolerance.rtol, 1e-11), tolerance.atol};
  check.close(precision, c.at("precision_sum_valid").asNumber(), summed, what + " precision sum");
  check.equal(precisions, c.at("precision_num_valid").asInt(), what + " precision count");
  check.close(recall, c.at("recall_sum_valid").asNumber(), summed, what + " recall sum");
  check.equal(recalls, c.at("recall_num_valid").asInt(), what + " recall count");
  check.close(sums(result.scores).first, c.at("scores_sum_valid").asNumber(), summed, what + " scores sum");
}

/// Mean of the defined entries of one category at one area range and the last detection limit.
double meanOf(const CocoResult& r, bool precision, int k, int a) {
  double sum = 0;
  int64_t count = 0;
  for (int t = 0; t < r.T; ++t) {
    for (int p = 0; p < (precision ? r.R : 1); ++p) {
      const double value = precision ? r.precision[curveIndex(r, {t, p, k, a, r.M - 1})]
                                     : r.recall[recallIndex(r, {t, k, a, r.M - 1})];
      if (value > -1) sum += value, ++count;
    }
  }
  return count == 0 ? -1 : sum / static_cast<double>(count);
}

void checkCategories(const CocoResult& result, const CocoParams& params, const Value& c,
                     golden::Tolerance tolerance, golden::Checker& check, const std::string& what) {
  const auto& rows = c.at("per_category").asArray();
  check.equal(result.categories.size(), rows.size(), what + " categories");
  for (size_t i = 0; i < rows.size(); ++i) {
    const int k = static_cast<int>(i);
    const std::string where = hd::concat(what, " category ", i, " ");
    for (const auto& [name, expected] : rows[i].asObject()) {
      if (name == "category_id") {
        check.equal(result.categories[i], expected.asInt(), where + name);
      } else if (name == "AP") {
        check.close(result.averagePrecision(k), expected.asNumber(), tolerance, where + name);
      } else if (name == "AP50") {
        check.close(result.averagePrecision(k, .5), expected.asNumber(), tolerance, where + name);
      } else if (name == "AR") {
        check.close(result.averageRecall(k), expected.asNumber(), tolerance, where + name);
      } else {
        const std::string area = name.substr(3);
        const auto label = std::find(params.areaLabels.begin(), params.areaLabels.end(), area);
        if (!check.truth(label != params.areaLabels.end(), where + name + " has no area range")) continue;
        const int a = static_cast<int>(label - params.areaLabels.begin());
        check.close(meanOf(result, name.starts_with("AP"), k, a), expected.asNumber(), tolerance,
                    where + name);
      }
    }
  }
}

const ImageMatches* find(const std::vector<ImageMatches>& all, const Value& key) {
  for (const ImageMatches& matches : all) {
    if (matches.image == key.at("image_id").asInt() && matches.category == key.at("category_id").asInt())
      return &matches;
  }
  return nullptr;
}

void checkMatches(const std::vector<ImageMatches>& all, const CocoParams& params, const Value& expected,
                  golden::Tolerance tolerance, golden::Checker& check, const std::string& what) {
  const ImageMatches* found = find(all, expected);
  if (!check.truth(found != nullptr, what + " missing")) return;
  const auto rowOf = [&](const auto& values, double threshold) {
    for (size_t t = 0; t < params.iouThresholds.size(); ++t) {
      if (std::abs(params.iouThresholds[t] - threshold) > 1e-9) continue;
      const auto begin = values.begin() + static_cast<long>(t * found->scores.size());
      return std::vector<int64_t>(begin, begin + static_cast<long>(found->scores.size()));
    }
    return std::vector<int64_t>{-1};
  };
  const auto same = [&](const std::vector<int64_t>& actual, const char* name) {
    check.truth(actual == integersOf(expected.at(name)), what + " " + name);
  };
  same(found->truthIds, "gtIds");
  same(found->detectionIds, "dtIds");
  same({found->truthIgnored.begin(), found->truthIgnored.end()}, "gtIgnore");
  same(rowOf(found->matches, .5), "dtMatches_iou50");
  same(rowOf(found->matches, .75), "dtMatches_iou75");
  same(rowOf(found->detectionIgnored, .5), "dtIgnore_iou50");
  check.close(found->scores, expected.numbers("dtScores"), tolerance, what + " dtScores");
}

/// Cases of one prefix share their files; each is read once per type.
class Files {
 public:
  explicit Files(std::string prefix) : prefix_(std::move(prefix)) {}

  const std::pair<CocoSet, std::vector<Instance>>& of(const std::string& type) {
    const auto known = sets_.find(type);
    if (known != sets_.end()) return known->second;
    const std::string kind = type == "keypoints" ? "keypoints" : "instances";
    CocoSet truth = readCocoTruth(golden::pathOf(prefix_ + "_gt_" + kind + ".json"), typeOf(type));
    auto detections = readCocoResults(golden::pathOf(prefix_ + "_dt_" + type + ".json"), truth, typeOf(type));
    return sets_.emplace(type, std::pair{std::move(truth), std::move(detections)}).first->second;
  }

 private:
  std::string prefix_;
  std::map<std::string, std::pair<CocoSet, std::vector<Instance>>> sets_;
};

void checkFile(const Value& file, golden::Checker& check) {
  const golden::Tolerance tolerance = golden::toleranceOf(file.at("tolerance"));
  std::string prefix = file.at("fixture").asString();
  prefix.resize(prefix.rfind('_'));  // coco_eval/small_expected → coco_eval/small
  Files files(prefix);
  size_t number = 0;
  for (const Value& c : file.at("cases").asArray()) {
    const std::string type = c.at("iouType").asString();
    const std::string what = hd::concat("case ", number++, " ", type);
    const CocoParams params = paramsOf(c, check);
    const auto& [truth, detections] = files.of(type);
    const CocoResult result = evaluateCoco(truth, detections, params);
    check.truth(std::vector<int64_t>{result.T, result.R, result.K, result.A, result.M} ==
                    integersOf(c.at("counts_TRKAM")),
                what + " counts");
    if (c.find("stats")) check.close(result.stats, c.numbers("stats"), tolerance, what + " stats");
    checkSums(result, c, tolerance, check, what);
    checkCategories(result, params, c, tolerance, check, what);
    for (const Value& point : c.at("precision_points").asArray()) {
      const size_t at = curveIndex(result, integersOf(point.at("trkam")));
      check.close(result.precision.at(at), point.at("precision").asNumber(), tolerance,
                  what + " precision point");
      check.close(result.scores.at(at), point.at("score").asNumber(), tolerance, what + " score point");
    }
    for (const Value& point : c.at("recall_points").asArray()) {
      const size_t at = recallIndex(result, integersOf(point.at("tkam")));
      check.close(result.recall.at(at), point.at("recall").asNumber(), tolerance, what + " recall point");
    }
    if (!c.find("area_all_matches") && !c.find("overlap_matrices")) continue;
    const std::vector<ImageMatches> matches = matchCoco(truth, detections, params);
    if (c.find("area_all_matches")) {
      for (const Value& expected : c.at("area_all_matches").asArray()) {
        checkMatches(matches, params, expected, tolerance, check, what + " matches");
      }
    }
    if (c.find("overlap_matrices")) {
      for (const Value& expected : c.at("overlap_matrices").asArray()) {
        const ImageMatches* found = find(matches, expected);
        if (!check.truth(found != nullptr, what + " overlaps missing")) continue;
        check.close(found->overlaps, golden::dataOf(expected.at("dt_by_gt")), tolerance, what + " overlaps");
      }
    }
  }
}

}  // namespace

GOLDEN("coco_eval/small_expected", file, check) {
  checkFile(file, check);
}
GOLDEN("coco_eval/medium_expected", file, check) {
  checkFile(file, check);
}
