// Where a transfer looks: rows of the dense head and how much each counts.
#pragma once

#include <torch/types.h>

#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "detectors/atss.h"
#include "detectors/gfl.h"

namespace hd::distill {

using torch::Tensor;

/// Members of a transfer (defaults of preset robust | released | paper in brackets): region main|valuable
/// [main]; and for the valuable region overlap distance|released [distance | released | distance], weights
/// overlap|mask [mask | overlap | mask], positives [false | true | true], gamma [0.25].
struct RegionOptions {
  enum class Kind {
    main,      ///< the assigned rows
    valuable,  ///< rows near an object that were not good enough (Zheng et al. 2022, section 3.4)
  } kind = Kind::main;
  detectors::RegionRule rule = detectors::RegionRule::distance;
  bool overlapWeights = false;  ///< weigh by the best IoU instead of 1
  bool positives = false;       ///< keep assigned rows in the valuable region
  double gamma = 0.25;

  /// Throws HD_RECIPE_VALUE naming the member.
  static RegionOptions from(const Value& transfer);
};

/// Weight of every row of the valuable region, one fp32 tensor a level, rows image-major; 0 outside. Constant
/// for autograd. Images in parallel.
std::vector<Tensor> valuableRows(const RegionOptions& options, const detectors::GflOptions& head,
                                 const Batch& batch, const detectors::GflAssignment& assignment);

/// 1 where a row is assigned to an object, else 0; one fp32 tensor a level.
std::vector<Tensor> assignedRows(const detectors::GflAssignment& assignment, int64_t classes);

/// Where either region has a weight: one uint8 mask a level.
std::vector<Tensor> regionMasks(const RegionOptions& options, const detectors::GflOptions& head,
                                const Batch& batch, const detectors::GflAssignment& assignment);

}  // namespace hd::distill
