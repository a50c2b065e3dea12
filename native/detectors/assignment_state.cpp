#include "detectors/assignment_state.h"

#include <algorithm>

#include "detectors/box_overlap.h"

namespace hd::detectors {

std::vector<int32_t> startingState(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                                   std::span<const float> crowd, double ignoreThreshold) {
  std::vector<int32_t> state(static_cast<size_t>(grid.anchors()), excluded);
  for (size_t l = 0; l < grid.levels().size(); ++l) {
    const GridLevel& level = grid.levels()[l];
    for (int64_t row = 0; row < valid[l].height; ++row) {
      const auto begin = state.begin() + level.first + row * level.width * level.perCell;
      std::fill(begin, begin + valid[l].width * level.perCell, background);
    }
  }
  if (ignoreThreshold <= 0) return state;
  for (int64_t c = 0; c < std::ssize(crowd) / 4; ++c) {
    const Box region = boxAt(crowd, c);
    grid.forOverlapping(valid, region, [&](int64_t anchor, const Box& box) {
      if (intersection(box, region) / std::max(area(box), overlapEpsilon) > ignoreThreshold)
        state[anchor] = excluded;
    });
  }
  return state;
}

}  // namespace hd::detectors
