// Normalisation and pointwise operators that save passes over memory, forward and backward.
// Feature maps are [N, C, H, W] in channels_last; other layouts are converted first. Types float32,
// float64, bfloat16; statistics and reductions are float32/double; results do not depend on the number of
// threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace hd::ops {

using at::Tensor;

/// Group normalisation (Wu and He) over `groups` equal channel groups, then weight·x̂ + bias, then ReLU when
/// `relu`. weight and bias [C], any floating type. y is channels_last and of x's type. Gradients: x, weight,
/// bias. Where the value before ReLU is NaN the result is NaN.
Tensor groupNormRelu(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias,
                     double eps = 1e-5, bool relu = true);

/// relu(x + residual): the tail of a residual block. Both of equal shape and type; gradients to both.
Tensor addRelu(const Tensor& x, const Tensor& residual);

/// x·scale + bias per channel, + residual when given, then ReLU when `relu`: batch normalisation with fixed
/// statistics (scale = γ/√(σ²+eps), bias = β − μ·scale). scale, bias [C], any floating type. Gradients: x,
/// scale, bias, residual, each only when wanted.
Tensor scaleBiasRelu(const Tensor& x, const Tensor& scale, const Tensor& bias,
                     const std::optional<Tensor>& residual = std::nullopt, bool relu = true);

}  // namespace hd::ops
