// From the maps of a dense distribution head (GFL) to detections of one image, on plain arrays: no torch, no
// tensor a candidate. Li et al. 2020 (arXiv 2006.04388): a box side is the expectation of its distribution
// over 0…n strides.
#pragma once

#include <cstdint>
#include <vector>

#include "core/batch.h"
#include "detectors/post_process.h"

namespace hd::detectors {

/// One level of one image; both maps are row-major over cells and contiguous over channels.
struct LevelMaps {
  int64_t stride = 0, height = 0, width = 0;
  const float* classLogits = nullptr;  ///< [height·width, classes]
  const float* sideLogits = nullptr;   ///< [height·width, 4·bins]: left, top, right, bottom
};

/// Expected value of softmax(logits) over 0…bins−1, in strides.
float expectedDistance(const float* logits, int64_t bins);

/// Canvas box (x1, y1, x2, y2) to original pixels: undoes flip, offset and scale.
void toOriginal(const ImageTargets& image, float* box);

/// Per level the best locations by their highest class score (ties: lowest index); of these every class above
/// the threshold; boxes clamped to the image's valid pixels; greedy suppression within each class; the best
/// detections by score (ties: lower class, then lower location), in original pixels. NaN class logits and
/// boxes that are not finite are no candidates.
Detections decodeDistributions(const std::vector<LevelMaps>& levels, int64_t classes, int64_t bins,
                               const ImageTargets& image, const PostProcess& options);

}  // namespace hd::detectors
