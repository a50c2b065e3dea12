// Overlaps of two boxes in single precision, with mmdet's floors.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.h"
#include "detectors/anchors.h"

namespace hd::detectors {

constexpr float overlapEpsilon = 1e-6f;  ///< floor of unions and diagonals

inline float area(const Box& box) {
  return (box.x2 - box.x1) * (box.y2 - box.y1);
}

inline float intersection(const Box& a, const Box& b) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  return std::max(width, 0.0f) * std::max(height, 0.0f);
}

/// IoU.
inline float overlapOverUnion(const Box& a, const Box& b) {
  const float overlap = intersection(a, b);
  return overlap / std::max(area(a) + area(b) - overlap, overlapEpsilon);
}

/// ρ²/c²: squared centre distance over the squared diagonal of the enclosing box.
inline float centrePenalty(const Box& a, const Box& b) {
  const float dx = (b.x1 + b.x2) - (a.x1 + a.x2), dy = (b.y1 + b.y2) - (a.y1 + a.y2);
  const float width = std::max(a.x2, b.x2) - std::min(a.x1, b.x1);
  const float height = std::max(a.y2, b.y2) - std::min(a.y1, b.y1);
  return (dx * dx + dy * dy) / 4 / std::max(width * width + height * height, overlapEpsilon);
}

/// Box `index` of 4 × n coordinates.
inline Box boxAt(std::span<const float> boxes, int64_t index) {
  const float* corner = boxes.data() + 4 * index;
  return {corner[0], corner[1], corner[2], corner[3]};
}

/// Throws HD_DATA_BOX naming the box.
inline void requireFinite(std::span<const float> boxes, const char* what) {
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (std::isfinite(boxes[i])) continue;
    throw Error("HD_DATA_BOX",
                concat("expected finite coordinates for ", what, " box ", i / 4, " but received ", boxes[i],
                       ": run 'hdtrain check' and remove or mend the annotation"));
  }
}

}  // namespace hd::detectors
