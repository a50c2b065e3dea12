// The embedded data set: scenes of plain shapes with exact boxes, polygons and keypoints, drawn when asked
// for.
//
// A scene is a function of (options, split, index) alone. Only arithmetic that IEEE rounds exactly takes part
// (no libm), so pictures and digests are equal on every CPU. A change of what is drawn must raise
// `syntheticVersion`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace hd::data {

inline constexpr int syntheticVersion = 1;

struct SyntheticOptions {
  int64_t count = 1000;
  int width = 128, height = 128;  ///< 16…4096
  uint64_t seed = 0;
  std::string split = "train";
  std::vector<std::string> classes{"circle", "square", "triangle", "star"};  ///< of syntheticShapes()
  int minObjects = 1, maxObjects = 6;
  double minScale = 0.2, maxScale = 0.5;  ///< an object's side over the picture's shorter side
  double maxOverlap = 0.3;                ///< of two boxes: intersection over the smaller one
};

/// Names that `classes` may hold.
std::vector<std::string> syntheticShapes();

/// Keypoints of each object: centre, first corner, the corner half way round; visibility 1 where a later
/// object covers them, else 2. Throws HD_DATA_SYNTHETIC for options out of range and HD_DATA_CLASSES for an
/// unknown shape.
std::shared_ptr<const Dataset> makeSynthetic(const SyntheticOptions& options);

}  // namespace hd::data
