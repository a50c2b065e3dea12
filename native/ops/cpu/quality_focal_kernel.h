// Loops of the quality focal loss over rows [begin, end) of dense maps; see ops/losses.h for the definition.
#pragma once

#include <cstdint>

#include "ops/cpu/math.h"

namespace hd::ops::kernel {

/// Row-major inputs of `classes` columns. T is the arithmetic type of the storage S.
template <class S>
struct QualityFocalInput {
  const S* logits;  ///< or probabilities
  const int64_t* labels;
  const Arithmetic<S>* quality;
  const Arithmetic<S>* weight;
  int64_t classes;
  double beta;
  bool probabilities;
  double positive = 1;  ///< factor of labelled entries
};

/// Weighted sum of the rows' losses.
template <class S>
double qualityFocalSum(const QualityFocalInput<S>& in, int64_t begin, int64_t end);

/// gradient[row, c] = scale · weight[row] · ∂loss/∂logit; zeros in skipped rows.
template <class S>
void qualityFocalGradient(const QualityFocalInput<S>& in, double scale, S* gradient, int64_t begin,
                          int64_t end);

// Instantiated for float, double and BFloat16 in quality_focal_kernel.cpp.

}  // namespace hd::ops::kernel
