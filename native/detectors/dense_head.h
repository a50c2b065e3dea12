// What dense heads with box-side distributions share, whatever their assigner and class loss: GFL, ATSS, FCOS
// and RetinaNet. Distillation knows this and no more of a detector.
//
// Rows everywhere: image, then row and column of the level's cells, then anchor of the cell.
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "detectors/assignment_state.h"
#include "detectors/atss.h"
#include "detectors/detector.h"

namespace hd::detectors {

/// Which normalisers the losses use.
enum class Normalisation {
  robust,    ///< sums over the global batch: the result does not depend on how it is cut into micro-batches
  released,  ///< each micro-batch by its own sums, averaged over micro-batches: what the published code does
             ///< with gradient accumulation
};

/// The outside of a head. Its taps are "head.cls.p3"… (logits N×(anchors·classes)×H×W), "head.reg.p3"…
/// (N×(anchors·4·(regMax+1))×H×W, side-major) and, by family, "head.score.p3" or "head.centerness.p3".
struct DenseHead {
  std::string family;  ///< name in the detector registry
  int64_t classes = 0;
  int64_t regMax = 16;
  std::vector<int64_t> strides{8, 16, 32, 64, 128};
  int64_t divisor = 32;  ///< images are padded to it; cells beyond an image's own padding are not trained
  AnchorLayout anchors;
  bool jointScores = false;  ///< losses and detections read "head.score", class scores times a quality, 0–1
  Normalisation normalisation = Normalisation::robust;
  std::string boxLoss = "giou";
  double ignoreThreshold = -1;  ///< of the assigner; −1: crowd boxes play no part

  int64_t bins() const { return regMax + 1; }
  int64_t anchorsPerCell() const { return static_cast<int64_t>(anchors.shapes.size()); }
  AnchorGrid grid(int64_t height, int64_t width) const { return {height, width, strides, anchors}; }
  /// The taps whose maps the class loss reads.
  const char* scoreTap() const { return jointScores ? "head.score" : "head.cls"; }

  /// Reads `model`: classes, regMax [16], boxLoss iou|giou|diou|ciou [giou], preset robust|released|paper
  /// [robust], ignoreThreshold [−1]. Throws HD_RECIPE_VALUE naming the member when a value is out of range.
  static DenseHead from(const Value& model);
};

/// Throws HD_RECIPE_VALUE for `model.key` unless `holds`.
template <class Received>
void expectModelValue(bool holds, const char* what, const char* key, const Received& received) {
  if (holds) return;
  throw Error("HD_RECIPE_VALUE",
              concat("expected ", what, " for model.", key, " but received ", received, ": mend the recipe"),
              concat("model.", key));
}

/// Targets of one level for all images. Units: the level's stride.
struct DenseTargets {
  Tensor labels;   ///< int64 [rows]: class, `classes` = background, −1 = takes no part
  Tensor boxes;    ///< float [rows, 4]: the object's box; 0 outside positives
  Tensor centres;  ///< float [rows, 2]: x, y
  Tensor weights;  ///< float [rows]: 1, or 0 where the label is −1
};

struct DenseAssignment : Assignment {
  AnchorGrid grid;
  std::vector<DenseTargets> levels;
  /// Per image and object: the threshold that ATSS gives it on this grid. Empty where a family has none.
  std::vector<std::vector<double>> thresholds;

  /// Per anchor of one image: how much it belongs to the valuable localization region, 0 outside: its best
  /// IoU, or 1 where there are no anchors to overlap. Assigned anchors may belong to it.
  virtual std::vector<float> valuable(const ImageTargets& image, size_t index,
                                      const std::vector<ValidCells>& valid, RegionRule rule,
                                      double gamma) const;
};

/// Fills grid, levels, images, positives of `out`. `assign` gives one entry an anchor (an object,
/// `background` or `excluded`) and runs for images in parallel; `index` is the image's place in the batch.
/// Returns the positives of each image. Throws HD_DATA_BOX naming the image.
using ImageAssigner = std::function<std::vector<int32_t>(const ImageTargets& image, size_t index,
                                                         const std::vector<ValidCells>& valid)>;
std::vector<int64_t> assignImages(const DenseHead& head, const Batch& batch, DenseAssignment& out,
                                  const ImageAssigner& assign);

/// The highest class score of every row; a constant for autograd. `classRows` [N, classes or more]: logits,
/// with jointScores: scores.
Tensor rowConfidence(const DenseHead& head, const Tensor& classRows);

/// The highest class score of every positive row (label below `classes`), 0 elsewhere; else the same.
/// `labels` [N].
Tensor positiveConfidence(const DenseHead& head, const Tensor& classRows, const Tensor& labels);

/// N×(anchors·C)×H×W in channels_last memory to [N·H·W·anchors, C] without a copy.
Tensor anchorRows(const Tensor& map, int64_t anchorsPerCell = 1);

/// Throws HD_INTERNAL unless there is a map of `channels` for every level of the assignment.
void checkMaps(const std::vector<Tensor>& maps, int64_t channels, const DenseAssignment& assignment,
               const char* what);

/// "head.cls.p3"… for "head.cls": level names p3…p7 belong to strides 8…128.
std::vector<std::string> levelTaps(const std::string& prefix, size_t levels);

/// Detections of every image from the maps by level; images in parallel. `cls`: logits, with jointScores:
/// scores; `reg`; `centerness` N×anchors×H×W logits, or empty: a factor of the scores that plays no part in
/// the threshold. A spare class column takes part in suppression, as released; `labels` may then be
/// `classes`.
std::vector<Detections> detectDense(const DenseHead& head, const std::vector<Tensor>& cls,
                                    const std::vector<Tensor>& reg, const std::vector<Tensor>& centerness,
                                    const Batch& batch, const PostProcess& postProcess);

}  // namespace hd::detectors
