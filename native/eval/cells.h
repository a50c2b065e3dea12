// Groups truths and detections into cells: what one category has in one image. All matching happens inside a
// cell.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/coco.h"

namespace hd::eval {

struct Cell {
  int category = 0, image = 0;                    ///< indices into CellTable::categories and ::images
  uint32_t truthBegin = 0, truthEnd = 0;          ///< range of CellTable::truths
  uint32_t detectionBegin = 0, detectionEnd = 0;  ///< range of CellTable::detections
};

/// Invariants: cells stand by category, then image, each at most once and only with a truth or a detection in
/// it. The members of a cell keep the order of the input (with all categories as one: by category first),
/// except that its detections stand by falling score, ties in input order, and only the best `limit` of them.
struct CellTable {
  std::vector<int64_t> images, categories;  ///< ascending ids
  std::vector<Cell> cells;
  std::vector<size_t> firstCell;             ///< per category, and one more
  std::vector<uint32_t> truths, detections;  ///< indices into the input

  std::span<const uint32_t> truthsOf(const Cell& cell) const {
    return {truths.data() + cell.truthBegin, truths.data() + cell.truthEnd};
  }
  std::span<const uint32_t> detectionsOf(const Cell& cell) const {
    return {detections.data() + cell.detectionBegin, detections.data() + cell.detectionEnd};
  }
};

struct CellOptions {
  std::vector<int64_t> images, categories;  ///< ids to keep; empty: all of the truth
  bool useCategories = true;
  int limit = 100;  ///< detections per cell
  int threads = 0;
};

/// Throws HD_INTERNAL for a score that is not finite.
CellTable groupIntoCells(const CocoSet& truth, const std::vector<Instance>& detections,
                         const CellOptions& options);

}  // namespace hd::eval
