#include "eval/score_curve.h"

namespace hd::eval {
namespace {

double thresholdOf(size_t step) {
  return static_cast<double>(step) / static_cast<double>(kScoreSteps);
}

ScoreCurve undefinedCurve() {
  const std::vector<double> nothing(kScoreSteps + 1, -1);
  return {nothing, nothing, nothing};
}

}  // namespace

ScorePoint ScoreCurve::best() const {
  ScorePoint best;
  if (recall[0] < 0) return best;
  best.recall = best.f1 = 0;
  for (size_t step = 0; step < f1.size(); ++step) {
    if (f1[step] > 0 && f1[step] >= best.f1)
      best = {thresholdOf(step), precision[step], recall[step], f1[step]};
  }
  return best;
}

ScoreCurve scoreCurve(const CategoryDetections& category) {
  ScoreCurve curve = undefinedCurve();
  const auto truths = static_cast<double>(category.truths[0]);
  if (truths == 0) return curve;
  size_t next = 0;
  double right = 0, wrong = 0;
  for (size_t step = kScoreSteps + 1; step-- > 0;) {
    for (; next < category.scores.size() && category.scores[next] >= thresholdOf(step); ++next) {
      right += category.outcomes[next] == Outcome::found;
      wrong += category.outcomes[next] == Outcome::unmatched;
    }
    if (right + wrong > 0) curve.precision[step] = right / (right + wrong);
    curve.recall[step] = right / truths;
    // The harmonic mean of both, defined without detections too.
    curve.f1[step] = 2 * right / (right + wrong + truths);
  }
  return curve;
}

ScoreCurve meanCurve(const std::vector<ScoreCurve>& curves) {
  ScoreCurve mean = undefinedCurve();
  for (const auto values : {&ScoreCurve::precision, &ScoreCurve::recall, &ScoreCurve::f1}) {
    for (size_t step = 0; step <= kScoreSteps; ++step) {
      double sum = 0, counted = 0;
      for (const ScoreCurve& curve : curves) {
        if ((curve.*values)[step] < 0) continue;
        sum += (curve.*values)[step];
        ++counted;
      }
      if (counted > 0) (mean.*values)[step] = sum / counted;
    }
  }
  return mean;
}

}  // namespace hd::eval
