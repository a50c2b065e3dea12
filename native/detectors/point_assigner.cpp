#include "detectors/point_assigner.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "detectors/box_overlap.h"

namespace hd::detectors {
namespace {

/// Calls visit(point, x, y) for the valid points of a level that lie strictly inside `box`.
template <class Visit>
void forInside(const AnchorGrid& grid, const GridLevel& level, const ValidCells& valid, const Box& box,
               Visit visit) {
  const auto first = [&](float low, int64_t lines) {
    const double line = std::floor(low / static_cast<double>(level.stride) - grid.layout().offset);
    return static_cast<int64_t>(std::clamp(line, 0.0, static_cast<double>(lines)));
  };
  for (int64_t row = first(box.y1, valid.height); row < valid.height; ++row) {
    const auto y = static_cast<float>(grid.centre(level, row));
    if (y >= box.y2) break;
    if (y <= box.y1) continue;
    for (int64_t column = first(box.x1, valid.width); column < valid.width; ++column) {
      const auto x = static_cast<float>(grid.centre(level, column));
      if (x >= box.x2) break;
      if (x > box.x1) visit(level.first + row * level.width + column, x, y);
    }
  }
}

/// The part of an object around its centre.
Box core(const Box& object, double halfSide) {
  const float x = (object.x1 + object.x2) / 2, y = (object.y1 + object.y2) / 2;
  const auto half = static_cast<float>(halfSide);
  return {std::max(x - half, object.x1), std::max(y - half, object.y1), std::min(x + half, object.x2),
          std::min(y + half, object.y2)};
}

}  // namespace

PointResult assignPoints(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                         std::span<const float> objects, std::span<const float> crowd,
                         const PointOptions& options) {
  require(valid.size() == grid.levels().size(), "expected one valid part a level");
  require(options.ranges.size() + 1 >= grid.levels().size(), "expected a range for each level but the last");
  require(grid.layout().shapes.size() == 1, "expected one point a cell");
  requireFinite(objects, "object");
  requireFinite(crowd, "crowd");
  PointResult result;
  result.object = startingState(grid, valid, {}, -1);
  result.inside.assign(result.object.size(), 0);
  const size_t levels = grid.levels().size();
  if (options.ignoreThreshold > 0) {
    for (int64_t c = 0; c < std::ssize(crowd) / 4; ++c) {
      for (size_t l = 0; l < levels; ++l)
        forInside(grid, grid.levels()[l], valid[l], boxAt(crowd, c),
                  [&](int64_t point, float, float) { result.object[point] = excluded; });
    }
  }
  std::vector<float> smallest(result.object.size(), std::numeric_limits<float>::infinity());
  for (int64_t g = 0; g < std::ssize(objects) / 4; ++g) {
    const Box object = boxAt(objects, g);
    for (size_t l = 0; l < levels; ++l) {
      const GridLevel& level = grid.levels()[l];
      const Box near =
          options.radius > 0 ? core(object, options.radius * static_cast<double>(level.stride)) : object;
      const double least = l == 0 ? -1 : options.ranges[l - 1];
      const double most = l + 1 < levels ? options.ranges[l] : std::numeric_limits<double>::infinity();
      forInside(grid, level, valid[l], object, [&](int64_t point, float x, float y) {
        if (result.object[point] == excluded) return;
        result.inside[point] = 1;
        const bool isNear = x > near.x1 && x < near.x2 && y > near.y1 && y < near.y2;
        const float distance =
            std::max(std::max(x - object.x1, object.x2 - x), std::max(y - object.y1, object.y2 - y));
        if (!isNear || distance < least || distance > most || area(object) >= smallest[point]) return;
        smallest[point] = area(object);
        result.object[point] = static_cast<int32_t>(g);
      });
    }
  }
  result.positives =
      std::count_if(result.object.begin(), result.object.end(), [](int32_t object) { return object >= 0; });
  return result;
}

}  // namespace hd::detectors
