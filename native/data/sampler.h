// Which picture stands where: the global order of an epoch and its cut into batches. Pure functions of (data
// set, options, epoch); ranks and threads only decide who works on which part.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace hd::data {

struct SamplerOptions {
  uint64_t seed = 0;
  bool shuffle = true;
  /// Training: wide (width > height) and other pictures in separate global batches. Evaluation: neighbours
  /// are alike.
  bool groupByAspect = false;
  /// Every image once, last batch short, `shuffle` and `repeat` ignored; in file order or, grouped, by rising
  /// height / width (ties: file order; what has no size yet last).
  bool evaluate = false;
  int repeat = 1;  ///< how often an epoch of training takes each picture
  int batch = 1;   ///< pictures of one rank in one batch
  int rank = 0, ranks = 1;
};

/// Invariants. Step s of rank r holds the global positions s·batch·ranks + r·batch + [0, batch); a global
/// batch is what all ranks hold in one step. In training the number of positions of an epoch is a multiple of
/// globalBatch(): the order wraps around (within each group, with grouping, as mmdetection pads its groups).
/// Wrapped and
/// repeated pictures have positions of their own, hence other random draws.
class Sampler {
 public:
  /// Throws HD_DATA_EMPTY when there is nothing to train on.
  Sampler(const Dataset& dataset, const SamplerOptions& options);

  /// Image index at each position of the epoch. Shuffled by Random(seed, "order", epoch, 0).
  std::vector<int64_t> order(int64_t epoch) const;
  int64_t positions() const { return positions_; }
  int64_t stepsPerEpoch() const;
  int64_t globalBatch() const { return int64_t{options_.batch} * options_.ranks; }

  struct Span {
    int64_t first = 0, count = 0;
  };
  /// Positions of this rank in step `step`; shorter or empty at the end of an evaluation.
  Span ofRank(int64_t step) const;
  /// Positions of all ranks in step `step`.
  Span ofGlobalBatch(int64_t step) const;

 private:
  Span clipped(int64_t first, int64_t count) const;

  const SamplerOptions options_;
  std::vector<int64_t> images_;
  std::vector<uint8_t> wide_;  // per entry of images_; empty without grouping
  int64_t positions_ = 0;
};

}  // namespace hd::data
