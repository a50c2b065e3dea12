// A convolution with constant weights in oneDNN's own layout, with add and ReLU fused: what Mode::plan runs.
#pragma once

#include <torch/types.h>

#include <list>
#include <vector>

namespace hd::nn {

struct ConvGeometry {
  int64_t kernel = 1, stride = 1, padding = 0, dilation = 1, groups = 1;
  /// Output cells for `cells` input cells along one side.
  int64_t outputOf(int64_t cells) const {
    return (cells + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
  }
};

/// at::convolution of N×C×H×W with square kernels; `bias` may be undefined. Differentiable.
torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                          const ConvGeometry& geometry);

/// Invariant: the packed forms belong to the weights of the last `reset`. One form per input shape, because
/// oneDNN picks the layout by shape; the least recently used go first. Where oneDNN refuses (type, shape,
/// build), the same result comes from at::convolution. Not thread-safe: one engine thread runs a network.
class PackedConvolution {
 public:
  /// `shapes`: how many input shapes to keep packed weights for.
  explicit PackedConvolution(size_t shapes) : capacity_(shapes) {}

  void reset(torch::Tensor weight, torch::Tensor bias);
  /// relu?(convolution(x) + residual?), without gradient.
  torch::Tensor run(const torch::Tensor& x, const ConvGeometry& geometry, bool relu,
                    const torch::Tensor& residual);

  size_t forms() const { return forms_.size(); }
  /// Whether the last run went through oneDNN's packed weights.
  bool packed() const { return !forms_.empty() && forms_.front().weight.defined(); }

 private:
  struct Form {
    std::vector<int64_t> shape;
    torch::Tensor weight;  ///< undefined: oneDNN refused this shape
  };
  const Form& formFor(const torch::Tensor& x, const ConvGeometry& geometry);

  size_t capacity_;
  torch::Tensor weight_, bias_;
  std::list<Form> forms_;  ///< most recently used first
};

}  // namespace hd::nn
