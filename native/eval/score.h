// `hdtrain score`: numbers of a result file against its truth.
#pragma once

#include "core/value.h"

namespace hd::eval {

/// options: { gt, dt: paths of COCO files, type: bbox|segm|keypoints, format: coco|voc, interpolation:
/// area|11point, threads }. Returns {type, stats: [as pycocotools orders them; voc: AP, AP50, AP75],
/// perClass, …}. Throws HD_DATA_… naming file and element.
Value score(const Value& options);

}  // namespace hd::eval
