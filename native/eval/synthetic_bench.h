// A generated set of the size of COCO val2017, for timing the evaluator and for comparing it with
// pycocotools.
#pragma once

#include "core/value.h"

namespace hd::eval {

/// options: { images (5000), truths (36000), detections (500000), classes (80), repeats (3), threads (0),
/// seed (0), out: a folder that receives truth.json and detections.json }. Returns {images, truths,
/// detections, seconds (median), stats}.
Value benchEval(const Value& options);

}  // namespace hd::eval
