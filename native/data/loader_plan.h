// What each batch will be, without decoding anything: which pictures, their draws and sizes, and the canvas.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "data/dataset.h"
#include "data/loader_canvas.h"
#include "data/pipeline.h"
#include "data/sampler.h"

namespace hd::data {

struct BatchPlan {
  int64_t epoch = 0, step = 0;
  int64_t first = 0, count = 0;  ///< positions of this rank
  Extent canvas;
  std::shared_ptr<const std::vector<int64_t>> order;  ///< of the whole epoch
};

/// Invariant: everything here is a pure function of (data set, options, epoch, step); all ranks agree on
/// every canvas.
class BatchPlanner {
 public:
  /// `options`: those of Loader. Walks through the first epoch once, to choose the canvases.
  BatchPlanner(std::shared_ptr<const Dataset> dataset, const Value& options);

  /// Not thread-safe: keeps the order of the last epoch asked for.
  BatchPlan batch(int64_t epoch, int64_t step);

  /// What happens at `position` to a picture of `width` × `height` whose size was not known before.
  /// Thread-safe.
  Plan sample(int64_t epoch, int64_t position, int width, int height, Extent canvas) const;
  /// What is laid on the canvas for `image` at `position`, with the pictures that steps join. `usable` says
  /// which may be joined; null: all. Thread-safe.
  Scene scene(int64_t epoch, int64_t position, int64_t image, Extent canvas,
              const std::function<bool(int64_t)>& usable) const;

  const Dataset& dataset() const { return *dataset_; }
  const Sampler& sampler() const { return sampler_; }
  const CanvasSet& canvases() const { return canvases_; }
  const CanvasOptions& canvasOptions() const { return canvasOptions_; }
  int slotImages() const { return samplerOptions_.batch; }
  bool evaluates() const { return samplerOptions_.evaluate; }

 private:
  void checkNeeds() const;
  /// With this one; epochs behind the run's last are like it.
  int64_t epochsLeft(int64_t epoch) const {
    return epochs_ > 0 ? std::max<int64_t>(1, epochs_ - epoch) : Pipeline::openEnd;
  }
  CanvasSet chooseCanvases() const;
  Extent need(const std::vector<int64_t>& order, int64_t epoch, Sampler::Span span) const;
  Random draws(int64_t epoch, int64_t position) const;

  std::shared_ptr<const Dataset> dataset_;
  SamplerOptions samplerOptions_;
  CanvasOptions canvasOptions_;
  Pipeline pipeline_;
  Sampler sampler_;
  int64_t epochs_ = 0;  ///< of the whole run; 0: unknown
  CanvasSet canvases_;
  std::shared_ptr<const std::vector<int64_t>> order_;
  int64_t orderEpoch_ = -1;
};

}  // namespace hd::data
