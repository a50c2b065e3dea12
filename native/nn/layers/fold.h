// Batch normalisation with running statistics, folded into the convolution before it: no pass over
// activations.
#pragma once

#include <torch/types.h>

#include <utility>

namespace hd::nn {

constexpr double batchNormEpsilon = 1e-5;

/// With σ = sqrt(variance + 1e-5): weight' = weight · γ/σ and bias' = β − mean · γ/σ, row by row.
///
/// `weight`: any dense layout with the output channel first, O rows; `gamma`, `beta`: O, of weight's type
/// (fp32, fp64, bf16). `mean`, `variance`: O, fp32, constants. Results have weight's type and layout.
/// Differentiable in weight, gamma and beta (once; backward costs one pass over weight and its gradient).
/// Sums are kept in fp32 (fp64 for fp64).
std::pair<torch::Tensor, torch::Tensor> foldBatchNorm(const torch::Tensor& weight, const torch::Tensor& gamma,
                                                      const torch::Tensor& beta, const torch::Tensor& mean,
                                                      const torch::Tensor& variance);

}  // namespace hd::nn
