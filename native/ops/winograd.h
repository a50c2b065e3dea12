// 3×3 convolution with few multiplications: Winograd's F(4×4, 3×3) after Lavin & Gray, "Fast Algorithms for
// Convolutional Neural Networks" (2015), §4; its gradients by the same transforms.
//
// A tile of 4×4 outputs reads a 6×6 patch d: Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, where ⊙ summed over input channels
// is one matrix product at each of the 36 point pairs: 36 multiply-adds a tile and channel pair instead of
// 144. Tiles of all levels and images are the rows of these products, which is what makes small levels
// efficient.
//
// Accuracy. The interpolation points are 0, ±11/16, ±11/8, ∞: products of points stay close to 1, hence the
// rounding errors small. With 256 channels of normal numbers the largest error is 1.5e-5 of the root mean
// square of the result and the typical one 1.5e-6, for outputs and input gradients; 0.7e-5 and 0.9e-6 for the
// weight's. In a model of the same arithmetic the usual points 0, ±1, ±2, ∞ have a four times larger error,
// and F(2×2, 3×3), with 2.25 instead of 4 times fewer multiplications, a three to four times smaller one.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace hd::ops {

/// Convolution with stride 1, padding 1, one group, of every input with one weight and bias.
///
/// inputs: at least one, float32, N×C×H×W with common C; other layouts than channels_last are copied. weight:
/// float32, K×C×3×3, any dense layout. bias: float32, K. Results: N×K×H×W in channels_last, one for each
/// input. Differentiable once in inputs, weight and bias; nothing but the arguments is kept for backward. The
/// same bits for any number of threads; CPUs of other instruction sets may round differently.
std::vector<at::Tensor> conv3x3(const std::vector<at::Tensor>& inputs, const at::Tensor& weight,
                                const std::optional<at::Tensor>& bias);

/// relu?(conv3x3(inputs) + bias + residual) without gradient: what a plan runs. `residual`: the shape of the
/// result, only with one input; may be undefined. Inputs must not need a gradient. The weight is transformed
/// in every call: to keep it transformed would take four times its memory and save one per cent.
std::vector<at::Tensor> conv3x3Plan(const std::vector<at::Tensor>& inputs, const at::Tensor& weight,
                                    const std::optional<at::Tensor>& bias, bool relu,
                                    const at::Tensor& residual);

/// Whether conv3x3 is expected to be faster than at::convolution for these arguments: float32 on the CPU, and
/// enough channels and tiles to pay for the transforms. Also false for what conv3x3 does not take.
bool prefersWinograd(const std::vector<at::Tensor>& inputs, const at::Tensor& weight);

}  // namespace hd::ops
