// Loops of normalisation over channels_last maps: rows are pixels, columns are channels. Torch-free.
// Definitions: ops/norm.h. Per-channel factors turn every normalisation into y = x·scale + shift.
#pragma once

#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

/// sums[c] += Σ x, squares[c] += Σ x², over rows [begin, end). Both have `channels` elements.
template <class S>
void channelSums(const S* x, int64_t channels, int64_t begin, int64_t end, double* sums, double* squares);

/// y = x·scale + shift (+ residual), then ReLU when `relu`; rows [begin, end). `residual` may be null.
template <class S>
void scaleShiftRows(const S* x, const Arithmetic<S>* scale, const Arithmetic<S>* shift, const S* residual, bool relu, int64_t channels,
                    S* y, int64_t begin, int64_t end);

/// The gradient before ReLU is dy where y > 0 (all of dy when y is null).
/// sums[c] += Σ g, products[c] += Σ g·x.
template <class S>
void gradientSums(const S* x, const S* dy, const S* y, int64_t channels, int64_t begin, int64_t end, double* sums, double* products);

/// dx = g·byGradient + x·byInput + constant, factors per channel; byInput and constant may be null (zero).
template <class S>
void gradientRows(const S* x, const S* dy, const S* y, const Arithmetic<S>* byGradient, const Arithmetic<S>* byInput,
                  const Arithmetic<S>* constant, int64_t channels, S* dx, int64_t begin, int64_t end);

/// y = max(a + b, 0), and out = dy where y > 0, over elements [begin, end). NaN stays NaN.
template <class S>
void addReluRange(const S* a, const S* b, S* y, int64_t begin, int64_t end);
template <class S>
void maskRange(const S* dy, const S* y, S* out, int64_t begin, int64_t end);

// Instantiated for float, double and BFloat16 in norm_kernel.cpp.

}  // namespace hd::ops::kernel
