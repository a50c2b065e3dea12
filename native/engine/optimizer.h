// Parameter groups and the fused update. State (momenta) is fp32 and belongs to parameters by name.
#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "core/value.h"
#include "nn/parameters.h"

namespace hd::engine {

struct ParameterGroup {
  std::string match;  ///< glob of parameter names; the first group that matches takes the parameter
  double lr = 1;      ///< factor on the learning rate; read by the schedule in TypeScript
  double decay = 1;   ///< factor on weight decay
};

struct OptimizerOptions {
  enum class Kind { sgd, adamw } kind = Kind::sgd;
  double momentum = 0.9;
  bool nesterov = false;
  double weightDecay = 1e-4;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  bool decayNorms = true, decayBiases = true;
  std::vector<ParameterGroup> groups;  ///< an implicit last group takes the rest
  static OptimizerOptions from(const Value& optimizer, const Value* groups);
};

class Optimizer {
 public:
  /// Takes the trainable parameters among `reached`.
  Optimizer(const OptimizerOptions& options, const std::vector<nn::Parameter*>& reached);

  const std::vector<nn::Parameter*>& parameters() const { return parameters_; }
  /// The gradients of the working tensors, undefined ones replaced by zeros.
  std::vector<torch::Tensor> gradients() const;
  void clearGradients();

  /// master, state, EMA and working copy in one pass. `scale` multiplies gradients (clipping).
  /// `ema` is by position in parameters(), or empty.
  void update(const std::vector<torch::Tensor>& gradients, const std::vector<double>& learningRates,
              int64_t step, double scale, const std::vector<torch::Tensor>& ema, double emaDecay);

  /// Names and tensors of the state, for checkpoints: "momentum/<parameter>", "square/<parameter>".
  std::vector<std::pair<std::string, torch::Tensor>> state() const;

 private:
  OptimizerOptions options_;
  std::vector<nn::Parameter*> parameters_;
  std::vector<size_t> group_;
  std::vector<double> decay_;
  std::vector<torch::Tensor> momentum_, square_;
};

}  // namespace hd::engine
