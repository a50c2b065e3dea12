// Where a transfer looks: rows of the dense head and how much each counts.
#pragma once

#include <torch/types.h>

#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "detectors/dense_head.h"

namespace hd::distill {

using torch::Tensor;

/// Members of a transfer (defaults of preset robust | released | paper in brackets): region main|valuable
/// [main]; and for the valuable region overlap distance|released [distance | released | distance], weights
/// overlap|mask|confidence [mask | overlap, of fcos confidence | mask], positives [false | true, of retinanet
/// false | true], gamma [0.25].
struct RegionOptions {
  enum class Kind {
    main,      ///< the assigned rows
    valuable,  ///< rows near an object that were not good enough (Zheng et al. 2022, section 3.4)
  } kind = Kind::main;
  detectors::RegionRule rule = detectors::RegionRule::distance;
  /// How much a row of the valuable region counts.
  enum class Weights {
    mask,        ///< 1
    overlap,     ///< its best IoU
    confidence,  ///< the student's highest class score, as in the main region
  } weights = Weights::mask;
  bool positives = false;  ///< keep assigned rows in the valuable region
  double gamma = 0.25;

  /// `alike`: rows of the valuable region count alike in every preset. Throws HD_RECIPE_VALUE naming the
  /// member.
  static RegionOptions from(const Value& transfer, const detectors::DenseHead& head, bool alike = false);
};

/// Weight of every row of the valuable region, one fp32 tensor a level, rows image-major; 0 outside; with
/// confidence weights 1 inside. Constant for autograd. Images in parallel.
std::vector<Tensor> valuableRows(const RegionOptions& options, const detectors::DenseHead& head,
                                 const Batch& batch, const detectors::DenseAssignment& assignment);

/// 1 where a row is assigned to an object, else 0; one fp32 tensor a level.
std::vector<Tensor> assignedRows(const detectors::DenseAssignment& assignment, int64_t classes);

/// Where either region has a weight: one uint8 mask a level.
std::vector<Tensor> regionMasks(const RegionOptions& options, const detectors::DenseHead& head,
                                const Batch& batch, const detectors::DenseAssignment& assignment);

}  // namespace hd::distill
