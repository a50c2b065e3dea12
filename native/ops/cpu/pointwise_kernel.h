// Loops of pointwise operators with a trailing ReLU. Torch-free. Definitions: ops/norm.h.
// ReLU's mask in the backward pass is y > 0; `y` is null where there was no ReLU.
#pragma once

#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

/// y = max(a + b, 0) over elements [begin, end); NaN stays NaN.
template <class S>
void addReluRange(const S* a, const S* b, S* y, int64_t begin, int64_t end);

/// out = dy where y > 0, else 0 (all of dy when y is null), over elements [begin, end).
template <class S>
void maskRange(const S* dy, const S* y, S* out, int64_t begin, int64_t end);

/// y = x·scale + bias (+ residual unless null), then ReLU when `relu`; rows [begin, end) of `channels`
/// columns.
template <class S>
void scaleBiasRows(const S* x, const Arithmetic<S>* scale, const Arithmetic<S>* bias, const S* residual,
                   bool relu, int64_t channels, S* y, int64_t begin, int64_t end);

/// dx = g·scale with g = dy where y > 0; also writes g to `before` unless that is null.
template <class S>
void scaleBiasGradientRows(const S* dy, const S* y, const Arithmetic<S>* scale, int64_t channels, S* dx,
                           S* before, int64_t begin, int64_t end);

/// sums[c] = Σ g and products[c] = Σ g·x over rows [begin, end).
template <class S>
void scaleBiasGradientSums(const S* x, const S* dy, const S* y, int64_t channels, int64_t begin, int64_t end,
                           double* sums, double* products);

// Instantiated for float, double and BFloat16 in pointwise_kernel.cpp.

}  // namespace hd::ops::kernel
