#include "detectors/atss.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "detectors/box_overlap.h"

namespace hd::detectors {
namespace {

constexpr float insideMargin = 0.01f;  // pixels by which a centre must lie inside its object

/// One row or column of cells and its squared distance to a centre.
struct Line {
  double distance;
  int64_t index;
};

/// The `wanted` grid lines nearest to `centre` (in pixels) by squared distance, ties to the lower index;
/// walks outward from the centre.
void nearestLines(const AnchorGrid& grid, const GridLevel& level, double centre, int64_t lines,
                  int64_t wanted, std::vector<Line>& out) {
  const auto squared = [&](int64_t line) {
    const double difference = grid.centre(level, line) - centre;
    return difference * difference;
  };
  out.clear();
  const double cell = std::floor(centre / static_cast<double>(level.stride) - grid.layout().offset);
  auto left = static_cast<int64_t>(std::clamp(cell, 0.0, static_cast<double>(lines - 1)));
  int64_t right = left + 1;
  while (std::ssize(out) < wanted && (left >= 0 || right < lines)) {
    const bool takeLeft = left >= 0 && (right >= lines || squared(left) <= squared(right));
    const int64_t line = takeLeft ? left-- : right++;
    out.push_back({squared(line), line});
  }
}

/// Finds the nearest anchors of a level; keeps its buffers between calls.
class NearestAnchors {
 public:
  /// Indices within the level of the `wanted` valid anchors nearest to (x, y) (fewer when there are fewer),
  /// ties to the lowest index; `state` marks anchors of the level to leave out, `ignored` of them within the
  /// valid cells.
  ///
  /// A cell whose row is the i-th nearest and whose column is the j-th nearest is beaten by all (i + 1)(j +
  /// 1) − 1 cells that are nearer in both; of the four with neighbouring ranks (itself among them) three may
  /// merely tie after rounding. So a cell with (i + 1)(j + 1) − 4 ≥ wanted + ignored cannot be among the
  /// wanted.
  const std::vector<int64_t>& find(const AnchorGrid& grid, const GridLevel& level, const ValidCells& valid,
                                   const int32_t* state, int64_t ignored, double x, double y,
                                   int64_t wanted) {
    nearest_.clear();
    if (valid.height <= 0 || valid.width <= 0) return nearest_;
    const int64_t reach = wanted + ignored + 4;
    nearestLines(grid, level, x, valid.width, reach, columns_);
    nearestLines(grid, level, y, valid.height, reach, rows_);
    anchors_.clear();
    for (int64_t i = 0; i < std::ssize(rows_); ++i) {
      for (int64_t j = 0; j < std::ssize(columns_) && (i + 1) * (j + 1) < reach; ++j) {
        const int64_t first = (rows_[i].index * level.width + columns_[j].index) * level.perCell;
        for (int64_t anchor = first; anchor < first + level.perCell; ++anchor) {
          if (state[anchor] != excluded)
            anchors_.push_back({rows_[i].distance + columns_[j].distance, anchor});
        }
      }
    }
    const auto count = std::min<int64_t>(wanted, std::ssize(anchors_));
    std::partial_sort(anchors_.begin(), anchors_.begin() + count, anchors_.end(),
                      [](const Line& a, const Line& b) {
                        return a.distance != b.distance ? a.distance < b.distance : a.index < b.index;
                      });
    for (int64_t i = 0; i < count; ++i) nearest_.push_back(anchors_[i].index);
    return nearest_;
  }

 private:
  std::vector<Line> columns_, rows_, anchors_;
  std::vector<int64_t> nearest_;
};

/// Mean plus unbiased standard deviation, in double so that equal overlaps reach their own mean.
double meanPlusDeviation(const std::vector<float>& values) {
  if (values.empty()) return 0;
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const float value : values) sum += value;
  const double mean = sum / count;
  for (const float value : values) squares += (value - mean) * (value - mean);
  return values.size() == 1 ? mean : mean + std::sqrt(squares / (count - 1));
}

}  // namespace

