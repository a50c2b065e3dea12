// Precision, recall and F1 over the score below which detections are dropped.
#pragma once

#include <vector>

#include "eval/accumulate.h"

namespace hd::eval {

/// Thresholds are 0, 0.01 … 1.
constexpr size_t kScoreSteps = 100;

/// What is left of a class at one threshold; −1 where undefined.
struct ScorePoint {
  double score = -1, precision = -1, recall = -1, f1 = -1;
};

/// By threshold: what the detections come to whose score reaches it. −1 everywhere without truths; precision
/// −1 where no detection counts.
struct ScoreCurve {
  std::vector<double> precision, recall, f1;

  /// Where F1 is highest; of equals the highest threshold, which keeps the fewest detections. Score and
  /// precision −1 when nothing is found at any.
  ScorePoint best() const;
};

/// Of the first area range and threshold. Detections match by falling score, so that the matches above a
/// threshold are the same whatever lies below it: nothing is matched again.
ScoreCurve scoreCurve(const CategoryDetections& category);

/// Mean of the classes with truths; precision: of those with detections there.
ScoreCurve meanCurve(const std::vector<ScoreCurve>& curves);

}  // namespace hd::eval
