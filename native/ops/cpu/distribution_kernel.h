// Loops over distributions of box distances: integral, distribution focal loss, and GFL's fused regression
// loss. Logits are rows of `sides`·`bins` values, side-major. Definitions: ops/losses.h.
#pragma once

#include <cstdint>

#include "ops/cpu/box_math.h"
#include "ops/cpu/math.h"

namespace hd::ops::kernel {

/// distances[i] = expected bin of distribution i, for i in [begin, end).
template <class S>
void integralRows(const S* logits, int64_t bins, Arithmetic<S>* distances, int64_t begin, int64_t end);

/// gradient[i, k] = coefficient[i] · ∂distance/∂logit.
template <class S>
void integralGradient(const S* logits, int64_t bins, const Arithmetic<S>* coefficient, S* gradient,
                      int64_t begin, int64_t end);

/// Distributions i of logits, with targets[i] and weight[i / sides].
template <class S>
struct DistributionInput {
  const S* logits;
  const Arithmetic<S>* targets;
  const Arithmetic<S>* weight;
  int64_t bins;   ///< at least 2
  int64_t sides;  ///< distributions that share a weight: 1 or 4
};

/// Σ weight · loss over distributions [begin, end).
template <class S>
double distributionFocalSum(const DistributionInput<S>& in, int64_t begin, int64_t end);

template <class S>
void distributionFocalGradient(const DistributionInput<S>& in, double scale, S* gradient, int64_t begin,
                               int64_t end);

template <class S>
struct GflBoxInput {
  const S* logits;              ///< [N, 4, bins]
  const Arithmetic<S>* centre;  ///< [N, 2]
  const Arithmetic<S>* target;  ///< [N, 4] boxes
  const Arithmetic<S>* weight;  ///< [N]
  int64_t bins;
  BoxLossKind kind;
  Arithmetic<S> eps;
};

struct GflBoxSums {
  double box = 0, distribution = 0;
};

/// Sums over rows [begin, end); writes iou[row].
template <class S>
GflBoxSums gflBoxRows(const GflBoxInput<S>& in, Arithmetic<S>* iou, int64_t begin, int64_t end);

/// gradient = boxScale · ∂box sum/∂logits + distributionScale · ∂distribution sum/∂logits.
template <class S>
void gflBoxGradient(const GflBoxInput<S>& in, double boxScale, double distributionScale, S* gradient,
                    int64_t begin, int64_t end);

// Instantiated for float, double and BFloat16 in distribution_kernel.cpp.

}  // namespace hd::ops::kernel
