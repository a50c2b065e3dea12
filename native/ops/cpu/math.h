// What the kernels share: storage types, elementary functions that vectorise, and sums in a fixed order.
// Torch-free. Everything is HD_INLINE, so that each HD_KERNEL clone gets its own instruction set's code.
//
// The float functions are our own because a call into libm keeps a loop scalar. They use no fused
// multiply-add, hence give the same bits on every CPU. The double overloads serve gradient checks and call
// libm.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/kernel.h"

namespace hd::ops::kernel {

/// Storage of a bfloat16: the upper half of a float. Layout-compatible with torch's.
struct BFloat16 {
  uint16_t bits;
};

/// Arithmetic type of a storage type.
template <class S>
using Arithmetic = std::conditional_t<std::is_same_v<S, double>, double, float>;

HD_INLINE float load(float value) {
  return value;
}
HD_INLINE double load(double value) {
  return value;
}
HD_INLINE float load(BFloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

/// Rounds to nearest even; NaN stays NaN.
HD_INLINE BFloat16 roundToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quietNan = (bits >> 16) | 0x40u;
  return {static_cast<uint16_t>(value != value ? quietNan : rounded)};
}

template <class S>
HD_INLINE S store(Arithmetic<S> value) {
  if constexpr (std::is_same_v<S, BFloat16>) {
    return roundToBFloat16(value);
  } else {
    return value;
  }
}

/// e^x to 2 ulp. Results below 2^-125 become 0, above the largest float +infinity; NaN stays NaN.
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; minimax polynomial of e^r.
HD_INLINE float fastExp(float x) {
  constexpr float lowest = -86.64f, highest = 88.722839f;
  const float bounded = x < lowest ? lowest : x > highest ? highest : x;
  const float shifted = bounded * 1.44269504f + 12582912.f;  // 1.5·2^23: the sum's low bits are n
  const float n = shifted - 12582912.f;
  const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  const float tail =
      0.5f + r * (0.166665734f + r * (0.0416664568f + r * (0.00836377647f + r * 0.00139345445f)));
  const float mantissa = (1.f + (r + r * r * tail)) * 2.f;
  // 2^(n−1) by its exponent bits: n reaches 128, which has no bit pattern of its own.
  const float power = std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) << 23) + 0x3f000000u);
  const float value = mantissa * power;
  return x < lowest ? 0.f : x > highest ? std::numeric_limits<float>::infinity() : value;
}
HD_INLINE double fastExp(double x) {
  return std::exp(x);
}

/// 2·atanh(s)/s as a polynomial of s², for s² ≤ 1/9.
HD_INLINE float twoAtanhRatio(float square) {
  return 2.00000001f +
         square * (0.666663159f + square * (0.400248537f + square * (0.279614188f + square * 0.281746573f)));
}

/// ln(1 + x) to 3 ulp for x in [0, 1]: 2·atanh(x / (2 + x)). NaN stays NaN.
HD_INLINE float fastLog1p(float x) {
  const float s = x / (2.f + x);
  return s * twoAtanhRatio(s * s);
}
HD_INLINE double fastLog1p(double x) {
  return std::log1p(x);
}

/// ln x to 3 ulp for normal floats; 0 and subnormals give −infinity, negative values NaN; NaN and +infinity
/// stay.
HD_INLINE float fastLog(float x) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  // Exponent k such that the mantissa lies in [√½, √2).
  const uint32_t offset = bits - 0x3f3504f3u;
  const int32_t k = static_cast<int32_t>(offset) >> 23;
  const float mantissa = std::bit_cast<float>(bits - (static_cast<uint32_t>(k) << 23));
  const float s = (mantissa - 1.f) / (mantissa + 1.f);
  const float n = static_cast<float>(k);
  const float value = n * 0.693359375f + (s * twoAtanhRatio(s * s) - n * 2.12194440e-4f);
  const float special = x < 0.f ? std::numeric_limits<float>::quiet_NaN() : x == infinity ? x : -infinity;
  return x >= std::numeric_limits<float>::min() && x < infinity ? value : x != x ? x : special;
}
HD_INLINE double fastLog(double x) {
  return std::log(x);
}

/// Sum in double, in an order that depends on `count` alone and lets the compiler use vectors.
template <class T>
HD_INLINE double sumInOrder(const T* values, int64_t count) {
  constexpr int64_t lanes = 16;
  double partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) partial[lane] += static_cast<double>(values[i + lane]);
  }
  for (int64_t lane = 0; i < count; ++i, ++lane) partial[lane] += static_cast<double>(values[i]);
  double sum = 0;
  for (int64_t lane = 0; lane < lanes; ++lane) sum += partial[lane];
  return sum;
}

}  // namespace hd::ops::kernel
