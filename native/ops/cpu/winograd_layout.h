// Memory that the stages of the Winograd convolution (ops/winograd.h) hand to each other. Torch-free.
#pragma once

#include <cstdint>
#include <span>

namespace hd::ops::kernel {

constexpr int64_t tileSide = 4;   ///< output cells of a tile along one side
constexpr int64_t patchSide = 6;  ///< input cells that a tile reads, and interpolation points
constexpr int64_t tilePoints = patchSide * patchSide;  ///< products, one matrix each
constexpr int64_t panelWidth = 16;                     ///< channels that lie side by side
constexpr int64_t rowGroup = 6;                        ///< rows that one register tile of the product holds

constexpr int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
constexpr int64_t panelsOf(int64_t channels) {
  return (channels + panelWidth - 1) / panelWidth;
}

/// 36 matrices of `rows` × `channels`, stored as [point][panel][row][16]. Rows are tiles (V, M, dM) or input
/// channels (U); columns past the last channel exist up to a multiple of 16 and hold zeros. The odd line
/// between two matrices keeps the 36 streams of a transform out of the same cache set.
struct PointMatrices {
  float* data;
  int64_t rows, channels;

  static int64_t matrixStride(int64_t rows, int64_t channels) {
    return panelsOf(channels) * rows * panelWidth + panelWidth;
  }
  static int64_t elements(int64_t rows, int64_t channels) {
    return tilePoints * matrixStride(rows, channels);
  }

  int64_t panels() const { return panelsOf(channels); }
  int64_t stride() const { return matrixStride(rows, channels); }
  float* at(int64_t point, int64_t panel, int64_t row) const {
    return data + point * stride() + (panel * rows + row) * panelWidth;
  }
};

/// One feature level, dense N×H×W×C memory, cut into tiles row by row; tile numbers run on from level to
/// level. `Pixel` is float or const float.
template <class Pixel>
struct TiledLevel {
  Pixel* pixels;
  int64_t batch, height, width;
  int64_t firstTile;

  int64_t tilesDown() const { return (height + tileSide - 1) / tileSide; }
  int64_t tilesAcross() const { return (width + tileSide - 1) / tileSide; }
  int64_t tiles() const { return batch * tilesDown() * tilesAcross(); }
};
template <class Pixel>
using TiledLevels = std::span<const TiledLevel<Pixel>>;

/// A 3×3 weight in any layout: element (out, in, y, x) is data[out·outStride + in·inStride + y·rowStride +
/// x·columnStride].
template <class Element>
struct WeightView {
  Element* data;
  int64_t outStride, inStride, rowStride, columnStride;

  /// The convolution that maps output gradients to input gradients: turned by 180°, channels exchanged.
  WeightView transposed() const {
    return {data + 2 * (rowStride + columnStride), inStride, outStride, -rowStride, -columnStride};
  }
};

}  // namespace hd::ops::kernel
