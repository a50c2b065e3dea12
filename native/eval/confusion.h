// Which class is taken for which: the confusion matrix of detections that a user would see, and how many
// truths of each size are found.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "eval/coco.h"

namespace hd::eval {

struct ConfusionOptions {
  double score = 0.3;  ///< detections below are not looked at
  double iou = 0.5;    ///< least overlap of a match
  int threads = 0;     ///< 0: all
};

/// Truths of one size, and how many of them a detection of their class took.
struct SizeCount {
  int64_t truths = 0, found = 0;
};

struct Confusion {
  size_t classes = 0;
  /// (classes + 1)², rows of the truth's class, columns of the detection's, in the order of the truth's
  /// categories; last row: detections of nothing, last column: truths that were not found, last of both: 0.
  std::vector<int64_t> counts;
  /// small (area < 32²), medium, large (area ≥ 96²).
  std::array<SizeCount, 3> sizes{};

  int64_t at(size_t truth, size_t detection) const { return counts[truth * (classes + 1) + detection]; }
};

/// In each image the detections, by falling score, each take the free truth that they overlap most, whatever
/// its class. Ties: the earlier detection, the earlier truth. Truths flagged crowd or ignore are in no row;
/// what takes nothing and overlaps one of them (of a crowd: lies in it) by `iou` is left out.
Confusion confusionOf(const CocoSet& truth, const std::vector<Instance>& detections,
                      const ConfusionOptions& options = {});

}  // namespace hd::eval