AtssResult atss(const AnchorGrid& grid, const std::vector<ValidCells>& valid, std::span<const float> objects,
                std::span<const float> crowd, const AtssOptions& options) {
  require(valid.size() == grid.levels().size(), "expected one valid part a level");
  requireFinite(objects, "object");
  requireFinite(crowd, "crowd");
  AtssResult result;
  result.object = startingState(grid, valid, crowd, options.ignoreThreshold);
  result.overlap.assign(result.object.size(), 0.0f);

  // Counted before any object is assigned, while the state is only background or excluded.
  std::vector<int64_t> ignored;
  for (size_t l = 0; l < valid.size(); ++l) {
    const auto begin = result.object.begin() + grid.levels()[l].first;
    const int64_t free = std::count(begin, begin + grid.levels()[l].count(), background);
    ignored.push_back(valid[l].height * valid[l].width * grid.levels()[l].perCell - free);
  }

  struct Candidate {
    int64_t anchor;
    Box box;
  };
  NearestAnchors nearest;
  std::vector<Candidate> candidates;
  std::vector<float> overlaps;
  for (int64_t g = 0; g < std::ssize(objects) / 4; ++g) {
    const Box object = boxAt(objects, g);
    const double x = (static_cast<double>(object.x1) + object.x2) / 2;
    const double y = (static_cast<double>(object.y1) + object.y2) / 2;
    candidates.clear();
    overlaps.clear();
    for (size_t l = 0; l < grid.levels().size(); ++l) {
      const GridLevel& level = grid.levels()[l];
      for (const int64_t anchor : nearest.find(grid, level, valid[l], result.object.data() + level.first,
                                               ignored[l], x, y, options.candidates)) {
        const int64_t cell = anchor / level.perCell;
        const Box box = grid.box(level, cell / level.width, cell % level.width, anchor % level.perCell);
        candidates.push_back({level.first + anchor, box});
        overlaps.push_back(overlapOverUnion(box, object));
      }
    }
    const double threshold = meanPlusDeviation(overlaps);
    result.thresholds.push_back(threshold);
    for (size_t i = 0; i < candidates.size(); ++i) {
      const auto& [anchor, box] = candidates[i];
      int32_t& owner = result.object[anchor];
      if (overlaps[i] < threshold) continue;
      const float centreX = (box.x1 + box.x2) * 0.5f, centreY = (box.y1 + box.y2) * 0.5f;
      const float inside = std::min(std::min(centreX - object.x1, centreY - object.y1),
                                    std::min(object.x2 - centreX, object.y2 - centreY));
      if (inside <= insideMargin) continue;
      if (owner >= 0 && overlaps[i] <= result.overlap[anchor]) continue;
      result.positives += owner < 0 ? 1 : 0;
      owner = static_cast<int32_t>(g);
      result.overlap[anchor] = overlaps[i];
    }
  }
  return result;
}

std::vector<float> valuableRegion(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                                  std::span<const float> objects, std::span<const double> thresholds,
                                  RegionRule rule, double gamma) {
  require(valid.size() == grid.levels().size(), "expected one valid part a level");
  require(thresholds.size() * 4 == objects.size(), "expected one threshold an object");
  std::vector<float> region(static_cast<size_t>(grid.anchors()), 0.0f);
  for (int64_t g = 0; g < std::ssize(thresholds); ++g) {
    const Box object = boxAt(objects, g);
    const double upper = thresholds[g], lower = gamma * upper;
    grid.forOverlapping(valid, object, [&](int64_t anchor, const Box& box) {
      const float overlap = overlapOverUnion(box, object);
      const float share = rule == RegionRule::released
                              ? intersection(box, object) / std::max(area(box), overlapEpsilon)
                              : overlap;
      const float closeness = share - centrePenalty(box, object);
      if (closeness >= lower && closeness < upper) region[anchor] = std::max(region[anchor], overlap);
    });
  }
  return region;
}

std::vector<uint8_t> nearBestRegion(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                                    std::span<const float> objects, double share) {
  require(valid.size() == grid.levels().size(), "expected one valid part a level");
  std::vector<uint8_t> region(static_cast<size_t>(grid.anchors()), 0);
  for (int64_t g = 0; g < std::ssize(objects) / 4; ++g) {
    const Box object = boxAt(objects, g);
    float best = 0;
    grid.forOverlapping(valid, object, [&](int64_t, const Box& box) {
      best = std::max(best, overlapOverUnion(box, object));
    });
    grid.forOverlapping(valid, object, [&](int64_t anchor, const Box& box) {
      if (overlapOverUnion(box, object) > share * best) region[anchor] = 1;
    });
  }
  return region;
}

}  // namespace hd::detectors
