// Targets and losses of GFL.
#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "detectors/gfl.h"
#include "ops/losses.h"

namespace hd::detectors {

std::unique_ptr<GflAssignment> assignGfl(const GflOptions& options, const Batch& batch) {
  auto out = std::make_unique<GflAssignment>();
  out->thresholds.resize(batch.images.size());
  const auto positives =
      assignImages(options, batch, *out,
                   [&](const ImageTargets& image, size_t index, const std::vector<ValidCells>& valid) {
                     AtssResult assigned = atss(out->grid, valid, image.boxes, image.crowd,
                                                {options.assignerCandidates, options.ignoreThreshold});
                     out->thresholds[index] = std::move(assigned.thresholds);
                     return std::move(assigned.object);
                   });
  double assigned = 0;
  for (const int64_t count : positives) assigned += static_cast<double>(std::max<int64_t>(count, 1));
  out->normalisers = {assigned, 1.0};
  return out;
}

double confidenceSum(const GflOptions& options, const std::vector<Tensor>& cls,
                     const GflAssignment& assignment) {
  const at::NoGradGuard guard;
  Tensor sum = at::zeros({}, at::kDouble);
  for (size_t l = 0; l < assignment.levels.size(); ++l) {
    sum += positiveConfidence(options, anchorRows(cls[l]), assignment.levels[l].labels).sum(at::kDouble);
  }
  return sum.item<double>();
}

GflSums gflSums(const GflOptions& options, const std::vector<Tensor>& cls, const std::vector<Tensor>& reg,
                const GflAssignment& assignment) {
  // Version 2 may have a spare column.
  const int64_t columns = options.jointScores && !cls.empty() ? cls[0].size(1) : options.classes;
  require(columns >= options.classes, "expected a score map for each of ", options.classes, " classes");
  checkMaps(cls, columns, assignment, "class");
  checkMaps(reg, 4 * (options.regMax + 1), assignment, "box");
  GflSums sums;
  for (size_t l = 0; l < assignment.levels.size(); ++l) {
    const DenseTargets& targets = assignment.levels[l];
    const Tensor classRows = anchorRows(cls[l]);
    const Tensor confidence = positiveConfidence(options, classRows, targets.labels);
    const ops::GflBoxLoss box =
        ops::gflBoxLoss(anchorRows(reg[l]), targets.centres, targets.boxes, confidence, options.boxLoss);
    sums.cls.push_back(options.jointScores
                           ? ops::qualityFocalLossOfScores(classRows, targets.labels, box.iou,
                                                           targets.weights, options.classes)
                           : ops::qualityFocalLoss(classRows, targets.labels, box.iou, targets.weights));
    sums.box.push_back(box.boxSum);
    sums.dfl.push_back(box.dflSum);
  }
  return sums;
}

GflScales gflScales(double assigned, double confidence) {
  const double box = confidence == 0 ? 0 : 1 / confidence;
  return {1 / std::max(assigned, 1.0), box, box / 4};
}

}  // namespace hd::detectors
