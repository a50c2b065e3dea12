// Drawing of synthetic scenes: backgrounds, anti-aliased polygons by exact pixel coverage, sensor noise.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"

namespace hd::data {

using Colour = std::array<float, 3>;  ///< 0…255

class ScenePainter {
 public:
  /// Writes RGB8 rows that lie `pitch` bytes apart; the memory outlives the painter.
  ScenePainter(uint8_t* pixels, size_t pitch, int width, int height)
      : pixels_(pixels), pitch_(pitch), width_(width), height_(height) {}

  /// Gradient between two colours with blobs or stripes; returns its mean colour.
  Colour paintBackground(Random& random);
  /// Two thin strokes or none, so that not everything that stands out is an object.
  void paintClutter(Random& random);
  /// Fills a simple polygon (x, y pairs), brighter at the top by `shade` of 1. Each pixel is blended by the
  /// exact share of its area that the polygon covers.
  void fill(std::span<const float> polygon, const Colour& colour, float shade = 0);
  /// Triangular noise of up to ±amplitude on every channel.
  void addNoise(uint32_t seed, float amplitude);

 private:
  uint8_t* row(int y) const { return pixels_ + static_cast<size_t>(y) * pitch_; }

  uint8_t* pixels_;
  size_t pitch_;
  int width_, height_;
  std::vector<float> cover_;  // of the polygon being filled, over its bounding box
};

/// Share of each pixel's area inside the polygon, rows of `width` from (left, top); in [0, 1]. The test's
/// reference samples points.
void polygonCoverage(std::span<const float> polygon, int left, int top, int width, int height,
                     std::vector<float>& cover);

}  // namespace hd::data
