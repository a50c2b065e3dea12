// One picture into its place in a batch: decode, the pipeline's one pixel pass, padding, targets.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "core/batch.h"
#include "core/error.h"
#include "data/loader.h"
#include "data/loader_plan.h"
#include "data/picture_cache.h"
#include "data/transforms/render.h"

namespace hd::data {

struct FilledPicture {
  ImageTargets targets;
  int64_t copiedBytes = 0;
};

/// How the pictures of a place in a batch are read.
struct Reading {
  std::atomic<int64_t>* now = nullptr;             ///< set to each picture before it is read; null: not told
  std::function<bool(int64_t)> usable = nullptr;   ///< which may be joined to others; null: all
  PictureCache* cache = nullptr;                   ///< null: everything is decoded
  std::function<void(int64_t)> trouble = nullptr;  ///< asked for by debug.fault; called with what is read
  void at(int64_t image) const {
    if (now != nullptr) *now = image;
    if (trouble) trouble(image);
  }
};

/// Puts `image` at `position` of the batch into `canvas`, with those that the pipeline joins to it. A file
/// that the plan neither scales, crops nor mirrors decodes straight into the canvas; anything else is
/// resampled from the decoder's output, or from the user's own memory. Throws what the data set throws;
/// reading.now then is the picture that it threw of.
FilledPicture fillPicture(const BatchPlanner& planner, const BatchPlan& batch, int64_t position,
                          int64_t image, const Canvas& canvas, RenderScratch& scratch,
                          const Reading& reading = {});

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
