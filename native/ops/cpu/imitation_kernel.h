// Loops of feature imitation. Definitions: ops/losses.h.
#pragma once

#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

template <class S>
struct DifferenceInput {
  const S* student;             ///< [rows, channels]
  const S* teacher;             ///< [rows, channels]
  const Arithmetic<S>* weight;  ///< [rows]
  int64_t channels;
};

/// Σ weight · Σ over channels of (student − teacher)² over rows [begin, end).
template <class S>
double squaredDifferenceSum(const DifferenceInput<S>& in, int64_t begin, int64_t end);

/// gradient = scale · ∂sum/∂student; zeros in skipped rows.
template <class S>
void squaredDifferenceGradient(const DifferenceInput<S>& in, double scale, S* gradient, int64_t begin,
                               int64_t end);

// Instantiated for float, double and BFloat16 in imitation_kernel.cpp.

}  // namespace hd::ops::kernel
