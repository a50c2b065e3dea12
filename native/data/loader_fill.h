// One picture into its place in a batch: decode, the pipeline's one pixel pass, padding, targets.
#pragma once

#include <mutex>
#include <vector>

#include "core/batch.h"
#include "core/error.h"
#include "data/loader.h"
#include "data/loader_plan.h"
#include "data/transforms/render.h"

namespace hd::data {

struct FilledPicture {
  ImageTargets targets;
  int64_t copiedBytes = 0;
};

/// Puts `image` at `position` of the batch into `canvas`. A file that the plan neither scales, crops nor
/// mirrors decodes straight into the canvas; anything else is resampled from the decoder's output, or from
/// the user's own memory. Throws what the data set throws.
FilledPicture fillPicture(const BatchPlanner& planner, const BatchPlan& batch, int64_t position,
                          int64_t image, const Canvas& canvas, RenderScratch& scratch);

/// Pictures that could not be used. Thread-safe. Invariant: at most allowed() different ones are taken.
class BadSampleLedger {
 public:
  /// `maxBad`: share of `images`; a single one is always forgiven.
  BadSampleLedger(int64_t images, double maxBad);

  int64_t allowed() const { return allowed_; }
  bool contains(int64_t image) const;
  int64_t count() const;
  /// Notes the picture once. Throws HD_DATA_TOO_MANY_BAD when it is one too many.
  void add(int64_t image, std::string_view file, const Error& error);
  /// What was added since the last call.
  std::vector<BadSample> takeNew();

 private:
  const int64_t images_, allowed_;
  mutable std::mutex mutex_;
  std::vector<int64_t> bad_;  // sorted
  std::vector<BadSample> new_;
};

}  // namespace hd::data
