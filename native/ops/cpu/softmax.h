// Softmax of one short row of logits, the core of the distribution losses.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

/// ln Σ exp(x) in two parts: the largest x, and the logarithm of Σ exp(x − maximum), in [0, ln count]. Kept
/// apart, because −ln p = (maximum − x) + logOfSum then rounds relative to itself and not to the size of x.
template <class T>
struct LogSum {
  T maximum, logOfSum;
  HD_INLINE T minusLogOf(T x) const { return (maximum - x) + logOfSum; }
};

/// Writes softmax(logits · scale); the result is that of the scaled logits.
template <class S, class T = Arithmetic<S>>
HD_INLINE LogSum<T> softmaxRow(const S* logits, int64_t count, T scale, T* probabilities) {
  T maximum = load(logits[0]) * scale;
  for (int64_t k = 1; k < count; ++k) {
    const T value = load(logits[k]) * scale;
    maximum = value > maximum ? value : maximum;
  }
  for (int64_t k = 0; k < count; ++k) probabilities[k] = fastExp(load(logits[k]) * scale - maximum);
  T sum = 0;
  for (int64_t k = 0; k < count; ++k) sum += probabilities[k];
  const T inverse = 1 / sum;
  for (int64_t k = 0; k < count; ++k) probabilities[k] *= inverse;
  return {maximum, std::log(sum)};
}

/// Σ k · p_k.
template <class T>
HD_INLINE T expectedBin(const T* probabilities, int64_t bins) {
  T sum = 0;
  for (int64_t k = 1; k < bins; ++k) sum += static_cast<T>(k) * probabilities[k];
  return sum;
}

/// The two bins around a real target and the shares of the cross entropy that they carry.
template <class T>
struct BinPair {
  int64_t left;  ///< in [0, bins − 2], whatever the target
  T leftShare, rightShare;
};

template <class T>
HD_INLINE BinPair<T> binsAround(T target, int64_t bins) {
  const T last = static_cast<T>(bins - 2);
  // The comparison with 0 also sends NaN to bin 0; the shares then carry it on.
  const int64_t left = target >= 0 ? static_cast<int64_t>(target < last ? target : last) : 0;
  return {left, static_cast<T>(left + 1) - target, target - static_cast<T>(left)};
}

/// Cross entropy of both bins; `sum` is softmaxRow's result for scale 1.
template <class S, class T = Arithmetic<S>>
HD_INLINE T pairCrossEntropy(const S* logits, const LogSum<T>& sum, const BinPair<T>& pair) {
  return sum.minusLogOf(load(logits[pair.left])) * pair.leftShare +
         sum.minusLogOf(load(logits[pair.left + 1])) * pair.rightShare;
}

}  // namespace hd::ops::kernel
