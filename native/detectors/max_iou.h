// Assignment by largest overlap, as RetinaNet does it (Lin et al. 2017, arXiv 1708.02002, §4; mmdet's
// MaxIoUAssigner). No torch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "detectors/assignment_state.h"

namespace hd::detectors {

struct MaxIouOptions {
  double positive = 0.5;        ///< an anchor of at least this IoU belongs to its best object
  double negative = 0.4;        ///< one below it is background; between the two it takes no part
  double ignoreThreshold = -1;  ///< > 0: anchors with overlap / own area above it in a crowd box take no part
};

struct MaxIouResult {
  std::vector<int32_t> object;  ///< per anchor: the object's index, `background` or `excluded`
  int64_t positives = 0;
};

/// Ties of an anchor go to the lowest object. Every object also takes the anchors that overlap it most,
/// whatever that overlap is, from others if need be (the last object wins, as published); an object that no
/// anchor overlaps takes none (mmdet gives it every anchor that overlaps nothing). `objects` and `crowd` are
/// 4 × n corner coordinates in canvas pixels. Throws HD_DATA_BOX for coordinates that are not finite.
MaxIouResult maxIou(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                    std::span<const float> objects, std::span<const float> crowd = {},
                    const MaxIouOptions& options = {});

}  // namespace hd::detectors
