// Loops of the optimiser step over elements [begin, end) of one parameter. Torch-free. Definitions: ops/optimizer.h.
#pragma once

#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

/// Memory of one parameter in one common order. Optional pointers are null when absent.
template <class G>
struct StepMemory {
  float* master;
  const G* gradient;
  float* momentum;      ///< optional for SGD
  float* secondMoment;  ///< AdamW only
  float* average;       ///< optional
  BFloat16* working;    ///< optional
};

struct StepScalars {
  float lr, weightDecay, gradientScale, averageDecay;
  float momentum;               ///< SGD
  bool nesterov;                ///< SGD
  float beta1, beta2, eps;      ///< AdamW
  float correction1;            ///< AdamW: 1 / (1 − β₁ᵗ)
  float correction2;            ///< AdamW: 1 / √(1 − β₂ᵗ)
};

template <class G>
void sgdRange(const StepMemory<G>& memory, const StepScalars& scalars, int64_t begin, int64_t end);
template <class G>
void adamwRange(const StepMemory<G>& memory, const StepScalars& scalars, int64_t begin, int64_t end);

/// Σ x² in double.
template <class S>
double squareSum(const S* values, int64_t begin, int64_t end);

// Instantiated for float and BFloat16 (squareSum: double too) in optimizer_kernel.cpp.

}  // namespace hd::ops::kernel
