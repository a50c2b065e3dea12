// The grid of prior boxes of dense heads: the same few shapes in every cell, centred at (x + offset)·stride,
// (y + offset)·stride. GFL and ATSS: one square of 8 strides, no offset (mmdet's AnchorGenerator with
// octave_base_scale 8, one ratio); RetinaNet: nine shapes; FCOS: points in the middle of the cells.
//
// Anchor order everywhere: level, then row, then column, then shape. Invariant: `first` of a level is the
// number of anchors of the levels before it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
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
  int64_t perCell = 1;            ///< anchors of a cell
  int64_t cells() const { return height * width; }
  int64_t count() const { return cells() * perCell; }
  int64_t firstCell() const { return first / perCell; }
};

/// Part of a level that lies inside one image: rows below `height`, columns below `width`.
struct ValidCells {
  int64_t height = 0, width = 0;
};

/// Sides of an anchor in strides.
struct AnchorShape {
  float width, height;
};

/// The anchors of one cell.
struct AnchorLayout {
  std::vector<AnchorShape> shapes{{8, 8}};
  double offset = 0;  ///< of the centre from the cell's corner, in strides
};

class AnchorGrid {
 public:
  AnchorGrid() = default;
  /// Cells of a canvas under these strides: ceil(side / stride), as convolutions of stride 2 with padding 1
  /// give.
  AnchorGrid(int64_t canvasHeight, int64_t canvasWidth, const std::vector<int64_t>& strides,
             AnchorLayout layout = {})
      : layout_(std::move(layout)) {
    const auto perCell = static_cast<int64_t>(layout_.shapes.size());
    for (const int64_t stride : strides) {
      levels_.push_back(
          {stride, ceilDivide(canvasHeight, stride), ceilDivide(canvasWidth, stride), anchors_, perCell});
      anchors_ += levels_.back().count();
    }
  }

  const std::vector<GridLevel>& levels() const { return levels_; }
  const AnchorLayout& layout() const { return layout_; }
  int64_t anchors() const { return anchors_; }

  /// Of a row or column of cells, in pixels.
  double centre(const GridLevel& level, int64_t line) const {
    return (static_cast<double>(line) + layout_.offset) * static_cast<double>(level.stride);
  }

  Box box(const GridLevel& level, int64_t row, int64_t column, int64_t shape = 0) const {
    const auto& [width, height] = layout_.shapes[static_cast<size_t>(shape)];
    const auto stride = static_cast<float>(level.stride);
    const auto x = static_cast<float>(centre(level, column)), y = static_cast<float>(centre(level, row));
    const float halfWidth = 0.5f * (width * stride), halfHeight = 0.5f * (height * stride);
    return {x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight};
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

  /// Calls visit(anchor, box) for every valid anchor that may overlap `object`, in rising order.
  template <class Visit>
  void forOverlapping(const std::vector<ValidCells>& valid, const Box& object, Visit visit) const {
    float widest = 0, tallest = 0;
    for (const auto& [width, height] : layout_.shapes) {
      widest = std::max(widest, width);
      tallest = std::max(tallest, height);
    }
    for (size_t l = 0; l < levels_.size(); ++l) {
      const GridLevel& level = levels_[l];
      const auto stride = static_cast<double>(level.stride);
      const auto line = [&](double position, int64_t lines) {
        return static_cast<int64_t>(
            std::clamp(position / stride - layout_.offset, 0.0, static_cast<double>(lines)));
      };
      // A line or two more than needed at the far side: rounding cannot cost an anchor.
      const double halfWidth = 0.5 * widest * stride, halfHeight = 0.5 * tallest * stride;
      const int64_t lastRow = line(object.y2 + halfHeight + 2 * stride, valid[l].height);
      const int64_t lastColumn = line(object.x2 + halfWidth + 2 * stride, valid[l].width);
      for (int64_t row = line(object.y1 - halfHeight, valid[l].height); row < lastRow; ++row) {
        for (int64_t column = line(object.x1 - halfWidth, valid[l].width); column < lastColumn; ++column) {
          int64_t anchor = level.first + (row * level.width + column) * level.perCell;
          for (int64_t shape = 0; shape < level.perCell; ++shape, ++anchor)
            visit(anchor, box(level, row, column, shape));
        }
      }
    }
  }

 private:
  static int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

  std::vector<GridLevel> levels_;
  AnchorLayout layout_;
  int64_t anchors_ = 0;
};

}  // namespace hd::detectors
