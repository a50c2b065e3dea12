// The COCO rasteriser. What it draws is defined by how it walks: on a grid of five steps a pixel, along each
// edge in unit steps of the longer axis, rounding the other one. Annotated areas, boxes and published scores
// all rest on it.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "eval/mask.h"

namespace hd::eval {
namespace {

constexpr int kGrid = 5;
constexpr double kFarthest = 100000;  ///< pixels; keeps the walk short whatever a file says

struct GridPoint {
  int x, y;
};

/// Rounds half up for positive values; towards zero below it, as the original's cast does.
int roundToGrid(double value) {
  return static_cast<int>(value + .5);
}

/// Collects, for each pixel column whose centre line the walk passes, the first pixel below the crossing.
class CrossingCollector {
 public:
  CrossingCollector(uint32_t height, uint32_t width)
      : height_(static_cast<int>(height)), width_(static_cast<int>(width)) {}

  /// `point` is at most one grid step away from the last one.
  void visit(GridPoint point) {
    if (started_ && point.x != last_.x) cross(std::min(point.x, last_.x), std::min(point.y, last_.y));
    last_ = point;
    started_ = true;
  }

  /// Positions, column-major, at which the mask changes its value; sorted, each once.
  std::vector<uint32_t> changes() {
    std::sort(positions_.begin(), positions_.end());
    std::vector<uint32_t> kept;
    for (const uint32_t position : positions_) {
      if (!kept.empty() && kept.back() == position) {
        kept.pop_back();  // two changes at one place cancel
      } else {
        kept.push_back(position);
      }
    }
    return kept;
  }

 private:
  void cross(int x, int y) {
    constexpr int kCentre = kGrid / 2;
    if (x < kCentre || x % kGrid != kCentre) return;
    const int column = x / kGrid;
    if (column >= width_) return;
    const int row = y < 0 ? 0 : std::min((y + kCentre) / kGrid, height_);
    positions_.push_back(static_cast<uint32_t>(column) * static_cast<uint32_t>(height_) +
                         static_cast<uint32_t>(row));
  }

  int height_, width_;
  bool started_ = false;
  GridPoint last_{};
  std::vector<uint32_t> positions_;
};

void walkEdge(GridPoint from, GridPoint to, CrossingCollector& collector) {
  const int dx = std::abs(to.x - from.x), dy = std::abs(to.y - from.y);
  const bool alongX = dx >= dy;
  const int steps = alongX ? dx : dy;
  // Both directions of an edge must visit the same points, so it is always computed upwards.
  const bool backwards = alongX ? from.x > to.x : from.y > to.y;
  const GridPoint low = backwards ? to : from, high = backwards ? from : to;
  const double slope =
      steps == 0 ? 0
                 : static_cast<double>(alongX ? high.y - low.y : high.x - low.x) / static_cast<double>(steps);
  for (int step = 0; step <= steps; ++step) {
    const int along = backwards ? steps - step : step;
    if (alongX) {
      collector.visit({low.x + along, roundToGrid(low.y + slope * along)});
    } else {
      collector.visit({roundToGrid(low.x + slope * along), low.y + along});
    }
  }
}

}  // namespace

Mask maskFromPolygon(std::span<const double> corners, uint32_t height, uint32_t width) {
  if (corners.size() < 6 || corners.size() % 2 != 0) {
    throw Error("HD_DATA_MASK", concat("expected at least three x, y pairs for a polygon but received ",
                                       corners.size(), " numbers; remove or complete the polygon"));
  }
  std::vector<GridPoint> points;
  for (size_t i = 0; i < corners.size(); i += 2) {
    for (const double value : {corners[i], corners[i + 1]}) {
      if (!(std::abs(value) <= kFarthest)) {
        throw Error("HD_DATA_MASK", concat("expected polygon coordinates within ", kFarthest,
                                           " pixels but received ", value, "; correct the polygon"));
      }
    }
    points.push_back({roundToGrid(kGrid * corners[i]), roundToGrid(kGrid * corners[i + 1])});
  }
  CrossingCollector collector(height, width);
  for (size_t i = 0; i < points.size(); ++i) walkEdge(points[i], points[(i + 1) % points.size()], collector);

  Mask mask{height, width, {}};
  uint32_t previous = 0;
  for (const uint32_t position : collector.changes()) {
    mask.counts.push_back(position - previous);
    previous = position;
  }
  const uint32_t rest = height * width - previous;
  if (rest > 0 || mask.counts.empty()) mask.counts.push_back(rest);
  return mask;
}

Mask maskFromPolygons(const std::vector<std::vector<double>>& polygons, uint32_t height, uint32_t width) {
  std::vector<Mask> parts;
  for (const auto& polygon : polygons) parts.push_back(maskFromPolygon(polygon, height, width));
  return mergeMasks(parts, false);
}

Mask maskFromBox(const std::array<double, 4>& box, uint32_t height, uint32_t width) {
  const auto& [x, y, w, h] = box;
  const double corners[] = {x, y, x, y + h, x + w, y + h, x + w, y};
  return maskFromPolygon(corners, height, width);
}

}  // namespace hd::eval
