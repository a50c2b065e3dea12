// The grid of prior squares of point-based dense heads (GFL, ATSS): one square of side `scale`·stride a cell,
// centred at (x·stride, y·stride), without a half-pixel shift (mmdet's AnchorGenerator with octave_base_scale
// 8, one ratio).
//
// Anchor order everywhere: level, then row, then column. Invariant: `first` of a level is the number of
// anchors of the levels before it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace hd::detectors {

/// A box by its corners, in canvas pixels.
struct Box {
  float x1, y1, x2, y2;
};

struct GridLevel {
  int64_t stride = 0;
  int64_t height = 0, width = 0;  ///< cells
  int64_t first = 0;              ///< index of the level's first anchor
  int64_t count() const { return height * width; }
};

/// Part of a level that lies inside one image: rows below `height`, columns below `width`.
struct ValidCells {
  int64_t height = 0, width = 0;
};

class AnchorGrid {
 public:
  static constexpr int64_t defaultScale = 8;

  AnchorGrid() = default;
  /// Cells of a canvas under these strides: ceil(side / stride), as convolutions of stride 2 with padding 1
  /// give.
  AnchorGrid(int64_t canvasHeight, int64_t canvasWidth, const std::vector<int64_t>& strides,
             int64_t scale = defaultScale)
      : scale_(scale) {
    for (const int64_t stride : strides) {
      levels_.push_back(
          {stride, ceilDivide(canvasHeight, stride), ceilDivide(canvasWidth, stride), anchors_});
      anchors_ += levels_.back().count();
    }
  }

  const std::vector<GridLevel>& levels() const { return levels_; }
  int64_t anchors() const { return anchors_; }
  int64_t scale() const { return scale_; }
  float halfSide(const GridLevel& level) const { return 0.5f * static_cast<float>(scale_ * level.stride); }

  Box box(const GridLevel& level, int64_t row, int64_t column) const {
    const float half = halfSide(level);
    const auto x = static_cast<float>(column * level.stride), y = static_cast<float>(row * level.stride);
    return {x - half, y - half, x + half, y + half};
  }

  /// The cells of an image whose pixels fill height × width of the canvas: mmdet counts those inside the
  /// image padded to `divisor` (its pad_shape), so that an image keeps its own cells in a canvas that a
  /// larger one made.
  std::vector<ValidCells> validCells(int64_t height, int64_t width, int64_t divisor) const {
    const int64_t paddedHeight = ceilDivide(height, divisor) * divisor;
    const int64_t paddedWidth = ceilDivide(width, divisor) * divisor;
    std::vector<ValidCells> valid;
    for (const GridLevel& level : levels_) {
      valid.push_back({std::min(level.height, ceilDivide(paddedHeight, level.stride)),
                       std::min(level.width, ceilDivide(paddedWidth, level.stride))});
    }
    return valid;
  }

 private:
  static int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

  std::vector<GridLevel> levels_;
  int64_t anchors_ = 0;
  int64_t scale_ = defaultScale;
};

}  // namespace hd::detectors
