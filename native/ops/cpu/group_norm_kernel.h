// Loops of group normalisation over channels_last maps: rows are pixels, columns are channels. Torch-free.
// Per image the normalisation is y = x·scale + shift per channel (scale = weight/deviation), then perhaps
// ReLU; the backward pass finds ReLU's mask again from x, scale and shift, so that y need not be read.
#pragma once

#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

/// Mean and Σ (x − mean)² of each channel over rows [begin, end), begin < end.
template <class S>
void channelMoments(const S* x, int64_t channels, int64_t begin, int64_t end, double* mean, double* squares);

/// y = x·scale + shift, then ReLU when `relu` (NaN stays), for rows [begin, end).
template <class S>
void normaliseRows(const S* x, const Arithmetic<S>* scale, const Arithmetic<S>* shift, bool relu,
                   int64_t channels, S* y, int64_t begin, int64_t end);

/// Per-channel factors of one image for the backward pass. g is dy where ReLU let the value through.
template <class T>
struct NormFactors {
  const T *scale, *shift;       ///< of the forward pass
  const T* mean;                ///< of the channel's group
  const T *byInput, *constant;  ///< dx = g·scale + x·byInput + constant; unused by the sums
  bool relu;
};

/// sums[c] = Σ g and products[c] = Σ g·(x − mean) over rows [begin, end).
template <class S>
void normGradientSums(const S* x, const S* dy, const NormFactors<Arithmetic<S>>& factors, int64_t channels,
                      int64_t begin, int64_t end, double* sums, double* products);

template <class S>
void normGradientRows(const S* x, const S* dy, const NormFactors<Arithmetic<S>>& factors, int64_t channels,
                      S* dx, int64_t begin, int64_t end);

// Instantiated for float, double and BFloat16 in group_norm_kernel.cpp.

}  // namespace hd::ops::kernel
