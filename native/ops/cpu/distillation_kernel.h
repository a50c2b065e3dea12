// Loops of distillation losses on logits. Definitions: ops/losses.h.
#pragma once

#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

template <class S>
struct KlInput {
  const S* student;             ///< [rows, bins]
  const S* teacher;             ///< [rows, bins]
  const Arithmetic<S>* weight;  ///< [rows]
  int64_t bins;
  double temperature;
};

/// Σ weight · T²/bins · KL(teacher ‖ student) over rows [begin, end). `gradient` [rows, bins], when not null,
/// receives ∂sum/∂student in the same pass; zeros in skipped rows.
template <class S>
double klSum(const KlInput<S>& in, int64_t begin, int64_t end, S* gradient);

// Instantiated for float, double and BFloat16 in distillation_kernel.cpp.

}  // namespace hd::ops::kernel
