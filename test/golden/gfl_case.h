// What the GFL fixtures share: configuration, batches, per-level losses, detections.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/batch.h"
#include "detectors/gfl.h"
#include "tensors.h"

namespace golden {

using hd::Value;
using hd::detectors::GflAssignment;
using hd::detectors::GflOptions;
using hd::detectors::GflScales;
using hd::detectors::GflSums;

template <class Number>
std::vector<Number> listOf(const Value& object, const char* key) {
  const auto numbers = object.numbers(key);
  return {numbers.begin(), numbers.end()};
}

/// From {num_classes, reg_max, strides?}: without strides the family's.
inline GflOptions gflOptions(const Value& config) {
  GflOptions options;
  options.classes = config.at("num_classes").asInt();
  options.regMax = config.at("reg_max").asInt();
  if (config.find("strides") != nullptr) options.strides = listOf<int64_t>(config, "strides");
  return options;
}

/// Targets of every image; the padded shape of each must be what the detector's divisor makes of its size.
inline hd::Batch batchOf(Checker& check, const GflOptions& options, int64_t height, int64_t width,
                         const Value& metas, const Value& boxes, const Value& labels) {
  hd::Batch batch;
  batch.height = height;
  batch.width = width;
  batch.count = static_cast<int64_t>(metas.asArray().size());
  for (size_t i = 0; i < metas.asArray().size(); ++i) {
    const Value& meta = metas.asArray()[i];
    const auto size = listOf<int64_t>(meta, "img_shape_hw"), padded = listOf<int64_t>(meta, "pad_shape_hw");
    for (int side = 0; side < 2; ++side) {
      check.equal((size[side] + options.divisor - 1) / options.divisor * options.divisor, padded[side],
                  "padded shape");
    }
    hd::ImageTargets image;
    image.height = static_cast<int>(size[0]);
    image.width = static_cast<int>(size[1]);
    const auto corners = dataOf(boxes.asArray()[i]);
    image.boxes.assign(corners.begin(), corners.end());
    for (const Value& label : labels.asArray()[i].asArray())
      image.labels.push_back(static_cast<int32_t>(label.asInt()));
    batch.images.push_back(std::move(image));
  }
  return batch;
}

/// Scales of one batch on its own.
inline GflScales scalesOf(const GflOptions& options, const std::vector<torch::Tensor>& cls,
                          const GflAssignment& assignment) {
  return hd::detectors::gflScales(assignment.normalisers[0],
                                  hd::detectors::confidenceSum(options, cls, assignment));
}

/// The weighted losses of mmdet (box 2, dfl 0.25) level by level.
inline void checkLevelLosses(Checker& check, const Value& expected, const GflSums& sums,
                             const GflScales& scales, Tolerance tolerance, const std::string& what) {
  const auto compare = [&](const char* name, const std::vector<torch::Tensor>& levels, double factor) {
    std::vector<double> values;
    for (const torch::Tensor& level : levels) values.push_back(level.item<double>() * factor);
    check.close(values, expected.numbers(name), tolerance, hd::concat(what, " ", name));
  };
  compare("loss_cls", sums.cls, scales.cls);
  compare("loss_bbox", sums.box, 2 * scales.box);
  compare("loss_dfl", sums.dfl, 0.25 * scales.dfl);
}

inline torch::Tensor totalLoss(const GflSums& sums, const GflScales& scales) {
  return at::stack(sums.cls).sum() * scales.cls + at::stack(sums.box).sum() * (2 * scales.box) +
         at::stack(sums.dfl).sum() * (0.25 * scales.dfl);
}

/// One expected detection: box, score, label.
struct Found {
  std::vector<double> box;
  double score;
  int64_t label;
};

/// In order, or as a set where the original's own order is not stable.
inline void checkDetections(Checker& check, const hd::Detections& actual, const std::vector<Found>& expected,
                            bool ordered, Tolerance boxes, Tolerance scores, const std::string& what) {
  if (!check.equal(actual.size(), expected.size(), what + " count")) return;
  std::vector<char> used(expected.size());
  const auto near = [](double a, double b, Tolerance t) {
    return std::abs(a - b) <= t.atol + t.rtol * std::abs(b);
  };
  for (size_t e = 0; e < expected.size(); ++e) {
    const Found& found = expected[e];
    const auto matches = [&](size_t d) {
      bool same = actual.labels[d] == found.label && near(actual.scores[d], found.score, scores);
      for (size_t s = 0; s < 4; ++s) same = same && near(actual.boxes[4 * d + s], found.box[s], boxes);
      return same;
    };
    bool hit = ordered && matches(e);
    for (size_t d = 0; !ordered && !hit && d < expected.size(); ++d) {
      if (used[d] || !matches(d)) continue;
      used[d] = 1;
      hit = true;
    }
    check.truth(hit,
                hd::concat(what, " detection ", e, " of class ", found.label, " with score ", found.score));
  }
}

}  // namespace golden
