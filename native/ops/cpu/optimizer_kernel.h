// Loops of the optimiser step over elements [begin, end) of one parameter. Torch-free. Definitions:
// ops/optimizer.h.
#pragma once

#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

/// Memory of one parameter, all in one order. Optional pointers are null when absent. G: storage of the
/// gradient.
template <class G>
struct StepMemory {
  float* master;
  const G* gradient;
  float* momentum;      ///< SGD: optional; AdamW: first moment
  float* secondMoment;  ///< AdamW only
  float* average;       ///< optional
  BFloat16* working;    ///< optional
};

/// What both rules share, of one parameter. Doubles, because 1 − 0.9998f is off in its fourth digit.
struct StepScalars {
  double lr, weightDecay, gradientScale, averageDecay;
};

template <class G>
void sgdRange(const StepMemory<G>& memory, const StepScalars& scalars, double momentum, bool nesterov,
              int64_t begin, int64_t end);

struct AdamwScalars {
  double beta1, beta2, eps;
  double correction1;  ///< 1 / (1 − β₁ᵗ)
  double correction2;  ///< 1 / √(1 − β₂ᵗ)
};

template <class G>
void adamwRange(const StepMemory<G>& memory, const StepScalars& scalars, const AdamwScalars& adamw,
                int64_t begin, int64_t end);

/// Σ x² in double, in an order that depends on the range alone.
template <class S>
double squareSum(const S* values, int64_t begin, int64_t end);

/// Whether a NaN or an infinity is among the values.
template <class S>
bool hasNonfinite(const S* values, int64_t begin, int64_t end);

// Instantiated for G = float and BFloat16, S = float, double and BFloat16 in optimizer_kernel.cpp.

}  // namespace hd::ops::kernel
