// What an assigner says of every anchor: the index of its object, or one of two constants.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "detectors/anchors.h"

namespace hd::detectors {

constexpr int32_t background = -1;
constexpr int32_t excluded = -2;  ///< takes no part: outside the image's valid cells, or ignored

/// Background in the valid cells, excluded elsewhere; with ignoreThreshold > 0 also where a crowd box covers
/// more than this share of an anchor.
std::vector<int32_t> startingState(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                                   std::span<const float> crowd, double ignoreThreshold);

}  // namespace hd::detectors
