#include "detectors/distribution_decoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/kernel.h"
#include "ops/cpu/suppression.h"

namespace hd::detectors {
namespace {

struct Location {
  float best;   // highest class score, times centerness
  int64_t row;  // cell, row-major, then anchor
};

/// Decoded candidates of an image, all levels: one box a location, one entry a (location, class).
struct Candidates {
  std::vector<float> boxes, scores;
  std::vector<int32_t> labels;
};

float sigmoid(float logit) {
  return 1.0f / (1.0f + std::exp(-logit));
}

/// A logit that no score above `threshold` falls below; a little low, because the scores decide in the end.
float logitBound(double threshold) {
  if (threshold <= 0) return -std::numeric_limits<float>::infinity();
  if (threshold >= 1) return std::numeric_limits<float>::infinity();
  const double logit = std::log(threshold / (1 - threshold));
  return static_cast<float>(logit - 1e-3 * (1 + std::abs(logit)));
}

/// Marks the rows with an entry above `bound`: most rows of a trained detector end here. NaN is never above.
HD_KERNEL void markRows(const float* logits, int64_t rows, int64_t columns, float bound, uint8_t* marks) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* values = logits + row * columns;
    int any = 0;
    for (int64_t i = 0; i < columns; ++i) any |= values[i] > bound ? 1 : 0;
    marks[row] = static_cast<uint8_t>(any);
  }
}

/// The level's anchors with a class above the threshold, at most `options.candidates`, by rising index.
std::vector<Location> bestLocations(const LevelMaps& level, int64_t classes, const PostProcess& options) {
  const int64_t rows = level.height * level.width * level.anchors;
  std::vector<uint8_t> marks(static_cast<size_t>(rows));
  markRows(level.classLogits, rows, classes, logitBound(options.scoreThreshold), marks.data());
  // With centerness, anchors below the threshold take places as well, as in the originals.
  const bool all = level.centerness != nullptr && rows > options.candidates;
  std::vector<Location> locations;
  for (int64_t row = 0; row < rows; ++row) {
    if (marks[row] == 0 && !all) continue;
    const float* logits = level.classLogits + row * classes;
    float highest = -std::numeric_limits<float>::infinity();
    for (int64_t c = 0; c < classes; ++c) highest = logits[c] > highest ? logits[c] : highest;
    const float best = sigmoid(highest);
    if (!(best > options.scoreThreshold) && !all) continue;
    locations.push_back({level.centerness == nullptr ? best : best * sigmoid(level.centerness[row]), row});
  }
  if (std::ssize(locations) > options.candidates) {
    // NaN ranks last.
    std::nth_element(locations.begin(), locations.begin() + options.candidates, locations.end(),
                     [](const Location& a, const Location& b) {
                       const float x = std::isnan(a.best) ? -1.0f : a.best,
                                   y = std::isnan(b.best) ? -1.0f : b.best;
                       return x != y ? x > y : a.row < b.row;
                     });
    locations.resize(static_cast<size_t>(options.candidates));
    std::sort(locations.begin(), locations.end(),
              [](const Location& a, const Location& b) { return a.row < b.row; });
  }
  return locations;
}

std::array<float, 4> boxAt(const LevelMaps& level, int64_t row, int64_t bins, const ImageTargets& image) {
  const auto stride = static_cast<float>(level.stride), offset = static_cast<float>(level.offset);
  const int64_t cell = row / level.anchors;
  const float x = (static_cast<float>(cell % level.width) + offset) * stride;
  const float y = (static_cast<float>(cell / level.width) + offset) * stride;
  const float* sides = level.sideLogits + row * 4 * bins;
  const auto width = static_cast<float>(image.width), height = static_cast<float>(image.height);
  return {std::clamp(x - expectedDistance(sides, bins) * stride, 0.0f, width),
          std::clamp(y - expectedDistance(sides + bins, bins) * stride, 0.0f, height),
          std::clamp(x + expectedDistance(sides + 2 * bins, bins) * stride, 0.0f, width),
          std::clamp(y + expectedDistance(sides + 3 * bins, bins) * stride, 0.0f, height)};
}

void collect(const LevelMaps& level, int64_t classes, int64_t bins, const ImageTargets& image,
             const PostProcess& options, Candidates& out) {
  const float bound = logitBound(options.scoreThreshold);
  for (const Location& location : bestLocations(level, classes, options)) {
    std::array<float, 4> box = boxAt(level, location.row, bins, image);
    if (!std::all_of(box.begin(), box.end(), [](float side) { return std::isfinite(side); })) continue;
    // Before suppression, as in mmdet: distances of centres depend on the scale of each axis.
    toOriginal(image, box.data());
    const float* logits = level.classLogits + location.row * classes;
    const float factor = level.centerness == nullptr ? 1.0f : sigmoid(level.centerness[location.row]);
    if (std::isnan(factor)) continue;
    for (int64_t c = 0; c < classes; ++c) {
      if (!(logits[c] > bound)) continue;
      const float score = sigmoid(logits[c]);
      if (!(score > options.scoreThreshold)) continue;
      out.boxes.insert(out.boxes.end(), box.begin(), box.end());
      out.scores.push_back(score * factor);
      out.labels.push_back(static_cast<int32_t>(c));
    }
  }
}

}  // namespace

float expectedDistance(const float* logits, int64_t bins) {
  float highest = logits[0];
  for (int64_t i = 1; i < bins; ++i) highest = std::max(highest, logits[i]);
  float sum = 0, moment = 0;
  for (int64_t i = 0; i < bins; ++i) {
    const float weight = std::exp(logits[i] - highest);
    sum += weight;
    moment += weight * static_cast<float>(i);
  }
  return moment / sum;
}

void toOriginal(const ImageTargets& image, float* box) {
  if (image.flipped) {
    const auto width = static_cast<float>(image.width);
    const float left = width - box[2], right = width - box[0];
    box[0] = left;
    box[2] = right;
  }
  for (int i = 0; i < 4; i += 2) {
    box[i] = (box[i] - image.offsetX) / image.scaleX;
    box[i + 1] = (box[i + 1] - image.offsetY) / image.scaleY;
  }
}

Detections decodeDistributions(const std::vector<View>& views, int64_t classes, int64_t bins,
                               const PostProcess& options) {
  Candidates candidates;
  for (const View& view : views) {
    for (const LevelMaps& level : view.levels)
      collect(level, classes, bins, *view.image, options, candidates);
  }
  ops::SuppressionOptions suppression = options.suppression;
  suppression.threshold = options.iouThreshold;
  suppression.limit = options.maxDetections;
  ops::Survivors survivors =
      ops::suppress(candidates.boxes.data(), candidates.scores.data(), candidates.labels.data(),
                    std::ssize(candidates.scores), suppression);
  Detections out;
  out.boxes = std::move(survivors.boxes);
  out.scores = std::move(survivors.scores);
  for (const int64_t index : survivors.index) out.labels.push_back(candidates.labels[index]);
  return out;
}

}  // namespace hd::detectors
