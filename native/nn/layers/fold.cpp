#include "nn/layers/fold.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "core/error.h"
#include "core/kernel.h"

namespace hd::nn {
namespace {

using torch::Tensor;

// Sums run in this many lanes in a fixed order, so that every instruction set gives the same bits.
constexpr int64_t lanes = 16;

template <class T, class Sum>
HD_INLINE void scaleRowOf(const T* row, Sum scale, T* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(static_cast<Sum>(row[i]) * scale);
}

/// out = gradient · scale; returns Σ gradient · row.
template <class T, class Sum>
HD_INLINE Sum scaleAndDotOf(const T* gradient, const T* row, Sum scale, T* out, int64_t count) {
  Sum lane[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int64_t k = 0; k < lanes; ++k) {
      const Sum g = static_cast<Sum>(gradient[i + k]);
      lane[k] += g * static_cast<Sum>(row[i + k]);
      out[i + k] = static_cast<T>(g * scale);
    }
  }
  Sum total = 0;
  for (; i < count; ++i) {
    const Sum g = static_cast<Sum>(gradient[i]);
    total += g * static_cast<Sum>(row[i]);
    out[i] = static_cast<T>(g * scale);
  }
  for (const Sum value : lane) total += value;
  return total;
}

HD_KERNEL void scaleRow(const float* row, float scale, float* out, int64_t count) {
  scaleRowOf(row, scale, out, count);
}
HD_KERNEL void scaleRow(const double* row, double scale, double* out, int64_t count) {
  scaleRowOf(row, scale, out, count);
}
HD_KERNEL void scaleRow(const at::BFloat16* row, float scale, at::BFloat16* out, int64_t count) {
  scaleRowOf(row, scale, out, count);
}

HD_KERNEL float scaleAndDot(const float* gradient, const float* row, float scale, float* out, int64_t count) {
  return scaleAndDotOf(gradient, row, scale, out, count);
}
HD_KERNEL double scaleAndDot(const double* gradient, const double* row, double scale, double* out,
                             int64_t count) {
  return scaleAndDotOf(gradient, row, scale, out, count);
}
HD_KERNEL float scaleAndDot(const at::BFloat16* gradient, const at::BFloat16* row, float scale,
                            at::BFloat16* out, int64_t count) {
  return scaleAndDotOf(gradient, row, scale, out, count);
}

template <class Sum>
Sum inverseDeviation(float variance) {
  return Sum{1} / std::sqrt(static_cast<Sum>(variance) + static_cast<Sum>(batchNormEpsilon));
}

/// Rows a thread gets at least: about 64 kB of weights.
int64_t grainFor(int64_t rowLength) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, rowLength));
}

struct Fold : public torch::autograd::Function<Fold> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const Tensor& weight, const Tensor& gamma, const Tensor& beta,
                                                const Tensor& mean, const Tensor& variance) {
    const int64_t rows = weight.size(0), length = weight.numel() / rows;
    Tensor folded = at::empty_like(weight), bias = at::empty_like(beta);
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, weight.scalar_type(), "fold_batch_norm", [&] {
      using Sum = std::conditional_t<std::is_same_v<scalar_t, double>, double, float>;
      const auto* w = weight.const_data_ptr<scalar_t>();
      const auto* g = gamma.const_data_ptr<scalar_t>();
      const auto* b = beta.const_data_ptr<scalar_t>();
      const float *m = mean.const_data_ptr<float>(), *v = variance.const_data_ptr<float>();
      auto* outWeight = folded.mutable_data_ptr<scalar_t>();
      auto* outBias = bias.mutable_data_ptr<scalar_t>();
      at::parallel_for(0, rows, grainFor(length), [&](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) {
          const Sum scale = static_cast<Sum>(g[o]) * inverseDeviation<Sum>(v[o]);
          scaleRow(w + o * length, scale, outWeight + o * length, length);
          outBias[o] = static_cast<scalar_t>(static_cast<Sum>(b[o]) - static_cast<Sum>(m[o]) * scale);
        }
      });
    });
    context->save_for_backward({weight, gamma, mean, variance});
    return {folded, bias};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &weight = saved[0], &gamma = saved[1], &mean = saved[2], &variance = saved[3];
    const int64_t rows = weight.size(0), length = weight.numel() / rows;
    // The same element order as the weight, whatever the convolution's backward returned.
    const Tensor byFolded = gradients[0].defined() ? gradients[0].contiguous(weight.suggest_memory_format())
                                                   : at::zeros_like(weight);
    const Tensor byBias = gradients[1].defined() ? gradients[1].contiguous() : at::zeros_like(gamma);
    Tensor byWeight = at::empty_like(weight), byGamma = at::empty_like(gamma);
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, weight.scalar_type(), "fold_batch_norm_backward", [&] {
      using Sum = std::conditional_t<std::is_same_v<scalar_t, double>, double, float>;
      const auto* w = weight.const_data_ptr<scalar_t>();
      const auto* g = gamma.const_data_ptr<scalar_t>();
      const float *m = mean.const_data_ptr<float>(), *v = variance.const_data_ptr<float>();
      const auto* gradient = byFolded.const_data_ptr<scalar_t>();
      const auto* gradientBias = byBias.const_data_ptr<scalar_t>();
      auto* outWeight = byWeight.mutable_data_ptr<scalar_t>();
      auto* outGamma = byGamma.mutable_data_ptr<scalar_t>();
      at::parallel_for(0, rows, grainFor(length), [&](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) {
          const Sum inverse = inverseDeviation<Sum>(v[o]);
          const Sum dot = scaleAndDot(gradient + o * length, w + o * length, static_cast<Sum>(g[o]) * inverse,
                                      outWeight + o * length, length);
          outGamma[o] = static_cast<scalar_t>(
              (dot - static_cast<Sum>(m[o]) * static_cast<Sum>(gradientBias[o])) * inverse);
        }
      });
    });
    return {byWeight, byGamma, byBias, Tensor(), Tensor()};
  }
};

}  // namespace

std::pair<Tensor, Tensor> foldBatchNorm(const Tensor& weight, const Tensor& gamma, const Tensor& beta,
                                        const Tensor& mean, const Tensor& variance) {
  require(weight.is_non_overlapping_and_dense() && gamma.is_contiguous() && beta.is_contiguous() &&
              mean.is_contiguous() && variance.is_contiguous(),
          "expected dense tensors for folding a batch norm");
  require(gamma.scalar_type() == weight.scalar_type() && beta.scalar_type() == weight.scalar_type(),
          "expected one type for a convolution and its batch norm");
  const auto folded = Fold::apply(weight, gamma, beta, mean, variance);
  return {folded[0], folded[1]};
}

}  // namespace hd::nn
