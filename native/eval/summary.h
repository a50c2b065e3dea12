// Metrics of one evaluation as plain values: what metrics.jsonl, `eval` and `score` show.
#pragma once

#include <vector>

#include "core/value.h"
#include "eval/coco.h"
#include "eval/voc.h"

namespace hd::eval {

/// The named numbers of COCO's summary: ap, ap50, ap75, apSmall, … ar1, … (keypoints: apMedium, apLarge, ar,
/// ar50, …).
Value cocoNumbers(const CocoResult& result, IouType type);

/// [{name, id, ap, ap50, ap75, ar, truths, detections}] in the order of the truth's categories.
Value cocoPerClass(const CocoSet& truth, const std::vector<Instance>& detections, const CocoResult& result);

/// {ap (mean of ten thresholds), ap50, ap55 … ap95, perThreshold, perClass}. Truths flagged crowd or ignore
/// count as difficult.
Value vocSummary(const CocoSet& truth, const std::vector<Instance>& detections, Interpolation interpolation,
                 int threads);

/// "area" or "11point".
Interpolation interpolationOf(const std::string& name);

}  // namespace hd::eval
