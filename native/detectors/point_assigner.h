// Assignment of points to objects by size and nearness to the centre, as FCOS does it (Tian et al. 2019,
// arXiv 1904.01355, §3.2; centre sampling: its journal version). No torch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "detectors/assignment_state.h"

namespace hd::detectors {

struct PointOptions {
  /// Points must also lie within this many strides of the object's centre; 0: anywhere inside the object.
  double radius = 1.5;
  /// Largest distance to a side, in pixels, that each level but the last takes.
  std::vector<double> ranges{64, 128, 256, 512};
  double ignoreThreshold = -1;  ///< > 0: points in a crowd box take no part
};

struct PointResult {
  std::vector<int32_t> object;  ///< per point: the object's index, `background` or `excluded`
  std::vector<uint8_t> inside;  ///< per point: 1 when it lies strictly inside some object
  int64_t positives = 0;
};

/// A point belongs to the smallest object (by area; ties: lowest index) that it lies strictly inside of, near
/// the centre of, and whose largest side distance fits its level. `grid` holds one anchor a cell, of which
/// only the centre counts. Throws HD_DATA_BOX for coordinates that are not finite.
PointResult assignPoints(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                         std::span<const float> objects, std::span<const float> crowd = {},
                         const PointOptions& options = {});

}  // namespace hd::detectors
