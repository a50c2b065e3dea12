// RetinaNet (Lin et al. 2017, arXiv 1708.02002) with box-side distributions: nine anchors a cell, assigned by
// IoU; distances count from the anchors' common centre, and there is no centerness.
#include <cmath>

#include "detectors/focal_head.h"
#include "detectors/max_iou.h"

namespace hd::detectors {
namespace {

/// Three ratios (height over width) of three octave scales each, from 4 strides on, in mmdet's order.
AnchorLayout nineAnchors() {
  AnchorLayout layout;
  layout.shapes.clear();
  for (const double ratio : {0.5, 1.0, 2.0}) {
    for (int octave = 0; octave < 3; ++octave) {
      const double side = 4 * std::pow(2.0, octave / 3.0), root = std::sqrt(ratio);
      layout.shapes.push_back({static_cast<float>(side / root), static_cast<float>(side * root)});
    }
  }
  return layout;
}

}  // namespace

FocalOptions retinanetOptions(const Value& model) {
  FocalOptions out;
  static_cast<DenseHead&>(out) = DenseHead::from(model);
  out.anchors = nineAnchors();
  out.centerness = false;
  return out;
}

std::unique_ptr<FocalAssignment> assignRetinanet(const FocalOptions& options, const Batch& batch) {
  auto out = std::make_unique<FocalAssignment>();
  out->thresholds.resize(batch.images.size());
  const auto positives =
      assignImages(options, batch, *out,
                   [&](const ImageTargets& image, size_t index, const std::vector<ValidCells>& valid) {
                     // The valuable region compares with the thresholds of ATSS, on these anchors.
                     out->thresholds[index] = atss(out->grid, valid, image.boxes).thresholds;
                     MaxIouOptions overlaps;
                     overlaps.ignoreThreshold = options.ignoreThreshold;
                     return maxIou(out->grid, valid, image.boxes, image.crowd, overlaps).object;
                   });
  finishAssignment(options, positives, *out);
  return out;
}

namespace {

struct RetinaNet final : FocalDetector {
  RetinaNet(const Value& model, uint64_t seed) : FocalDetector(retinanetOptions(model), model, seed) {}
  std::unique_ptr<Assignment> assign(const Batch& batch) const override {
    return assignRetinanet(options_, batch);
  }
};

HD_REGISTER_DETECTOR("retinanet", [](const hd::Value& model, uint64_t seed) {
  return std::make_unique<RetinaNet>(model, seed);
});

}  // namespace
}  // namespace hd::detectors
