// The optimiser step over all parameters in one call and one pass over memory, and the two scans before it.
//
// Invariant: the tensors of one parameter in all lists have the same shape; master, momentum, second moment,
// average and working copy also the same strides (dense in memory, any order: channels_last weights are
// fine). A gradient of other strides is copied into place first. Every optional list is either empty or as
// long as `master`.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace hd::ops {

using at::Tensor;

struct StepTensors {
  std::vector<Tensor> master;    ///< float32, updated in place
  std::vector<Tensor> gradient;  ///< float32 or bfloat16, read only
  std::vector<Tensor>
      momentum;  ///< float32, in place; first moment of AdamW; SGD: may be empty when momentum is 0
  std::vector<Tensor> secondMoment;  ///< float32, in place; AdamW only
  std::vector<Tensor>
      average;  ///< optional, float32, in place: average ← decay·average + (1−decay)·new weights
  std::vector<Tensor> working;  ///< optional, bfloat16, written: the new weights rounded to nearest even
};

/// What is common to both rules. `lr` and `weightDecay` have one value a parameter.
struct StepOptions {
  std::vector<double> lr;
  std::vector<double> weightDecay;
  double gradientScale = 1;  ///< multiplies every gradient first (clipping, accumulation)
  double averageDecay = 0;   ///< used with a non-empty `average`
  Tensor gate;  ///< optional scalar (bool, integer or float): non-zero (or NaN) means change nothing
};

/// torch.optim.SGD with dampening 0: g += wd·w; m = momentum·m + g; w −= lr·(nesterov ? g + momentum·m : m).
/// Momentum buffers start at 0.
void sgdStep(const StepTensors& tensors, const StepOptions& options, double momentum, bool nesterov);

/// torch.optim.AdamW: w −= lr·wd·w; m, v: exponential means of g and g²; w −= lr·(m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ))
/// + eps). `step` is t, 1 in the first call. Moments start at 0.
void adamwStep(const StepTensors& tensors, const StepOptions& options, double beta1, double beta2, double eps,
               int64_t step);

/// √Σ g² over all tensors (float32, float64 or bfloat16), accumulated in double in fixed order: the same bits
/// for every number of threads. It is finite exactly when every element of float32 or bfloat16 tensors is.
double gradientNorm(const std::vector<Tensor>& tensors);

/// Index of the first tensor that holds a NaN or an infinity, or −1.
int64_t firstNonfinite(const std::vector<Tensor>& tensors);

}  // namespace hd::ops
