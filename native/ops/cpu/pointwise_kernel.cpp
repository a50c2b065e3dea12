// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/pointwise_kernel.h"

#include <algorithm>
#include <vector>

#include "ops/cpu/relu.h"

namespace hd::ops::kernel {
namespace {

/// Rows whose sums stay in the arithmetic type before they go to doubles.
constexpr int64_t kRowsOfBlock = 32;

template <class S>
HD_INLINE Arithmetic<S> gradientWhere(bool masked, S dy, S y) {
  return masked && load(y) <= 0 ? Arithmetic<S>(0) : load(dy);
}

template <bool Masked, class S>
HD_INLINE void addGradientSums(const S* __restrict x, const S* __restrict dy, const S* __restrict y,
                               int64_t channels, int64_t begin, int64_t end, double* __restrict sums,
                               double* __restrict products) {
  using T = Arithmetic<S>;
  std::vector<T> block(static_cast<size_t>(2 * channels));
  T* __restrict sum = block.data(), * __restrict product = sum + channels;
  for (int64_t first = begin; first < end; first += kRowsOfBlock) {
    const int64_t last = std::min(end, first + kRowsOfBlock);
    std::fill(block.begin(), block.end(), T(0));
    for (int64_t row = first; row < last; ++row) {
      const int64_t at = row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const T g = gradientWhere(Masked, dy[at + c], Masked ? y[at + c] : S{});
        sum[c] += g;
        product[c] += g * load(x[at + c]);
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(sum[c]);
      products[c] += static_cast<double>(product[c]);
    }
  }
}

template <bool Masked, class S>
HD_INLINE void gradientOfRows(const S* __restrict dy, const S* __restrict y,
                              const Arithmetic<S>* __restrict scale, int64_t channels, S* __restrict dx,
                              S* __restrict before, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * channels;
    if (before == nullptr) {
      for (int64_t c = 0; c < channels; ++c) {
        dx[at + c] = store<S>(gradientWhere(Masked, dy[at + c], Masked ? y[at + c] : S{}) * scale[c]);
      }
    } else {
      for (int64_t c = 0; c < channels; ++c) {
        const Arithmetic<S> g = gradientWhere(Masked, dy[at + c], Masked ? y[at + c] : S{});
        dx[at + c] = store<S>(g * scale[c]);
        before[at + c] = store<S>(g);
      }
    }
  }
}

}  // namespace

template <class S>
HD_KERNEL void addReluRange(const S* a, const S* b, S* y, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) y[i] = store<S>(positivePart(load(a[i]) + load(b[i])));
}

template <class S>
HD_KERNEL void maskRange(const S* dy, const S* y, S* out, int64_t begin, int64_t end) {
  if (y == nullptr) {
    std::copy(dy + begin, dy + end, out + begin);
    return;
  }
  for (int64_t i = begin; i < end; ++i) out[i] = store<S>(gradientWhere(true, dy[i], y[i]));
}

template <class S>
HD_KERNEL void scaleBiasRows(const S* x, const Arithmetic<S>* scale, const Arithmetic<S>* bias,
                             const S* residual, bool relu, int64_t channels, S* y, int64_t begin,
                             int64_t end) {
  using T = Arithmetic<S>;
  const T* __restrict factor = scale, * __restrict offset = bias;
  for (int64_t row = begin; row < end; ++row) {
    const S* __restrict in = x + row * channels;
    S* __restrict out = y + row * channels;
    if (residual != nullptr) {
      const S* __restrict other = residual + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const T value = load(in[c]) * factor[c] + offset[c] + load(other[c]);
        out[c] = store<S>(relu ? positivePart(value) : value);
      }
    } else {
      for (int64_t c = 0; c < channels; ++c) {
        const T value = load(in[c]) * factor[c] + offset[c];
        out[c] = store<S>(relu ? positivePart(value) : value);
      }
    }
  }
}

template <class S>
HD_KERNEL void scaleBiasGradientRows(const S* dy, const S* y, const Arithmetic<S>* scale, int64_t channels,
                                     S* dx, S* before, int64_t begin, int64_t end) {
  if (y != nullptr) {
    gradientOfRows<true>(dy, y, scale, channels, dx, before, begin, end);
  } else {
    gradientOfRows<false>(dy, y, scale, channels, dx, before, begin, end);
  }
}

template <class S>
HD_KERNEL void scaleBiasGradientSums(const S* x, const S* dy, const S* y, int64_t channels, int64_t begin,
                                     int64_t end, double* sums, double* products) {
  std::fill(sums, sums + channels, 0.0);
  std::fill(products, products + channels, 0.0);
  if (y != nullptr) {
    addGradientSums<true>(x, dy, y, channels, begin, end, sums, products);
  } else {
    addGradientSums<false>(x, dy, y, channels, begin, end, sums, products);
  }
}

#define HD_INSTANTIATE(S)                                                                                    \
  template void addReluRange(const S*, const S*, S*, int64_t, int64_t);                                      \
  template void maskRange(const S*, const S*, S*, int64_t, int64_t);                                         \
  template void scaleBiasRows(const S*, const Arithmetic<S>*, const Arithmetic<S>*, const S*, bool, int64_t, \
                              S*, int64_t, int64_t);                                                         \
  template void scaleBiasGradientRows(const S*, const S*, const Arithmetic<S>*, int64_t, S*, S*, int64_t,    \
                                      int64_t);                                                              \
  template void scaleBiasGradientSums(const S*, const S*, const S*, int64_t, int64_t, int64_t, double*,      \
                                      double*);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
