#include "eval/diagnosis.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "eval/confusion.h"
#include "eval/error_kinds.h"
#include "eval/score_curve.h"

namespace hd::eval {
namespace {

Value listOf(const std::vector<double>& values) {
  return Value(Value::Array(values.begin(), values.end()));
}

/// Of many classes it is most of the file, and is looked at more than calculated with.
Value rounded(const std::vector<double>& values) {
  Value list{Value::Array{}};
  for (const double value : values) list.push(std::round(value * 1e4) / 1e4);
  return list;
}

void addScoreCurve(const ScoreCurve& curve, Value& out) {
  const ScorePoint best = curve.best();
  out.set("byScore", Value::Object{{"precision", rounded(curve.precision)},
                                   {"recall", rounded(curve.recall)},
                                   {"f1", rounded(curve.f1)}});
  out.set(
      "best",
      Value::Object{
          {"score", best.score}, {"precision", best.precision}, {"recall", best.recall}, {"f1", best.f1}});
}

void addCurves(const CocoSet& truth, const std::vector<Instance>& detections, const DiagnosisOptions& options,
               Value& out) {
  CocoParams params = CocoParams::defaults(IouType::bbox);
  params.iouThresholds = {options.iou};
  params.maxDetections = {params.maxDetections.back()};
  params.areaRanges = {params.areaRanges[0]};
  params.areaLabels = {params.areaLabels[0]};
  params.useIgnore = true;
  params.threads = options.threads;
  const auto [result, categories] = evaluateAndCount(truth, detections, params);
  const auto classes = static_cast<size_t>(result.K), points = static_cast<size_t>(result.R);
  std::unordered_map<int64_t, size_t> places;
  for (size_t k = 0; k < classes; ++k) places.emplace(result.categories[k], k);

  Value curves{Value::Array{}};
  std::vector<double> meanPrecision(points, 0), meanScore(points, 0), reaching(points, 0);
  std::vector<ScoreCurve> byScore;
  double counted = 0;
  for (size_t c = 0; c < truth.categories.size(); ++c) {
    const size_t k = places.at(truth.categories[c]);
    std::vector<double> precision(points), scores(points);
    for (size_t r = 0; r < points; ++r) {
      precision[r] = result.precision[r * classes + k];
      scores[r] = result.scores[r * classes + k];
      if (precision[r] <= 0) continue;
      meanPrecision[r] += precision[r];
      meanScore[r] += scores[r];
      ++reaching[r];
    }
    counted += precision[0] >= 0;
    byScore.push_back(scoreCurve(categories[k]));
    Value curve =
        Value::Object{{"name", truth.names[c]}, {"precision", listOf(precision)}, {"scores", listOf(scores)}};
    addScoreCurve(byScore.back(), curve);
    curves.push(std::move(curve));
  }
  for (size_t r = 0; r < points; ++r) {
    meanPrecision[r] = counted > 0 ? meanPrecision[r] / counted : -1;
    meanScore[r] = counted > 0 ? meanScore[r] / std::max(reaching[r], 1.) : -1;
  }
  out.set("curves", std::move(curves));
  Value mean = Value::Object{{"precision", listOf(meanPrecision)}, {"scores", listOf(meanScore)}};
  addScoreCurve(meanCurve(byScore), mean);
  out.set("mean", std::move(mean));
}

Value matrixOf(const Confusion& confusion) {
  Value rows{Value::Array{}};
  for (size_t truth = 0; truth <= confusion.classes; ++truth) {
    Value row{Value::Array{}};
    for (size_t detection = 0; detection <= confusion.classes; ++detection)
      row.push(confusion.at(truth, detection));
    rows.push(std::move(row));
  }
  return rows;
}

}  // namespace

Value diagnose(const CocoSet& truth, const std::vector<Instance>& detections,
               const DiagnosisOptions& options) {
  ErrorOptions errorOptions;
  errorOptions.match = options.iou;
  errorOptions.threads = options.threads;
  const ErrorCosts costs = errorCosts(truth, detections, errorOptions);
  const Confusion confusion = confusionOf(truth, detections, {options.score, options.iou, options.threads});
  Value errors, prices;
  for (size_t kind = 0; kind < kErrorKinds; ++kind) {
    const char* name = nameOf(static_cast<ErrorKind>(kind));
    errors.set(name, costs.count[kind]);
    prices.set(name, costs.cost[kind]);
  }
  Value sizes{Value::Array{}};
  const char* const names[] = {"small", "medium", "large"};
  for (size_t i = 0; i < confusion.sizes.size(); ++i) {
    const auto& [truths, found] = confusion.sizes[i];
    sizes.push(Value::Object{{"name", names[i]}, {"truths", truths}, {"found", found}});
  }
  Value out = Value::Object{{"iou", options.iou}, {"score", options.score}, {"ap", costs.ap}};
  addCurves(truth, detections, options, out);
  out.set("confusion", matrixOf(confusion));
  out.set("errors", std::move(errors));
  out.set("costs", std::move(prices));
  return out.set("sizes", std::move(sizes));
}

}  // namespace hd::eval
