// From the maps of a dense head with box-side distributions to detections of one image, on plain arrays: no
// torch, no tensor a candidate. Li et al. 2020 (arXiv 2006.04388): a box side is the expectation of its
// distribution over 0…n strides.
#pragma once

#include <cstdint>
#include <vector>

#include "core/batch.h"
#include "detectors/post_process.h"

namespace hd::detectors {

/// One level of one image; the maps are row-major over cells, then anchors, and contiguous over channels.
struct LevelMaps {
  int64_t stride = 0, height = 0, width = 0;
  const float* classLogits = nullptr;  ///< [height·width·anchors, classes]
  const float* sideLogits = nullptr;   ///< [height·width·anchors, 4·bins]: left, top, right, bottom
  const float* centerness = nullptr;   ///< [height·width·anchors] logits, or null
  int64_t anchors = 1;                 ///< of a cell
  double offset = 0;                   ///< of an anchor's centre from its cell's corner, in strides
};

/// Expected value of softmax(logits) over 0…bins−1, in strides.
float expectedDistance(const float* logits, int64_t bins);

/// Canvas box (x1, y1, x2, y2) to original pixels: undoes flip, offset and scale.
void toOriginal(const ImageTargets& image, float* box);

/// A picture as the network saw it.
struct View {
  std::vector<LevelMaps> levels;
  const ImageTargets* image = nullptr;
};

/// Of each view, per level the best anchors by their highest class score, times their centerness where there
/// is one (ties: lowest index); of these every class whose own score is above the threshold; boxes clamped to
/// the image's valid pixels; suppression within each class; the best detections by score (times centerness;
/// ties: lower class, then lower anchor), in original pixels. NaN class logits and boxes that are not finite
/// are no candidates.
Detections decodeDistributions(const std::vector<View>& views, int64_t classes, int64_t bins,
                               const PostProcess& options);

}  // namespace hd::detectors
