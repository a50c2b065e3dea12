// FCOS (Tian et al. 2019, arXiv 1904.01355) with box-side distributions, centre sampling and centerness on
// the box tower: a point in the middle of every cell.
#include "detectors/focal_head.h"
#include "detectors/point_assigner.h"

namespace hd::detectors {
namespace {

/// Its valuable region has no anchors to compare: the points inside an object that it was not assigned.
struct FcosAssignment final : FocalAssignment {
  std::vector<std::vector<uint8_t>> inside;  ///< per image and point

  std::vector<float> valuable(const ImageTargets&, size_t index, const std::vector<ValidCells>&, RegionRule,
                              double) const override {
    const std::vector<uint8_t>& points = inside.at(index);
    std::vector<float> out(points.size(), 0.0f);
    for (size_t l = 0; l < levels.size(); ++l) {
      const GridLevel& level = grid.levels()[l];
      const float* boxes =
          levels[l].boxes.const_data_ptr<float>() + 4 * static_cast<int64_t>(index) * level.count();
      for (int64_t point = 0; point < level.count(); ++point) {
        // An assigned point has a box of its own.
        const bool assigned = boxes[4 * point + 2] > boxes[4 * point];
        const auto at = static_cast<size_t>(level.first + point);
        out[at] = points[at] != 0 && !assigned ? 1.0f : 0.0f;
      }
    }
    return out;
  }
};

}  // namespace

FocalOptions fcosOptions(const Value& model) {
  FocalOptions out;
  static_cast<DenseHead&>(out) = DenseHead::from(model);
  out.anchors.offset = 0.5;
  out.boxWeight = 1;
  out.atLeastOneAnImage = false;
  return out;
}

std::unique_ptr<FocalAssignment> assignFcos(const FocalOptions& options, const Batch& batch) {
  auto out = std::make_unique<FcosAssignment>();
  out->inside.resize(batch.images.size());
  const bool whole = options.normalisation == Normalisation::released;
  const auto positives =
      assignImages(options, batch, *out,
                   [&](const ImageTargets& image, size_t index, const std::vector<ValidCells>& valid) {
                     PointOptions points;
                     points.ignoreThreshold = options.ignoreThreshold;
                     // As released, the padding of the canvas is background.
                     const auto cells = out->grid.validCells(batch.height, batch.width, options.divisor);
                     PointResult assigned =
                         assignPoints(out->grid, whole ? cells : valid, image.boxes, image.crowd, points);
                     out->inside[index] = std::move(assigned.inside);
                     return std::move(assigned.object);
                   });
  finishAssignment(options, positives, *out);
  return out;
}

namespace {

struct Fcos final : FocalDetector {
  Fcos(const Value& model, uint64_t seed) : FocalDetector(fcosOptions(model), model, seed) {}
  std::unique_ptr<Assignment> assign(const Batch& batch) const override {
    return assignFcos(options_, batch);
  }
};

HD_REGISTER_DETECTOR("fcos", [](const hd::Value& model, uint64_t seed) {
  return std::make_unique<Fcos>(model, seed);
});

}  // namespace
}  // namespace hd::detectors
