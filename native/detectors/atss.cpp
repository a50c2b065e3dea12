#include "detectors/atss.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace hd::detectors {
namespace {

constexpr float epsilon = 1e-6f;       // floor of unions and diagonals, as in mmdet
constexpr float insideMargin = 0.01f;  // pixels by which a centre must lie inside its object

float area(const Box& box) {
  return (box.x2 - box.x1) * (box.y2 - box.y1);
}

float intersection(const Box& a, const Box& b) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  return std::max(width, 0.0f) * std::max(height, 0.0f);
}

float overlapOverUnion(const Box& a, const Box& b) {
  const float overlap = intersection(a, b);
  return overlap / std::max(area(a) + area(b) - overlap, epsilon);
}

/// ρ²/c²: squared centre distance over the squared diagonal of the enclosing box.
float centrePenalty(const Box& a, const Box& b) {
  const float dx = (b.x1 + b.x2) - (a.x1 + a.x2), dy = (b.y1 + b.y2) - (a.y1 + a.y2);
  const float width = std::max(a.x2, b.x2) - std::min(a.x1, b.x1);
  const float height = std::max(a.y2, b.y2) - std::min(a.y1, b.y1);
  return (dx * dx + dy * dy) / 4 / std::max(width * width + height * height, epsilon);
}

Box boxAt(std::span<const float> boxes, int64_t index) {
  const float* corner = boxes.data() + 4 * index;
  return {corner[0], corner[1], corner[2], corner[3]};
}

void requireFinite(std::span<const float> boxes, const char* what) {
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (std::isfinite(boxes[i])) continue;
    throw Error("HD_DATA_BOX",
                concat("expected finite coordinates for ", what, " box ", i / 4, " but received ", boxes[i],
                       ": run 'hdtrain check' and remove or mend the annotation"));
  }
}

/// One row or column of cells and its squared distance to a centre.
struct Line {
  double distance;
  int64_t index;
};

/// The `wanted` grid lines nearest to `centre` (in pixels) by squared distance, ties to the lower index;
/// walks outward from the centre.
void nearestLines(double centre, int64_t stride, int64_t lines, int64_t wanted, std::vector<Line>& out) {
  const auto squared = [&](int64_t line) {
    const double difference = static_cast<double>(line * stride) - centre;
    return difference * difference;
  };
  out.clear();
  const double cell = std::floor(centre / static_cast<double>(stride));
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
  const std::vector<int64_t>& find(const GridLevel& level, const ValidCells& valid, const int32_t* state,
                                   int64_t ignored, double x, double y, int64_t wanted) {
    nearest_.clear();
    if (valid.height <= 0 || valid.width <= 0) return nearest_;
    const int64_t reach = wanted + ignored + 4;
    nearestLines(x, level.stride, valid.width, reach, columns_);
    nearestLines(y, level.stride, valid.height, reach, rows_);
    cells_.clear();
    for (int64_t i = 0; i < std::ssize(rows_); ++i) {
      for (int64_t j = 0; j < std::ssize(columns_) && (i + 1) * (j + 1) < reach; ++j) {
        const int64_t cell = rows_[i].index * level.width + columns_[j].index;
        if (state[cell] == AtssResult::excluded) continue;
        cells_.push_back({rows_[i].distance + columns_[j].distance, cell});
      }
    }
    const auto count = std::min<int64_t>(wanted, std::ssize(cells_));
    std::partial_sort(cells_.begin(), cells_.begin() + count, cells_.end(), [](const Line& a, const Line& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.index < b.index;
    });
    for (int64_t i = 0; i < count; ++i) nearest_.push_back(cells_[i].index);
    return nearest_;
  }

 private:
  std::vector<Line> columns_, rows_, cells_;
  std::vector<int64_t> nearest_;
};

/// Calls visit(anchor, box) for every valid anchor whose square may overlap `object`.
template <class Visit>
void forOverlapping(const AnchorGrid& grid, const std::vector<ValidCells>& valid, const Box& object,
                    Visit visit) {
  for (size_t l = 0; l < grid.levels().size(); ++l) {
    const GridLevel& level = grid.levels()[l];
    const double stride = static_cast<double>(level.stride), half = grid.halfSide(level);
    const auto from = [&](float low, int64_t cells) {
      return static_cast<int64_t>(
          std::clamp(std::floor((low - half) / stride), 0.0, static_cast<double>(cells)));
    };
    const auto to = [&](float high, int64_t cells) {
      return static_cast<int64_t>(
          std::clamp(std::ceil((high + half) / stride) + 1, 0.0, static_cast<double>(cells)));
    };
    const int64_t lastRow = to(object.y2, valid[l].height), lastColumn = to(object.x2, valid[l].width);
    for (int64_t row = from(object.y1, valid[l].height); row < lastRow; ++row) {
      for (int64_t column = from(object.x1, valid[l].width); column < lastColumn; ++column) {
        visit(level.first + row * level.width + column, grid.box(level, row, column));
      }
    }
  }
}

/// Marks invalid cells and, when asked for, anchors that crowd boxes cover.
std::vector<int32_t> startingState(const AnchorGrid& grid, const std::vector<ValidCells>& valid,
                                   std::span<const float> crowd, double ignoreThreshold) {
  std::vector<int32_t> state(static_cast<size_t>(grid.anchors()), AtssResult::excluded);
  for (size_t l = 0; l < grid.levels().size(); ++l) {
    const GridLevel& level = grid.levels()[l];
    for (int64_t row = 0; row < valid[l].height; ++row) {
      const auto begin = state.begin() + level.first + row * level.width;
      std::fill(begin, begin + valid[l].width, AtssResult::background);
    }
  }
  if (ignoreThreshold <= 0) return state;
  for (int64_t c = 0; c < std::ssize(crowd) / 4; ++c) {
    const Box region = boxAt(crowd, c);
    forOverlapping(grid, valid, region, [&](int64_t anchor, const Box& box) {
      if (intersection(box, region) / std::max(area(box), epsilon) > ignoreThreshold) {
        state[anchor] = AtssResult::excluded;
      }
    });
  }
  return state;
}

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
    const int64_t free = std::count(begin, begin + grid.levels()[l].count(), AtssResult::background);
    ignored.push_back(valid[l].height * valid[l].width - free);
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
      for (const int64_t cell : nearest.find(level, valid[l], result.object.data() + level.first, ignored[l],
                                             x, y, options.candidates)) {
        const Box box = grid.box(level, cell / level.width, cell % level.width);
        candidates.push_back({level.first + cell, box});
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
    forOverlapping(grid, valid, object, [&](int64_t anchor, const Box& box) {
      const float overlap = overlapOverUnion(box, object);
      const float share =
          rule == RegionRule::released ? intersection(box, object) / std::max(area(box), epsilon) : overlap;
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
    forOverlapping(grid, valid, object,
                   [&](int64_t, const Box& box) { best = std::max(best, overlapOverUnion(box, object)); });
    forOverlapping(grid, valid, object, [&](int64_t anchor, const Box& box) {
      if (overlapOverUnion(box, object) > share * best) region[anchor] = 1;
    });
  }
  return region;
}

}  // namespace hd::detectors
