// How candidates become detections. No torch, so that decoders stay plain loops.
#pragma once

#include <cstdint>

#include "core/value.h"
#include "ops/cpu/suppression.h"

namespace hd::detectors {

/// The fields of the recipe's `eval` section.
struct PostProcess {
  double scoreThreshold = 0.05;  ///< (location, class) pairs strictly above it are candidates; 0–1
  int64_t candidates = 1000;     ///< locations a level that take part, by their best class (nms_pre); ≥ 1
  double iouThreshold = 0.6;     ///< a strictly greater IoU with a better box of the class suppresses; 0–1
  int64_t maxDetections = 100;   ///< an image; ≥ 1
  /// `suppression`: { kind greedy|cluster|cluster-diou|soft-linear|soft-gaussian [greedy], voting
  /// none|score|paa [none], beta [0.8], sigma [0.5], minScore [0.001] }; its threshold and limit are
  /// the above, whatever they hold here.
  ops::SuppressionOptions suppression;
  /// Views of a picture: with 2 the second half of the batch is the first one mirrored (engine/mirror.h), the
  /// candidates of both go into one suppression, and only the first half has detections. No option of its
  /// own: who makes the views sets it.
  int64_t views = 1;
  /// Reads the members of these names; missing ones keep their default. Throws HD_RECIPE_VALUE out of range.
  static PostProcess from(const Value& options);
};

}  // namespace hd::detectors
