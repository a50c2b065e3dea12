// Why the numbers are what they are, as plain values: what `diagnosis.json` and `eval` show.
#pragma once

#include "core/value.h"
#include "eval/coco.h"

namespace hd::eval {

struct DiagnosisOptions {
  double iou = 0.5;    ///< least overlap of a detection that is right
  double score = 0.3;  ///< least score in the confusion matrix and the table of sizes
  int threads = 0;     ///< 0: all
};

/// {iou, score,
///  ap: COCO's at `iou`, −1 without truths,
///  curves: [{name, precision: [101], scores: [101], byScore, best}] for each class its highest precision at
///  a
///   recall of at least 0, 0.01 … 1, and the score where that recall is reached (0 and 0 out of reach); −1
///   for classes without truths, byScore: {precision: [101], recall: [101], f1: [101]} of the detections with
///   a score of at least 0, 0.01 … 1, rounded to 0.0001; best: {score, precision, recall, f1} where F1 is
///   highest; see score_curve.h,
///  mean: {precision, scores, byScore, best} of the classes that have truths; the scores of those that reach
///  the
///   recall; `best` is of the mean F1: one threshold for all classes,
///  confusion: [[(C+1)×(C+1)]] see confusion.h,
///  errors, costs: {classification, localization, both, duplicate, background, missed} how many there are,
///  and
///   what they cost in AP at `iou`; see error_kinds.h,
///  sizes: [{name: small|medium|large, truths, found}]}.
/// Truths flagged crowd or ignore count neither as found nor as missed, nor what matches them as wrong.
Value diagnose(const CocoSet& truth, const std::vector<Instance>& detections,
               const DiagnosisOptions& options = {});

}  // namespace hd::eval
