// One training or inference session: a detector, its optimiser, its EMA. Not thread-safe: every call comes
// from the one engine thread that made it (thread count and denormal flushing are properties of that thread).
//
// Invariants: a step either happens wholly or changes nothing (non-finite values are found before the
// optimiser runs). What a step does is a function of the weights, the batch and its StepInput alone:
// schedules live outside. Gradients are sums over the global batch divided by global normalisers, so the cut
// into micro-batches does not matter (except for norms that use batch statistics).
#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/kept_memory.h"
#include "core/value.h"
#include "detectors/detector.h"
#include "distill/distillation.h"
#include "engine/optimizer.h"
#include "nn/weights.h"

namespace hd::engine {

struct SessionOptions {
  Value model;  ///< resolved `model` section, classes as a number
  uint64_t seed = 0;
  int threads = 0;  ///< 0: leave torch's default
  bool bf16 = false;
  int64_t accumulate = 1;  ///< micro-batches per optimiser step
  OptimizerOptions optimizer;
  std::vector<std::string> freeze;       ///< globs of parameter names
  std::vector<std::string> lossWeights;  ///< names that steps will weigh
  bool ema = false;
  bool training = true;     ///< false: no optimiser state, for eval and predict
  Value teachers, distill;  ///< lists as distill::Distillation takes them; null without
  static SessionOptions from(const Value& options);
};

struct StepInput {
  int64_t step = 0;                   ///< 0-based optimiser step, for AdamW's bias correction
  std::vector<double> learningRates;  ///< one per group
  double emaDecay = 0;
  std::map<std::string, double> lossWeights;
  double clipNorm = 0;       ///< 0: off
  bool diagnostics = false;  ///< measure StepResult::termGradients and agreement; costs some milliseconds
  int64_t accumulate = 0;    ///< micro-batches of this step; 0: as the session was made
  std::string fault;         ///< "memory" or "nan": what to pretend, for tests of what follows; else ""
  static StepInput from(const Value& input);
};

struct StepResult {
  std::map<std::string, double> losses;  ///< unweighted terms, and "total" (weighted)
  double gradientNorm = 0;               ///< before clipping
  int64_t positives = 0;
  /// Per term the norm of the gradient of its weighted value with respect to the maps that losses read.
  std::map<std::string, double> termGradients;
  std::map<std::string, double> weighted;        ///< the terms times their weights
  std::vector<distill::Agreement> agreement;     ///< one a teacher
  std::vector<distill::CacheStatistics> caches;  ///< one a teacher, since the session began
};

class Session {
 public:
  /// Throws HD_RECIPE_VALUE when loss weights, frozen parameters or groups stand for nothing.
  explicit Session(const SessionOptions& options);

  detectors::Detector& detector() { return *detector_; }
  nn::Graph& graph() { return detector_->graph(); }

  /// One optimiser step on this rank's part of the global batch. Throws HD_DIVERGED naming the term or tensor
  /// and the images when a loss or gradient is not finite; the weights are then unchanged.
  StepResult step(const Batch& batch, const StepInput& input);
  /// How many micro-batches a step with this input is cut into.
  int64_t microBatches(const StepInput& input) const {
    return input.accumulate > 0 ? input.accumulate : options_.accumulate;
  }
  /// Frees what an interrupted step left behind.
  void dropGradients();

  /// What a step on this batch would see, with nothing changed and nothing refused: see engine/probe.cpp for
  /// the members.
  Value probe(const Batch& batch, const StepInput& input);

  /// Detections of a batch with the EMA weights if EMA is on. Weights are prepared once after each change.
  std::vector<Detections> detect(const Batch& batch, const detectors::PostProcess& options);

  /// How many images a call of detect() has memory for, as far as is known; 0: no limit is.
  int64_t detectAtOnce() const { return detectAtOnce_; }
  void setDetectAtOnce(int64_t images) { detectAtOnce_ = images; }

  /// The same by a teacher. Throws HD_USAGE when there is no such teacher.
  std::vector<Detections> detectTeacher(size_t teacher, const Batch& batch,
                                        const detectors::PostProcess& options);

  nn::MatchReport loadWeights(const std::string& path, nn::MatchMode mode);
  /// Weights, EMA and optimiser state, as `folder`/weights.safetensors.
  void save(const std::string& folder);
  void restore(const std::string& folder);
  /// What users get: EMA weights if EMA is on. Bytes depend on weights and metadata alone.
  void exportWeights(const std::string& path, const std::map<std::string, std::string>& metadata);

  /// Seconds spent by part of the step since creation: assign, forward, losses, backward, optimizer, detect.
  const std::map<std::string, double>& profile() const { return profile_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  /// Names of the terms of a step: the detector's, then the transfers'.
  std::vector<std::string> lossTerms() const;
  /// Null without teachers.
  distill::Distillation* distillation() { return distillation_.get(); }

 private:
  /// One micro-batch after its forward passes.
  struct Forward {
    std::vector<detectors::LossTerm> terms;  ///< the detector's and the transfers'
    std::map<std::string, torch::Tensor> student;
    distill::Distillation::TeacherOutputs teachers;
  };
  Forward forward(const Batch& micro, const detectors::Assignment& assignment,
                  const std::vector<double>& assignmentSums, std::vector<double>& predictionSums,
                  const std::vector<double>& transferSums, bool single);
  std::vector<double> globalPredictionNormalisers(
      const std::vector<Batch>& micros,
      const std::vector<std::unique_ptr<detectors::Assignment>>& assignments);
  void useEma(bool use);
  /// The network's, then those that transfers learn.
  std::vector<nn::Parameter*> parameters();
  /// The detector's, then what transfers read besides.
  std::vector<std::string> lossTaps() const;
  void checkNames();

  std::optional<KeptMemory> keptMemory_;  ///< of training; first, since the rest is freed before it ends
  SessionOptions options_;
  std::unique_ptr<detectors::Detector> detector_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<distill::Distillation> distillation_;
  std::vector<torch::Tensor> ema_;      ///< by position in parameters(); empty without EMA
  std::vector<torch::Tensor> current_;  ///< working tensors while the EMA stands in
  bool emaInUse_ = false, preparedForDetect_ = false;
  int64_t detectAtOnce_ = 0;
  std::map<std::string, double> profile_;
};

}  // namespace hd::engine
