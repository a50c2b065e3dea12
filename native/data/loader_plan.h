// What each batch will be, without decoding anything: which pictures, their draws and sizes, and the canvas.
#pragma once

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

  /// What happens to `image` at `position`; `width` × `height` is its size. Thread-safe.
  Plan sample(int64_t epoch, int64_t position, int width, int height, Extent canvas) const;

  const Dataset& dataset() const { return *dataset_; }
  const Sampler& sampler() const { return sampler_; }
  const CanvasSet& canvases() const { return canvases_; }
  const CanvasOptions& canvasOptions() const { return canvasOptions_; }
  int slotImages() const { return samplerOptions_.batch; }
  bool evaluates() const { return samplerOptions_.evaluate; }

 private:
  CanvasSet chooseCanvases() const;
  Extent need(const std::vector<int64_t>& order, int64_t epoch, Sampler::Span span) const;
  Random draws(int64_t epoch, int64_t position) const;

  std::shared_ptr<const Dataset> dataset_;
  SamplerOptions samplerOptions_;
  CanvasOptions canvasOptions_;
  Pipeline pipeline_;
  Sampler sampler_;
  CanvasSet canvases_;
  std::shared_ptr<const std::vector<int64_t>> order_;
  int64_t orderEpoch_ = -1;
};

}  // namespace hd::data
