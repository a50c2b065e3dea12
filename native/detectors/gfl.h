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

#include "detectors/anchors.h"
#include "detectors/detector.h"

namespace hd::detectors {

/// Which normalisers the losses use.
enum class Normalisation {
  robust,    ///< sums over the global batch: the result does not depend on how it is cut into micro-batches
  released,  ///< each micro-batch by its own sums, averaged over micro-batches: what the published code does
             ///< with gradient accumulation
};

/// Members of `model` (defaults in brackets): classes, regMax [16], boxLoss iou|giou|diou|ciou [giou], preset
/// robust|released [robust], assignerCandidates [9], ignoreThreshold [−1: crowd boxes play no part].
struct GflOptions {
  int64_t classes = 0;
  int64_t regMax = 16;
  std::vector<int64_t> strides{8, 16, 32, 64, 128};
  int64_t divisor = 32;  ///< images are padded to it; cells beyond an image's own padding are not trained
  std::string boxLoss = "giou";
  Normalisation normalisation = Normalisation::robust;
  int64_t assignerCandidates = 9;
  double ignoreThreshold = -1;
  bool version2 = false;  ///< detector gflv2

  /// Throws HD_RECIPE_VALUE naming the member when a value is out of range.
  static GflOptions from(const Value& model);
};

/// Targets of one level for all images: rows are image-major, then row-major over cells. Units: the level's
/// stride.
struct GflLevelTargets {
  Tensor labels;   ///< int64 [rows]: class, `classes` = background, −1 = takes no part
  Tensor boxes;    ///< float [rows, 4]: the object's box; 0 outside positives
  Tensor centres;  ///< float [rows, 2]: x, y
  Tensor weights;  ///< float [rows]: 1, or 0 where the label is −1
};

/// `normalisers`: Σ over images of max(1, positives of the image), and the number of micro-batches.
struct GflAssignment : Assignment {
  AnchorGrid grid;
  std::vector<GflLevelTargets> levels;
  std::vector<std::vector<double>> thresholds;  ///< per image and object: ATSS's t
};

/// Undivided sums of one micro-batch, one scalar a level; all fp32 with gradient.
struct GflSums {
  std::vector<Tensor> cls, box, dfl;
};

/// Images in parallel. Throws HD_DATA_BOX naming the image when a coordinate is not finite.
std::unique_ptr<GflAssignment> assignGfl(const GflOptions& options, const Batch& batch);

/// The highest class score of every positive row (label below `classes`), 0 elsewhere; a constant for
/// autograd. `classRows` [N, classes or more]: logits, version 2: scores. `labels` [N].
Tensor positiveConfidence(const GflOptions& options, const Tensor& classRows, const Tensor& labels);

/// S = Σ over positives of w, w = the highest class score; no gradient. `cls` are the class maps by level,
/// N×C×H×W: logits, version 2: scores.
double confidenceSum(const GflOptions& options, const std::vector<Tensor>& cls,
                     const GflAssignment& assignment);

/// Quality focal loss (target: IoU of the decoded box with its object, detached); box loss and distribution
/// focal loss (summed over four sides), each row times w. Rows without positives give exact zeros with zero
/// gradients. `cls`: logits, version 2: scores.
GflSums gflSums(const GflOptions& options, const std::vector<Tensor>& cls, const std::vector<Tensor>& reg,
                const GflAssignment& assignment);

/// Detections of every image from the maps by level; images in parallel. `cls`: logits, version 2: scores.
/// `reg` N×4(regMax+1)×H×W. A spare class column takes part in suppression, as released; `labels` may then be
/// `classes`: Detector::detect drops those.
std::vector<Detections> detectGfl(const GflOptions& options, const std::vector<Tensor>& cls,
                                  const std::vector<Tensor>& reg, const Batch& batch,
                                  const PostProcess& postProcess);

/// What turns the sums of a micro-batch into its share of the loss terms.
struct GflScales {
  double cls = 0, box = 0, dfl = 0;
};
/// cls 1/max(1, ΣN), box 1/S, dfl 1/(4S); box and dfl 0 when S = 0 (no positive anywhere).
GflScales gflScales(double assigned, double confidence);

}  // namespace hd::detectors
