// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/group_norm_kernel.h"

#include <algorithm>
#include <vector>

#include "ops/cpu/relu.h"

namespace hd::ops::kernel {
namespace {

/// Rows whose sums stay in the arithmetic type before they go to doubles: vectors stay full width and
/// rounding far below that of one float sum over a map.
constexpr int64_t kBlockRows = 32;
/// Rows that are read together, so that a partial sum is loaded and stored once for all of them.
constexpr int64_t kTogether = 4;

/// One value's part of a channel's two sums.
template <bool Relu, class S, class T = Arithmetic<S>>
HD_INLINE void addGradient(S x, S dy, T scale, T shift, T mean, T& sum, T& product) {
  const T value = load(x);
  const T g = Relu && value * scale + shift <= 0 ? T(0) : load(dy);
  sum += g;
  product += g * (value - mean);
}

template <bool Relu, class S>
HD_INLINE void gradientSums(const S* __restrict x, const S* __restrict dy,
                            const NormFactors<Arithmetic<S>>& factors, int64_t channels, int64_t begin,
                            int64_t end, double* __restrict sums, double* __restrict products) {
  using T = Arithmetic<S>;
  const T* __restrict scale = factors.scale, * __restrict shift = factors.shift, * __restrict mean = factors.mean;
  std::vector<T> block(static_cast<size_t>(2 * channels));
  T* __restrict sum = block.data(), * __restrict product = sum + channels;
  std::fill(sums, sums + channels, 0.0);
  std::fill(products, products + channels, 0.0);
  for (int64_t first = begin; first < end; first += kBlockRows) {
    const int64_t last = std::min(end, first + kBlockRows);
    std::fill(block.begin(), block.end(), T(0));
    int64_t row = first;
    for (; row + kTogether <= last; row += kTogether) {
      const S *xs = x + row * channels, *dys = dy + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        T s = sum[c], p = product[c];
        for (int64_t r = 0; r < kTogether; ++r) {
          addGradient<Relu>(xs[r * channels + c], dys[r * channels + c], scale[c], shift[c], mean[c], s, p);
        }
        sum[c] = s;
        product[c] = p;
      }
    }
    for (; row < last; ++row) {
      const S *xs = x + row * channels, *dys = dy + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        addGradient<Relu>(xs[c], dys[c], scale[c], shift[c], mean[c], sum[c], product[c]);
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(sum[c]);
      products[c] += static_cast<double>(product[c]);
    }
  }
}

template <bool Relu, class S>
HD_INLINE void gradientRows(const S* __restrict x, const S* __restrict dy,
                            const NormFactors<Arithmetic<S>>& factors, int64_t channels, S* __restrict dx,
                            int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  const T* __restrict scale = factors.scale, * __restrict shift = factors.shift;
  const T* __restrict byInput = factors.byInput, * __restrict constant = factors.constant;
  for (int64_t row = begin; row < end; ++row) {
    const S *xs = x + row * channels, *dys = dy + row * channels;
    S* out = dx + row * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T value = load(xs[c]);
      const T g = Relu && value * scale[c] + shift[c] <= 0 ? T(0) : load(dys[c]);
      out[c] = store<S>(g * scale[c] + (value * byInput[c] + constant[c]));
    }
  }
}

}  // namespace

template <class S>
HD_KERNEL void channelMoments(const S* x, int64_t channels, int64_t begin, int64_t end, double* mean,
                              double* squares) {
  using T = Arithmetic<S>;
  // Sums are taken of the difference from the first row: x² loses its digits where the mean is far from 0.
  std::vector<T> block(static_cast<size_t>(3 * channels));
  T* __restrict shift = block.data(), * __restrict sum = shift + channels, * __restrict square = sum + channels;
  const S* __restrict values = x;
  for (int64_t c = 0; c < channels; ++c) shift[c] = load(values[begin * channels + c]);
  std::fill(mean, mean + channels, 0.0);
  std::fill(squares, squares + channels, 0.0);
  for (int64_t first = begin; first < end; first += kBlockRows) {
    const int64_t last = std::min(end, first + kBlockRows);
    std::fill(sum, sum + 2 * channels, T(0));
    int64_t row = first;
    for (; row + kTogether <= last; row += kTogether) {
      const S* xs = values + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        T s = sum[c], q = square[c];
        for (int64_t r = 0; r < kTogether; ++r) {
          const T value = load(xs[r * channels + c]) - shift[c];
          s += value;
          q += value * value;
        }
        sum[c] = s;
        square[c] = q;
      }
    }
    for (; row < last; ++row) {
      for (int64_t c = 0; c < channels; ++c) {
        const T value = load(values[row * channels + c]) - shift[c];
        sum[c] += value;
        square[c] += value * value;
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      mean[c] += static_cast<double>(sum[c]);
      squares[c] += static_cast<double>(square[c]);
    }
  }
  const double count = static_cast<double>(end - begin);
  for (int64_t c = 0; c < channels; ++c) {
    const double offset = mean[c] / count;
    const double deviation = squares[c] - offset * mean[c];
    squares[c] = deviation < 0 ? 0 : deviation;
    mean[c] = static_cast<double>(shift[c]) + offset;
  }
}

template <class S>
HD_KERNEL void normaliseRows(const S* x, const Arithmetic<S>* scale, const Arithmetic<S>* shift, bool relu,
                             int64_t channels, S* y, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  const T* __restrict factor = scale, * __restrict offset = shift;
  for (int64_t row = begin; row < end; ++row) {
    const S* __restrict in = x + row * channels;
    S* __restrict out = y + row * channels;
    if (relu) {
      for (int64_t c = 0; c < channels; ++c)
        out[c] = store<S>(positivePart(load(in[c]) * factor[c] + offset[c]));
    } else {
      for (int64_t c = 0; c < channels; ++c) out[c] = store<S>(load(in[c]) * factor[c] + offset[c]);
    }
  }
}

template <class S>
HD_KERNEL void normGradientSums(const S* x, const S* dy, const NormFactors<Arithmetic<S>>& factors,
                                int64_t channels, int64_t begin, int64_t end, double* sums,
                                double* products) {
  if (factors.relu) {
    gradientSums<true>(x, dy, factors, channels, begin, end, sums, products);
  } else {
    gradientSums<false>(x, dy, factors, channels, begin, end, sums, products);
  }
}

template <class S>
HD_KERNEL void normGradientRows(const S* x, const S* dy, const NormFactors<Arithmetic<S>>& factors,
                                int64_t channels, S* dx, int64_t begin, int64_t end) {
  if (factors.relu) {
    gradientRows<true>(x, dy, factors, channels, dx, begin, end);
  } else {
    gradientRows<false>(x, dy, factors, channels, dx, begin, end);
  }
}

#define HD_INSTANTIATE(S)                                                                                 \
  template void channelMoments(const S*, int64_t, int64_t, int64_t, double*, double*);                    \
  template void normaliseRows(const S*, const Arithmetic<S>*, const Arithmetic<S>*, bool, int64_t, S*,    \
                              int64_t, int64_t);                                                          \
  template void normGradientSums(const S*, const S*, const NormFactors<Arithmetic<S>>&, int64_t, int64_t, \
                                 int64_t, double*, double*);                                              \
  template void normGradientRows(const S*, const S*, const NormFactors<Arithmetic<S>>&, int64_t, S*,      \
                                 int64_t, int64_t);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
