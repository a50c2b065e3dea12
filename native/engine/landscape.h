// How the AP of a detector changes when the features of another one are mixed into its own: the AP landscape
// of the LD repository (Zheng et al. 2022), and how far two detectors are apart.
#pragma once

#include <string>
#include <vector>

#include "core/batch.h"
#include "detectors/detector.h"

namespace hd::engine {

/// The head sees own · (features of its own neck) + other · (features of the other network's).
struct MixPoint {
  double own = 1, other = 0;
};

/// Mean absolute differences of one level over all cells of the canvas.
struct LevelError {
  std::string name;   ///< of the level: "p3"
  int64_t cells = 0;  ///< of all images of the batch
  double cls = 0;     ///< of the class scores (after the sigmoid), over classes
  double reg = 0;     ///< of the distributions of the box sides (after the softmax), over sides and bins
};

struct Mixed {
  std::vector<std::vector<Detections>> detections;  ///< by point, by image
  std::vector<LevelError> errors;                   ///< fine levels first
};

/// Runs both networks once on the batch and the head of `own` once a point. Throws HD_USAGE when the networks
/// do not have the same levels, channels, classes and bins.
Mixed detectMixed(detectors::Detector& own, detectors::Detector& other, const Batch& batch,
                  const std::vector<MixPoint>& points, const detectors::PostProcess& options);

}  // namespace hd::engine
