// ATSS (Zhang et al. 2020, arXiv 1912.02424) with box-side distributions: one anchor a cell, assigned as in
// GFL; centerness is measured at the anchor's centre.
#include "detectors/atss.h"
#include "detectors/focal_head.h"

namespace hd::detectors {

FocalOptions atssOptions(const Value& model) {
  FocalOptions out;
  static_cast<DenseHead&>(out) = DenseHead::from(model);
  return out;
}

std::unique_ptr<FocalAssignment> assignAtss(const FocalOptions& options, const Batch& batch) {
  auto out = std::make_unique<FocalAssignment>();
  out->thresholds.resize(batch.images.size());
  const auto positives =
      assignImages(options, batch, *out,
                   [&](const ImageTargets& image, size_t index, const std::vector<ValidCells>& valid) {
                     AtssOptions atssOptions;
                     atssOptions.ignoreThreshold = options.ignoreThreshold;
                     AtssResult assigned = atss(out->grid, valid, image.boxes, image.crowd, atssOptions);
                     out->thresholds[index] = std::move(assigned.thresholds);
                     return std::move(assigned.object);
                   });
  finishAssignment(options, positives, *out);
  return out;
}

namespace {

struct Atss final : FocalDetector {
  Atss(const Value& model, uint64_t seed) : FocalDetector(atssOptions(model), model, seed) {}
  std::unique_ptr<Assignment> assign(const Batch& batch) const override {
    return assignAtss(options_, batch);
  }
};

HD_REGISTER_DETECTOR("atss", [](const hd::Value& model, uint64_t seed) {
  return std::make_unique<Atss>(model, seed);
});

}  // namespace
}  // namespace hd::detectors
