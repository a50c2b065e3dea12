// From matches to precision, recall and the summary numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "eval/cells.h"
#include "eval/coco.h"

namespace hd::eval {

/// What a detection came to at one area range and threshold. Unmatched is 0, so that fresh memory is right
/// for it.
enum class Outcome : uint8_t { unmatched = 0, found = 1, ignored = 2 };

/// The detections of one category over all images, by falling score (ties: image, then rank in the image).
struct CategoryDetections {
  std::vector<double> scores, areas;  ///< by falling score
  std::vector<uint32_t> ranks;        ///< place among the image's detections of this category, from 0
  std::vector<uint32_t> places;       ///< place by score of the i-th detection in cell order
  std::vector<uint32_t> firstInCell;  ///< of each cell of the category: its first detection in cell order
  size_t firstCell = 0;               ///< the category's first cell in the table
  std::vector<Outcome> outcomes;      ///< (area range × threshold) × detections, by falling score
  std::vector<int64_t> truths;        ///< that count, per area range
  const Cell* cells = nullptr;        ///< first of the table

  Outcome* outcomesOf(size_t area, size_t threshold, size_t thresholds) {
    return outcomes.data() + (area * thresholds + threshold) * scores.size();
  }
  const Outcome* outcomesOf(size_t area, size_t threshold, size_t thresholds) const {
    return outcomes.data() + (area * thresholds + threshold) * scores.size();
  }
  /// Place by score of the d-th detection of a cell of this category.
  size_t placeOf(const Cell& cell, size_t d) const {
    return places[firstInCell[static_cast<size_t>(&cell - cells) - firstCell] + d];
  }
};

/// `layers`: area ranges × thresholds to make room for.
CategoryDetections sortCategory(const CellTable& table, size_t category,
                                const std::vector<Instance>& detections, size_t layers);

/// Fills the entries of `result` of category index k and area index a: the interpolated precision at each
/// recall threshold, the score there, and the last recall.
void accumulate(const CategoryDetections& category, size_t k, size_t a, const CocoParams& params,
                CocoResult& result);

/// evaluateCoco() with what it counted on the way.
struct CountedResult {
  CocoResult result;
  std::vector<CategoryDetections> categories;  ///< as result.categories; their cells are gone
};
CountedResult evaluateAndCount(const CocoSet& truth, const std::vector<Instance>& detections,
                               const CocoParams& params);

/// CocoResult::stats.
std::vector<double> summarizeStats(const CocoResult& result, const CocoParams& params);

}  // namespace hd::eval
