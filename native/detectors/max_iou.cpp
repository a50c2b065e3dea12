#include "detectors/max_iou.h"

#include <algorithm>

#include "core/error.h"
#include "detectors/box_overlap.h"

namespace hd::detectors {

MaxIouResult maxIou(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                    std::span<const float> objects, std::span<const float> crowd,
                    const MaxIouOptions& options) {
  require(valid.size() == grid.levels().size(), "expected one valid part a level");
  requireFinite(objects, "object");
  requireFinite(crowd, "crowd");
  MaxIouResult result;
  result.object = startingState(grid, valid, crowd, options.ignoreThreshold);
  auto& state = result.object;
  const std::vector<int32_t> ignored = state;
  const int64_t count = std::ssize(objects) / 4;

  std::vector<float> best(state.size(), 0.0f);
  std::vector<int32_t> owner(state.size(), background);
  std::vector<float> bestOfObject(static_cast<size_t>(count), 0.0f);
  for (int64_t g = 0; g < count; ++g) {
    const Box object = boxAt(objects, g);
    grid.forOverlapping(valid, object, [&](int64_t anchor, const Box& box) {
      if (state[anchor] == excluded) return;
      const float overlap = overlapOverUnion(box, object);
      bestOfObject[g] = std::max(bestOfObject[g], overlap);
      if (overlap <= best[anchor]) return;
      best[anchor] = overlap;
      owner[anchor] = static_cast<int32_t>(g);
    });
  }
  // In single precision, as the originals compare.
  const auto positive = static_cast<float>(options.positive), negative = static_cast<float>(options.negative);
  for (size_t anchor = 0; anchor < state.size(); ++anchor) {
    if (state[anchor] == excluded || best[anchor] < negative) continue;
    state[anchor] = best[anchor] >= positive ? owner[anchor] : excluded;
  }
  for (int64_t g = 0; g < count; ++g) {
    if (bestOfObject[g] <= 0) continue;
    const Box object = boxAt(objects, g);
    grid.forOverlapping(valid, object, [&](int64_t anchor, const Box& box) {
      if (ignored[anchor] != excluded && overlapOverUnion(box, object) == bestOfObject[g])
        state[anchor] = static_cast<int32_t>(g);
    });
  }
  result.positives = std::count_if(state.begin(), state.end(), [](int32_t object) { return object >= 0; });
  return result;
}

}  // namespace hd::detectors
