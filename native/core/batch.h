// What a loader hands to an engine: pixels that stay where the decode thread wrote them, and plain targets.
// No torch here, so that data/ builds without it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/colour.h"

namespace hd {

/// One picture's place in the canvas and its targets.
struct ImageTargets {
  int64_t image = -1;         ///< index in the data set
  int64_t position = -1;      ///< place in the global order of the epoch
  int width = 0, height = 0;  ///< valid pixels in the canvas; the rest is padding (right, bottom)
  int originalWidth = 0, originalHeight = 0;  ///< of the file, before any transform
  float scaleX = 1, scaleY = 1;    ///< canvas pixels per original pixel (after resize; for mapping back)
  float offsetX = 0, offsetY = 0;  ///< canvas = original · scale + offset
  bool flipped = false;            ///< horizontally; canvas x = width − x after scale and offset
  std::vector<float> boxes;     ///< x1, y1, x2, y2 in canvas pixels, clipped to the valid part; 4 × objects
  std::vector<int32_t> labels;  ///< class of each box, 0-based
  std::vector<float> crowd;     ///< boxes to ignore (crowd, difficult); 4 × regions
  std::vector<std::vector<float>> keypoints;  ///< per object: x, y, visibility triples; may be empty
  std::vector<std::vector<std::vector<float>>>
      polygons;  ///< per object: polygons of x, y pairs; may be empty
  /// What happens to the colours of the valid part on the way into a network, in floating point, where values
  /// may leave 0…255; settled (no contrast of their own).
  std::vector<ColourTurn> colours;
};

/// uint8 RGB, NHWC, contiguous; `pixels` is owned by the slot and valid until the slot is released.
struct Batch {
  const uint8_t* pixels = nullptr;
  int64_t count = 0, height = 0, width = 0;
  std::vector<ImageTargets> images;  ///< `count` of them

  /// Images [first, first + size) as a batch over the same pixels.
  Batch part(int64_t first, int64_t size) const {
    Batch out{pixels + first * height * width * 3, size, height, width, {}};
    out.images.assign(images.begin() + first, images.begin() + first + size);
    return out;
  }
};

/// Detections of one image, in original pixels, by falling score (ties: lower class, then lower candidate
/// index).
struct Detections {
  std::vector<float> boxes;  ///< x1, y1, x2, y2; 4 × count
  std::vector<float> scores;
  std::vector<int32_t> labels;
  int64_t size() const { return static_cast<int64_t>(scores.size()); }
};

}  // namespace hd
