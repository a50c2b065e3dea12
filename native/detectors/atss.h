// Adaptive training sample selection (Zhang et al. 2020, arXiv 1912.02424) on a regular anchor grid, and the
// valuable localization region that distillation derives from it (Zheng et al. 2022, arXiv 2102.12252, §3.4).
// No torch.
//
// The grid is what makes this cheap: the nearest anchors of an object and the anchors that overlap it are
// found by arithmetic on rows and columns, never by a distance or overlap matrix over all anchors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "detectors/assignment_state.h"

namespace hd::detectors {

struct AtssOptions {
  int64_t candidates = 9;       ///< nearest anchors a level and object (topk)
  double ignoreThreshold = -1;  ///< > 0: anchors with overlap / own area above it in a crowd box take no part
};

struct AtssResult {
  /// Per anchor: the object's index, `background` or `excluded`.
  std::vector<int32_t> object;
  std::vector<float> overlap;      ///< per anchor: IoU with its object; 0 elsewhere
  std::vector<double> thresholds;  ///< per object: t = mean + unbiased deviation of its candidates' IoUs
  int64_t positives = 0;
};

/// Assigns anchors to objects. `valid` has one entry a level; an invalid cell is no candidate. `objects` and
/// `crowd` are 4 × n corner coordinates in canvas pixels.
///
/// An anchor is positive when it is among the `candidates` nearest of its level by centre distance (ties:
/// lowest index), its IoU reaches t, and its centre lies inside the object by more than 0.01 pixels. Claimed
/// by several objects it goes to the highest IoU (ties: lowest object). With a single candidate the deviation
/// counts as 0. An ignored anchor is neither a candidate nor positive. Throws HD_DATA_BOX for coordinates
/// that are not finite.
AtssResult atss(const AnchorGrid& grid, const std::vector<ValidCells>& valid, std::span<const float> objects,
                std::span<const float> crowd = {}, const AtssOptions& options = {});

/// Which overlap selects the region.
enum class RegionRule {
  released,  ///< overlap / area(anchor) − ρ²/c²: what the published code computes under the name "diou"
  distance,  ///< DIoU = IoU − ρ²/c²: what the paper says
};

/// Per anchor: the largest IoU over the objects for which γ·t ≤ q < t, else 0 (γ = 0.25 published).
/// `thresholds` is one t an object, as `atss` gives it on the same grid. Invalid cells stay 0; assigned and
/// ignored anchors may belong to the region.
std::vector<float> valuableRegion(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                                  std::span<const float> objects, std::span<const double> thresholds,
                                  RegionRule rule, double gamma = 0.25);

/// Per anchor: 1 when its IoU with some object is above `share` of the best IoU that this object has with any
/// valid anchor, else 0 (fine-grained feature imitation, Wang et al. 2019, arXiv 1906.03609, §3.1; share
/// 0.5).
std::vector<uint8_t> nearBestRegion(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                                    std::span<const float> objects, double share = 0.5);

}  // namespace hd::detectors
