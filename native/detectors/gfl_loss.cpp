// Targets and losses of GFL.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "detectors/atss.h"
#include "detectors/gfl.h"
#include "ops/losses.h"

namespace hd::detectors {
namespace {

void checkTargets(const GflOptions& options, const ImageTargets& image) {
  require(image.boxes.size() == 4 * image.labels.size() && image.crowd.size() % 4 == 0,
          "expected one label for every four coordinates of image ", image.image);
  for (const int32_t label : image.labels) {
    require(label >= 0 && label < options.classes, "expected a label below ", options.classes, " for image ",
            image.image, " but received ", label, ": model.classes must cover the data set");
  }
}

/// Writes the rows of one image into the maps of every level.
void writeRows(const GflOptions& options, const ImageTargets& image, const AtssResult& assigned,
               int64_t index, GflAssignment& out) {
  for (size_t l = 0; l < out.levels.size(); ++l) {
    const GridLevel& level = out.grid.levels()[l];
    GflLevelTargets& maps = out.levels[l];
    const int64_t first = index * level.count();
    int64_t* labels = maps.labels.data_ptr<int64_t>() + first;
    float* boxes = maps.boxes.data_ptr<float>() + 4 * first;
    float* centres = maps.centres.data_ptr<float>() + 2 * first;
    float* weights = maps.weights.data_ptr<float>() + first;
    const auto stride = static_cast<float>(level.stride);
    for (int64_t cell = 0; cell < level.count(); ++cell) {
      const int32_t object = assigned.object[level.first + cell];
      centres[2 * cell] = static_cast<float>(cell % level.width);
      centres[2 * cell + 1] = static_cast<float>(cell / level.width);
      weights[cell] = object == AtssResult::excluded ? 0.0f : 1.0f;
      labels[cell] = object == AtssResult::excluded ? -1
                     : object < 0                   ? options.classes
                                                    : image.labels[object];
      for (int side = 0; side < 4; ++side) {
        boxes[4 * cell + side] = object < 0 ? 0.0f : image.boxes[4 * object + side] / stride;
      }
    }
  }
}

/// N×C×H×W in channels_last memory to [N·H·W, C] without a copy.
Tensor rowsOf(const Tensor& map) {
  return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
}

void checkMaps(const std::vector<Tensor>& maps, int64_t channels, const GflAssignment& assignment,
               const char* what) {
  const auto& levels = assignment.grid.levels();
  require(maps.size() == levels.size(), "expected ", levels.size(), " ", what, " maps but received ",
          maps.size());
  for (size_t l = 0; l < maps.size(); ++l) {
    const std::vector<int64_t> expected{assignment.images, channels, levels[l].height, levels[l].width};
    require(maps[l].sizes() == at::IntArrayRef(expected), "expected a ", what, " map of ",
            at::IntArrayRef(expected), " at stride ", levels[l].stride, " but received ", maps[l].sizes());
  }
}

}  // namespace

Tensor positiveConfidence(const GflOptions& options, const Tensor& classRows, const Tensor& labels) {
  const Tensor positive = labels.ge(0).logical_and(labels.lt(options.classes));
  Tensor highest = at::amax(classRows.detach(), {1});
  if (!options.version2) highest = highest.sigmoid();
  return at::where(positive, highest, at::zeros({}, highest.options()));
}

std::unique_ptr<GflAssignment> assignGfl(const GflOptions& options, const Batch& batch) {
  require(std::ssize(batch.images) == batch.count, "expected targets for ", batch.count, " images");
  auto out = std::make_unique<GflAssignment>();
  out->grid = AnchorGrid(batch.height, batch.width, options.strides);
  out->images = batch.count;
  out->thresholds.resize(batch.images.size());
  for (const GridLevel& level : out->grid.levels()) {
    const int64_t rows = batch.count * level.count();
    out->levels.push_back(
        {at::empty({rows}, at::kLong), at::empty({rows, 4}), at::empty({rows, 2}), at::empty({rows})});
  }
  std::vector<int64_t> positives(batch.images.size());
  at::parallel_for(0, batch.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const ImageTargets& image = batch.images[i];
      checkTargets(options, image);
      const auto valid = out->grid.validCells(image.height, image.width, options.divisor);
      try {
        AtssResult assigned = atss(out->grid, valid, image.boxes, image.crowd,
                                   {options.assignerCandidates, options.ignoreThreshold});
        writeRows(options, image, assigned, i, *out);
        positives[i] = assigned.positives;
        out->thresholds[i] = std::move(assigned.thresholds);
      } catch (const Error& error) {
        throw Error(error.code(), error.what(), concat("image ", image.image));
      }
    }
  });
  double assigned = 0;
  for (const int64_t count : positives) {
    out->positives += count;
    assigned += static_cast<double>(std::max<int64_t>(count, 1));
  }
  out->normalisers = {assigned, 1.0};
  return out;
}

double confidenceSum(const GflOptions& options, const std::vector<Tensor>& cls,
                     const GflAssignment& assignment) {
  const at::NoGradGuard guard;
  Tensor sum = at::zeros({}, at::kDouble);
  for (size_t l = 0; l < assignment.levels.size(); ++l) {
    sum += positiveConfidence(options, rowsOf(cls[l]), assignment.levels[l].labels).sum(at::kDouble);
  }
  return sum.item<double>();
}

GflSums gflSums(const GflOptions& options, const std::vector<Tensor>& cls, const std::vector<Tensor>& reg,
                const GflAssignment& assignment) {
  // Version 2 may have a spare column.
  const int64_t columns = options.version2 && !cls.empty() ? cls[0].size(1) : options.classes;
  require(columns >= options.classes, "expected a score map for each of ", options.classes, " classes");
  checkMaps(cls, columns, assignment, "class");
  checkMaps(reg, 4 * (options.regMax + 1), assignment, "box");
  GflSums sums;
  for (size_t l = 0; l < assignment.levels.size(); ++l) {
    const GflLevelTargets& targets = assignment.levels[l];
    const Tensor classRows = rowsOf(cls[l]);
    const Tensor confidence = positiveConfidence(options, classRows, targets.labels);
    const ops::GflBoxLoss box =
        ops::gflBoxLoss(rowsOf(reg[l]), targets.centres, targets.boxes, confidence, options.boxLoss);
    sums.cls.push_back(options.version2
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
