// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/quality_focal_kernel.h"

#include <algorithm>

namespace hd::ops::kernel {
namespace {

/// σ and 1 − σ, each accurate where it is tiny, and softplus(z) = −ln(1 − σ).
template <class T>
struct Sigmoid {
  T value, complement, softplus;
};

template <class T>
HD_INLINE Sigmoid<T> sigmoidOf(T z) {
  const T magnitude = z < 0 ? -z : z;
  const T e = fastExp(-magnitude);
  const T larger = 1 / (1 + e), smaller = e * larger;
  const bool positive = z > 0;
  return {positive ? larger : smaller, positive ? smaller : larger, (positive ? z : T(0)) + fastLog1p(e)};
}

template <class T>
HD_INLINE T power(T base, T exponent) {
  return exponent == 2 ? base * base : exponent == 1 ? base : exponent == 0 ? T(1) : std::pow(base, exponent);
}

/// Binary cross entropy of a probability against y, with logarithms of at least −100 as ATen bounds them.
template <class T>
HD_INLINE T crossEntropy(T p, T y) {
  const T inside = fastLog(p), outside = fastLog(1 - p);
  return -(y * (inside < -100 ? T(-100) : inside) + (1 - y) * (outside < -100 ? T(-100) : outside));
}

/// ATen's derivative of the same; its denominator is at least 1e-12.
template <class T>
HD_INLINE T crossEntropySlope(T p, T y) {
  const T variance = (1 - p) * p;
  return (p - y) / (variance < T(1e-12) ? T(1e-12) : variance);
}

// `Squared` fixes beta = 2 at compile time: a call of pow would keep the loop over classes scalar.
template <bool Squared, class T>
HD_INLINE T negativeLoss(T input, T beta, bool probabilities) {
  if (probabilities) return crossEntropy(input, T(0)) * power(input, Squared ? T(2) : beta);
  const Sigmoid<T> s = sigmoidOf(input);
  return s.softplus * power(s.value, Squared ? T(2) : beta);
}

template <bool Squared, class T>
HD_INLINE T negativeSlope(T input, T beta, bool probabilities) {
  if (probabilities) {
    return crossEntropySlope(input, T(0)) * power(input, Squared ? T(2) : beta) +
           crossEntropy(input, T(0)) * (Squared ? 2 * input : beta * power(input, beta - 1));
  }
  const Sigmoid<T> s = sigmoidOf(input);
  return power(s.value, Squared ? T(2) : beta) *
         (s.value + (Squared ? T(2) : beta) * s.softplus * s.complement);
}

// One entry a row at most: plain functions, so that the clones stay small.
template <class T>
T positiveLoss(T input, T y, T beta, bool probabilities) {
  if (probabilities) return crossEntropy(input, y) * power(std::abs(y - input), beta);
  const Sigmoid<T> s = sigmoidOf(input);
  return (s.softplus - input * y) * power(std::abs(y - s.value), beta);
}

template <class T>
T positiveSlope(T input, T y, T beta, bool probabilities) {
  const Sigmoid<T> s = probabilities ? Sigmoid<T>{input, 1 - input, 0} : sigmoidOf(input);
  const T difference = s.value - y, distance = std::abs(difference);
  const T entropy = probabilities ? crossEntropy(input, y) : s.softplus - input * y;
  const T entropySlope = probabilities ? crossEntropySlope(input, y) : difference;
  // d|σ − y|^beta: 0 at σ = y, as autograd's abs has it.
  const T sign = difference > 0 ? T(1) : difference < 0 ? T(-1) : difference;
  const T modulation = difference == 0 ? T(0) : beta * power(distance, beta - 1) * sign;
  return entropySlope * power(distance, beta) +
         entropy * modulation * (probabilities ? T(1) : s.value * s.complement);
}

constexpr int64_t kBlock = 256;

template <bool Squared, class S>
HD_INLINE double rowSum(const QualityFocalInput<S>& in, int64_t row) {
  using T = Arithmetic<S>;
  const S* logits = in.logits + row * in.classes;
  const T beta = static_cast<T>(in.beta);
  const int64_t label = in.labels[row];
  T losses[kBlock];
  double sum = 0;
  for (int64_t first = 0; first < in.classes; first += kBlock) {
    const int64_t count = std::min(kBlock, in.classes - first);
    if (in.probabilities) {
      for (int64_t c = 0; c < count; ++c)
        losses[c] = negativeLoss<Squared>(load(logits[first + c]), beta, true);
    } else {
      for (int64_t c = 0; c < count; ++c)
        losses[c] = negativeLoss<Squared>(load(logits[first + c]), beta, false);
    }
    if (label >= first && label < first + count) {
      losses[label - first] = static_cast<T>(in.positive) *
                              positiveLoss(load(logits[label]), in.quality[row], beta, in.probabilities);
    }
    sum += sumInOrder(losses, count);
  }
  return sum;
}

// Other exponents call pow for every element and gain nothing from a clone.
template <class S>
double rowSumOfAnyPower(const QualityFocalInput<S>& in, int64_t row) {
  return rowSum<false>(in, row);
}

template <bool Squared, class S>
HD_INLINE void rowGradient(const QualityFocalInput<S>& in, Arithmetic<S> factor, S* gradient, int64_t row) {
  using T = Arithmetic<S>;
  const S* logits = in.logits + row * in.classes;
  const T beta = static_cast<T>(in.beta);
  if (in.probabilities) {
    for (int64_t c = 0; c < in.classes; ++c) {
      gradient[c] = store<S>(factor * negativeSlope<Squared>(load(logits[c]), beta, true));
    }
  } else {
    for (int64_t c = 0; c < in.classes; ++c) {
      gradient[c] = store<S>(factor * negativeSlope<Squared>(load(logits[c]), beta, false));
    }
  }
  const int64_t label = in.labels[row];
  if (label >= 0 && label < in.classes) {
    gradient[label] = store<S>(factor * static_cast<T>(in.positive) *
                               positiveSlope(load(logits[label]), in.quality[row], beta, in.probabilities));
  }
}

template <class S>
void rowGradientOfAnyPower(const QualityFocalInput<S>& in, Arithmetic<S> factor, S* gradient, int64_t row) {
  rowGradient<false>(in, factor, gradient, row);
}

}  // namespace

template <class S>
HD_KERNEL double qualityFocalSum(const QualityFocalInput<S>& in, int64_t begin, int64_t end) {
  double sum = 0;
  for (int64_t row = begin; row < end; ++row) {
    if (in.weight[row] == 0) continue;
    sum += static_cast<double>(in.weight[row]) *
           (in.beta == 2 ? rowSum<true>(in, row) : rowSumOfAnyPower(in, row));
  }
  return sum;
}

template <class S>
HD_KERNEL void qualityFocalGradient(const QualityFocalInput<S>& in, double scale, S* gradient, int64_t begin,
                                    int64_t end) {
  using T = Arithmetic<S>;
  for (int64_t row = begin; row < end; ++row) {
    S* out = gradient + row * in.classes;
    const T factor = static_cast<T>(scale) * in.weight[row];
    if (in.weight[row] == 0) {
      std::fill(out, out + in.classes, S{});
    } else if (in.beta == 2) {
      rowGradient<true>(in, factor, out, row);
    } else {
      rowGradientOfAnyPower(in, factor, out, row);
    }
  }
}

#define HD_INSTANTIATE(S)                                                         \
  template double qualityFocalSum(const QualityFocalInput<S>&, int64_t, int64_t); \
  template void qualityFocalGradient(const QualityFocalInput<S>&, double, S*, int64_t, int64_t);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
