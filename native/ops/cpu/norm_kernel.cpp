#include "ops/cpu/norm_kernel.h"

#include <vector>

namespace hd::ops::kernel {
namespace {

/// Rows whose sums stay in the arithmetic type before they are added to the doubles: keeps the loop vectorised and
/// the error far below that of one float sum over a map.
constexpr int64_t kBlock = 32;

/// ReLU that lets NaN through.
template <class T>
HD_INLINE T positivePart(T value) {
  return value < T(0) ? T(0) : value;
}

/// dy where the output was positive.
template <class S>
HD_INLINE Arithmetic<S> passed(const S* dy, const S* y, int64_t i) {
  const Arithmetic<S> gradient = load(dy[i]);
  return y == nullptr || load(y[i]) > 0 ? gradient : Arithmetic<S>(0);
}

}  // namespace

template <class S>
HD_KERNEL void channelSums(const S* x, int64_t channels, int64_t begin, int64_t end, double* sums, double* squares) {
  using T = Arithmetic<S>;
  std::vector<T> block(static_cast<size_t>(2 * channels));
  T *sum = block.data(), *square = sum + channels;
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t last = first + kBlock < end ? first + kBlock : end;
    for (int64_t c = 0; c < 2 * channels; ++c) block[static_cast<size_t>(c)] = 0;
    for (int64_t row = first; row < last; ++row) {
      const S* in = x + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const T value = load(in[c]);
        sum[c] += value;
        square[c] += value * value;
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(sum[c]);
      squares[c] += static_cast<double>(square[c]);
    }
  }
}

template <class S>
HD_KERNEL void scaleShiftRows(const S* x, const Arithmetic<S>* scale, const Arithmetic<S>* shift, const S* residual, bool relu,
                              int64_t channels, S* y, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  for (int64_t row = begin; row < end; ++row) {
    const S* in = x + row * channels;
    S* out = y + row * channels;
    if (residual != nullptr) {
      const S* other = residual + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const T value = load(in[c]) * scale[c] + shift[c] + load(other[c]);
        out[c] = store<S>(relu ? positivePart(value) : value);
      }
    } else {
      for (int64_t c = 0; c < channels; ++c) {
        const T value = load(in[c]) * scale[c] + shift[c];
        out[c] = store<S>(relu ? positivePart(value) : value);
      }
    }
  }
}

template <class S>
HD_KERNEL void gradientSums(const S* x, const S* dy, const S* y, int64_t channels, int64_t begin, int64_t end, double* sums,
                            double* products) {
  using T = Arithmetic<S>;
  std::vector<T> block(static_cast<size_t>(2 * channels));
  T *sum = block.data(), *product = sum + channels;
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t last = first + kBlock < end ? first + kBlock : end;
    for (int64_t c = 0; c < 2 * channels; ++c) block[static_cast<size_t>(c)] = 0;
    for (int64_t row = first; row < last; ++row) {
      const int64_t at = row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const T gradient = passed(dy, y, at + c);
        sum[c] += gradient;
        product[c] += gradient * load(x[at + c]);
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(sum[c]);
      products[c] += static_cast<double>(product[c]);
    }
  }
}

template <class S>
HD_KERNEL void gradientRows(const S* x, const S* dy, const S* y, const Arithmetic<S>* byGradient, const Arithmetic<S>* byInput,
                            const Arithmetic<S>* constant, int64_t channels, S* dx, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * channels;
    if (byInput != nullptr) {
      for (int64_t c = 0; c < channels; ++c) {
        const T value = passed(dy, y, at + c) * byGradient[c] + load(x[at + c]) * byInput[c] + constant[c];
        dx[at + c] = store<S>(value);
      }
    } else {
      for (int64_t c = 0; c < channels; ++c) dx[at + c] = store<S>(passed(dy, y, at + c) * byGradient[c]);
    }
  }
}

template <class S>
HD_KERNEL void addReluRange(const S* a, const S* b, S* y, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) y[i] = store<S>(positivePart(load(a[i]) + load(b[i])));
}

template <class S>
HD_KERNEL void maskRange(const S* dy, const S* y, S* out, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) out[i] = store<S>(passed(dy, y, i));
}

#define HD_INSTANTIATE(S)                                                                                                   \
  template void channelSums(const S*, int64_t, int64_t, int64_t, double*, double*);                                         \
  template void scaleShiftRows(const S*, const Arithmetic<S>*, const Arithmetic<S>*, const S*, bool, int64_t, S*, int64_t,  \
                               int64_t);                                                                                    \
  template void gradientSums(const S*, const S*, const S*, int64_t, int64_t, int64_t, double*, double*);                    \
  template void gradientRows(const S*, const S*, const S*, const Arithmetic<S>*, const Arithmetic<S>*, const Arithmetic<S>*, \
                             int64_t, S*, int64_t, int64_t);                                                                \
  template void addReluRange(const S*, const S*, S*, int64_t, int64_t);                                                     \
  template void maskRange(const S*, const S*, S*, int64_t, int64_t);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
