// The small interface that every detector family has. The engine knows nothing else about detectors.
//
// Order in a step: for every micro-batch `assign`; sum their normalisers over micro-batches and ranks; then
// per micro-batch forward the loss taps and call `losses` with the global normalisers. Losses that normalise
// by predictions (GFL's Σ w) declare so, and the engine obtains those sums from the same forward (one
// micro-batch) or from one extra no-gradient forward over the whole global batch (accumulation). Results
// therefore do not depend on how a global batch is cut.
#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "detectors/post_process.h"
#include "nn/graph.h"
#include "nn/registry.h"

namespace hd::detectors {

using torch::Tensor;

struct DenseHead;

/// What assignment produced for one micro-batch: dense per-anchor maps, no index lists. Families derive from
/// it.
struct Assignment {
  virtual ~Assignment() = default;
  /// Sums that follow from assignment alone (e.g. Σ over images of max(1, positives)); added over
  /// micro-batches/ranks.
  std::vector<double> normalisers;
  int64_t images = 0;
  int64_t positives = 0;
};

/// One named loss term: fp32 scalar with gradient, already divided by its global normaliser, not yet
/// weighted.
struct LossTerm {
  std::string name;
  Tensor value;
  double weight = 1;  ///< the detector's default weight (GFL: box 2, dfl 0.25)
};

class Detector {
 public:
  virtual ~Detector() = default;

  virtual nn::Graph& graph() = 0;
  /// What distillation needs to know of a dense head with box-side distributions; null for other detectors.
  virtual const DenseHead* denseHead() const { return nullptr; }
  virtual int64_t classes() const = 0;
  /// Canvas sides must be multiples of this.
  virtual int64_t divisor() const = 0;

  virtual std::vector<std::string> lossTaps() const = 0;
  virtual std::vector<std::string> detectTaps() const = 0;

  /// Label assignment on the CPU; images in parallel; no torch tensors of the network involved.
  virtual std::unique_ptr<Assignment> assign(const Batch& batch) const = 0;
  /// Sums that need predictions; empty when the family has none. No gradient.
  virtual std::vector<double> predictionNormalisers(const nn::Tensors& outputs,
                                                    const Assignment& assignment) const = 0;
  virtual bool hasPredictionNormalisers() const = 0;
  /// Names of what losses() gives.
  virtual std::vector<std::string> lossTerms() const = 0;
  /// `outputs` are the loss taps in order; the normalisers are global sums.
  virtual std::vector<LossTerm> losses(const nn::Tensors& outputs, const Assignment& assignment,
                                       const std::vector<double>& assignmentNormalisers,
                                       const std::vector<double>& predictionNormalisers) const = 0;
  /// `outputs` are the detect taps in order. One entry an image, mapped back to original pixels.
  virtual std::vector<Detections> detect(const nn::Tensors& outputs, const Batch& batch,
                                         const PostProcess& options) const = 0;
};

/// `model` is the resolved recipe section with `classes` as a number; `seed` seeds initialisation.
using DetectorFactory = std::function<std::unique_ptr<Detector>(const Value& model, uint64_t seed)>;
nn::Registry<DetectorFactory>& detectorRegistry();

}  // namespace hd::detectors

/// At file scope: HD_REGISTER_DETECTOR("gfl", [](const hd::Value& model, uint64_t seed) { return
/// std::make_unique<…>(…); });
#define HD_REGISTER_DETECTOR(name, ...)                        \
  [[maybe_unused]] static const bool HD_UNIQUE(hdRegistered) = \
      ::hd::detectors::detectorRegistry().add(name, __VA_ARGS__)
