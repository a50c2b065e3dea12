// COCO metrics against pycocotools: summary numbers, per-category values and sampled points of every parameter set.
#include "eval/coco.h"

#include "golden.h"

namespace {

using hd::Value;

hd::eval::IouType typeOf(const std::string& name) {
  return name == "bbox" ? hd::eval::IouType::bbox : name == "segm" ? hd::eval::IouType::segm : hd::eval::IouType::keypoints;
}

void apply(const Value& params, hd::eval::CocoParams& out) {
  if (!params.isObject()) return;
  for (const auto& [name, value] : params.asObject()) {
    if (name == "useCats") {
      out.useCategories = value.isBool() ? value.asBool() : value.asNumber() != 0;
    } else if (name == "imgIds" || name == "catIds") {
      auto& ids = name == "imgIds" ? out.images : out.categories;
      for (const Value& id : value.asArray()) ids.push_back(id.asInt());
    } else if (name == "maxDets") {
      out.maxDetections.clear();
      for (const Value& count : value.asArray()) out.maxDetections.push_back(static_cast<int>(count.asInt()));
    } else if (name == "iouThrs") {
      out.iouThresholds = params.numbers("iouThrs");
    } else if (name == "recThrs") {
      out.recallThresholds = params.numbers("recThrs");
    } else if (name == "areaRng") {
      out.areaRanges.clear();
      for (const Value& range : value.asArray()) out.areaRanges.push_back({range.asArray()[0].asNumber(), range.asArray()[1].asNumber()});
      if (const Value* labels = params.find("areaRngLbl")) {
        out.areaLabels.clear();
        for (const Value& label : labels->asArray()) out.areaLabels.push_back(label.asString());
      }
    }
  }
}

void readSet(const std::string& size, const Value& file, golden::Checker& check) {
  const golden::Tolerance tolerance = golden::toleranceOf(file.at("tolerance"));
  for (const Value& expected : file.at("cases").asArray()) {
    const std::string name = expected.at("iouType").asString();
    const auto type = typeOf(name);
    const std::string kind = name == "keypoints" ? "keypoints" : "instances";
    const auto truth = hd::eval::readCocoTruth(golden::pathOf("coco_eval/" + size + "_gt_" + kind + ".json"), type);
    const auto found = hd::eval::readCocoResults(golden::pathOf("coco_eval/" + size + "_dt_" + name + ".json"), truth, type);
    auto params = hd::eval::CocoParams::defaults(type);
    apply(expected.at("params"), params);
    const auto result = hd::eval::evaluateCoco(truth, found, params);
    const std::string where = size + " " + name + " " + hd::printJson(expected.at("params")).substr(0, 60);
    if (const Value* stats = expected.find("stats"); stats != nullptr && !stats->isNull()) {
      check.close(result.stats, expected.numbers("stats"), tolerance, where + " stats");
    }
    const std::vector<double> counts{double(result.T), double(result.R), double(result.K), double(result.A), double(result.M)};
    check.close(counts, expected.numbers("counts_TRKAM"), {0, 0}, where + " counts");
    const auto& categories = expected.at("per_category").asArray();
    for (size_t k = 0; k < categories.size() && params.useCategories; ++k) {
      check.equal(result.categories[k], categories[k].at("category_id").asInt(), where + " category");
      const Value* ap = categories[k].find("AP");
      if (ap != nullptr && ap->isNumber()) {
        check.close(result.averagePrecision(static_cast<int>(k)), ap->asNumber(), tolerance, where + " per category AP");
      }
    }
    double sum = 0, number = 0;
    for (const double value : result.precision) {
      if (value > -1) {
        sum += value;
        ++number;
      }
    }
    check.close(sum, expected.at("precision_sum_valid").asNumber(), {1e-11, tolerance.atol * 1e3}, where + " precision sum");
    check.close(number, expected.at("precision_num_valid").asNumber(), {0, 0}, where + " precision count");
    for (const Value& point : expected.at("precision_points").asArray()) {
      const auto at = point.numbers("trkam");
      const size_t index = static_cast<size_t>((((at[0] * result.R + at[1]) * result.K + at[2]) * result.A + at[3]) * result.M + at[4]);
      check.close(result.precision[index], point.at("precision").asNumber(), tolerance, where + " precision point");
      check.close(result.scores[index], point.at("score").asNumber(), tolerance, where + " score point");
    }
    for (const Value& point : expected.at("recall_points").asArray()) {
      const auto at = point.numbers("tkam");
      const size_t index = static_cast<size_t>(((at[0] * result.K + at[1]) * result.A + at[2]) * result.M + at[3]);
      check.close(result.recall[index], point.at("recall").asNumber(), tolerance, where + " recall point");
    }
  }
}

GOLDEN("coco_eval/small_expected", file, check) { readSet("small", file, check); }
GOLDEN("coco_eval/medium_expected", file, check) { readSet("medium", file, check); }

}  // namespace
