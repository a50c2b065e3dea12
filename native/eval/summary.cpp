#include "eval/summary.h"

#include <unordered_map>

#include "core/error.h"
#include "eval/parallel.h"

namespace hd::eval {
namespace {

std::unordered_map<int64_t, int32_t> labelsOf(const CocoSet& truth) {
  std::unordered_map<int64_t, int32_t> labels;
  for (size_t c = 0; c < truth.categories.size(); ++c)
    labels.emplace(truth.categories[c], static_cast<int32_t>(c));
  return labels;
}

std::vector<VocBox> vocBoxes(const std::vector<Instance>& instances,
                             const std::unordered_map<int64_t, int32_t>& labels) {
  std::vector<VocBox> out;
  out.reserve(instances.size());
  for (const Instance& instance : instances) {
    const auto [x, y, w, h] = instance.box;
    const auto label = labels.find(instance.category);
    if (label == labels.end()) continue;  // a category that the truth does not have
    out.push_back({instance.image,
                   label->second,
                   {x, y, x + w, y + h},
                   instance.score,
                   instance.ignore || instance.crowd});
  }
  return out;
}

struct ClassCounts {
  int64_t truths = 0, detections = 0;
};

std::vector<ClassCounts> countPerClass(const CocoSet& truth, const std::vector<Instance>& detections) {
  const auto labels = labelsOf(truth);
  std::vector<ClassCounts> counts(truth.categories.size());
  for (const Instance& instance : truth.instances) {
    const auto label = labels.find(instance.category);
    if (label != labels.end() && !instance.crowd && !instance.ignore)
      ++counts[static_cast<size_t>(label->second)].truths;
  }
  for (const Instance& instance : detections) {
    const auto label = labels.find(instance.category);
    if (label != labels.end()) ++counts[static_cast<size_t>(label->second)].detections;
  }
  return counts;
}

}  // namespace

Interpolation interpolationOf(const std::string& name) {
  if (name == "area") return Interpolation::area;
  if (name == "11point") return Interpolation::elevenPoint;
  throw Error("HD_USAGE", concat("expected 'area' or '11point' for interpolation but received '", name,
                                 "'; choose one of them"));
}

Value cocoNumbers(const CocoResult& result, IouType type) {
  static const std::vector<const char*> kBoxes{"ap",  "ap50", "ap75",  "apSmall", "apMedium", "apLarge",
                                               "ar1", "ar10", "ar100", "arSmall", "arMedium", "arLarge"};
  static const std::vector<const char*> kKeypoints{"ap", "ap50", "ap75", "apMedium", "apLarge",
                                                   "ar", "ar50", "ar75", "arMedium", "arLarge"};
  const auto& names = type == IouType::keypoints ? kKeypoints : kBoxes;
  Value out{Value::Object{}};
  for (size_t i = 0; i < names.size() && i < result.stats.size(); ++i) out.set(names[i], result.stats[i]);
  return out;
}

Value cocoPerClass(const CocoSet& truth, const std::vector<Instance>& detections, const CocoResult& result) {
  std::unordered_map<int64_t, int> places;
  for (size_t k = 0; k < result.categories.size(); ++k)
    places.emplace(result.categories[k], static_cast<int>(k));
  const auto counts = countPerClass(truth, detections);
  Value out{Value::Array{}};
  for (size_t c = 0; c < truth.categories.size(); ++c) {
    const auto place = places.find(truth.categories[c]);
    const auto ap = [&](double iou) {
      return place == places.end() ? -1.0 : result.averagePrecision(place->second, iou);
    };
    out.push(Value::Object{{"name", truth.names[c]},
                           {"id", truth.categories[c]},
                           {"ap", ap(-1)},
                           {"ap50", ap(0.5)},
                           {"ap75", ap(0.75)},
                           {"ar", place == places.end() ? -1.0 : result.averageRecall(place->second)},
                           {"truths", counts[c].truths},
                           {"detections", counts[c].detections}});
  }
  return out;
}

Value vocSummary(const CocoSet& truth, const std::vector<Instance>& detections, Interpolation interpolation,
                 int threads) {
  const auto labels = labelsOf(truth);
  const auto truths = vocBoxes(truth.instances, labels), found = vocBoxes(detections, labels);
  const auto thresholds = vocThresholds();
  const int classes = static_cast<int>(truth.categories.size());
  std::vector<std::vector<VocClass>> results(thresholds.size());
  parallelFor(thresholds.size(), threads, [&](size_t t) {
    results[t] = evaluateVoc(truths, found, classes, {thresholds[t], interpolation, std::nullopt});
  });
  Value perThreshold{Value::Array{}}, perClass{Value::Array{}};
  double sum = 0;
  for (const auto& result : results) {
    perThreshold.push(meanAp(result));
    sum += meanAp(result);
  }
  for (size_t c = 0; c < static_cast<size_t>(classes); ++c) {
    double total = 0;
    for (const auto& result : results) total += result[c].ap;
    const bool known = results[0][c].truths > 0;
    const auto at = [&](size_t t) { return known ? results[t][c].ap : -1.0; };
    perClass.push(Value::Object{{"name", truth.names[c]},
                                {"id", truth.categories[c]},
                                {"ap", known ? total / 10 : -1.0},
                                {"ap50", at(0)},
                                {"ap75", at(5)},
                                {"truths", results[0][c].truths},
                                {"detections", results[0][c].detections}});
  }
  Value out = Value::Object{{"ap", meanAp(results[0]) < 0 ? -1.0 : sum / 10}};
  for (size_t t = 0; t < results.size(); ++t) out.set(concat("ap", 50 + 5 * t), meanAp(results[t]));
  out.set("perThreshold", std::move(perThreshold));
  out.set("perClass", std::move(perClass));
  return out;
}

}  // namespace hd::eval
