// How far student and teacher are apart: what a log shows beside the losses, so that a teacher that teaches
// nothing is seen within minutes.
#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <vector>

#include "core/value.h"
#include "detectors/dense_head.h"

namespace hd::distill {

using torch::Tensor;

/// Sums over the assigned rows of all levels; they add up over micro-batches and ranks.
struct Agreement {
  int64_t rows = 0;
  std::array<double, 4> sideDivergence{};  ///< KL(teacher ‖ student) at T = 1, summed over bins: l, t, r, b
  bool sides = false, classes = false;     ///< which maps both networks gave
  int64_t sameClass = 0;                   ///< rows where both find the same class likeliest
  double scoreDifference = 0;              ///< mean over classes of |σ(teacher) − σ(student)|

  void add(const Agreement& other);
  /// { rows, sides: [l, t, r, b] means, sameClass: share, scoreDifference: mean }; what was not measured, or
  /// with no row, is left out.
  Value toValue() const;
};

/// Maps by level, N×C×H×W; either list may be empty. `classMap`: as HeadShape::classMap.
Agreement measureAgreement(const detectors::DenseAssignment& assignment, int64_t classes,
                           const std::vector<int64_t>& classMap, const std::vector<Tensor>& studentCls,
                           const std::vector<Tensor>& teacherCls, const std::vector<Tensor>& studentReg,
                           const std::vector<Tensor>& teacherReg);

}  // namespace hd::distill
