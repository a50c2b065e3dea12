// Matching inside one cell: overlaps between its detections and truths, and who takes whom at each threshold.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/coco.h"

namespace hd::eval {

/// D×G overlaps (IoU, or object keypoint similarity), row-major by detection.
/// Throws HD_DATA_KEYPOINTS when a truth or detection has not as many keypoints as `params` has sigmas.
std::vector<double> computeOverlaps(const CocoSet& truth, std::span<const uint32_t> truths,
                                    const std::vector<Instance>& detections, std::span<const uint32_t> found,
                                    const CocoParams& params);

/// Object keypoint similarity of COCO: mean over the labelled keypoints of exp(−d² / (2 · area · (2σ)²)).
/// Without a labelled one, d is the distance to the truth's box enlarged to three times its size.
double keypointSimilarity(const Instance& detection, const Instance& truth, std::span<const double> sigmas);

/// Truths of a cell as one area range sees them.
struct TruthOrder {
  std::vector<uint32_t> order;   ///< G: places in the cell, those to be ignored last, else as they were
  std::vector<uint8_t> ignored;  ///< G, in that order
  std::vector<uint8_t> crowd;    ///< G, in that order
};

/// Whether a truth counts neither as found nor as missed, whatever its size.
bool isIgnored(const Instance& truth, const CocoParams& params);
TruthOrder orderTruths(const CocoSet& truth, std::span<const uint32_t> truths,
                       const std::array<double, 2>& areaRange, const CocoParams& params);

/// Greedy matching by falling score. `matches`, T×D, receives the place in `order` of the matched truth, or
/// −1. A detection prefers truths that count; a crowd can be taken many times; ties go to the later truth.
void matchGreedily(std::span<const double> overlaps, size_t detections, const TruthOrder& truths,
                   std::span<const double> thresholds, std::vector<int32_t>& matches);

}  // namespace hd::eval
