// Generalized Focal Loss detector (version 1: Li et al. 2020, arXiv 2006.04388; version 2: Li et al. 2021,
// arXiv 2011.12885): one-stage, a point a cell, class scores that mean localization quality, box sides as
// distributions over 0…regMax strides. Version 2 multiplies the class scores by a quality that it reads from
// the distributions; its losses work on these products.
//
// The pieces are free functions over maps, so that distillation and tests use them without a network.
#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "detectors/dense_head.h"

namespace hd::detectors {

/// Members of `model` besides those of DenseHead: assignerCandidates [9]. Detector gflv2 has jointScores.
struct GflOptions : DenseHead {
  int64_t assignerCandidates = 9;

  /// Throws HD_RECIPE_VALUE naming the member when a value is out of range.
  static GflOptions from(const Value& model);
};

/// `normalisers`: Σ over images of max(1, positives of the image), and the number of micro-batches.
using GflAssignment = DenseAssignment;

/// Undivided sums of one micro-batch, one scalar a level; all fp32 with gradient.
struct GflSums {
  std::vector<Tensor> cls, box, dfl;
};

/// Images in parallel. Throws HD_DATA_BOX naming the image when a coordinate is not finite.
std::unique_ptr<GflAssignment> assignGfl(const GflOptions& options, const Batch& batch);

/// S = Σ over positives of w, w = the highest class score; no gradient. `cls` are the class maps by level,
/// N×C×H×W: logits, version 2: scores.
double confidenceSum(const GflOptions& options, const std::vector<Tensor>& cls,
                     const GflAssignment& assignment);

/// Quality focal loss (target: IoU of the decoded box with its object, detached); box loss and distribution
/// focal loss (summed over four sides), each row times w. Rows without positives give exact zeros with zero
/// gradients. `cls`: logits, version 2: scores.
GflSums gflSums(const GflOptions& options, const std::vector<Tensor>& cls, const std::vector<Tensor>& reg,
                const GflAssignment& assignment);

/// What turns the sums of a micro-batch into its share of the loss terms.
struct GflScales {
  double cls = 0, box = 0, dfl = 0;
};
/// cls 1/max(1, ΣN), box 1/S, dfl 1/(4S); box and dfl 0 when S = 0 (no positive anywhere).
GflScales gflScales(double assigned, double confidence);

}  // namespace hd::detectors
