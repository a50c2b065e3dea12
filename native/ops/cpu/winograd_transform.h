// Transforms between feature maps or 3×3 weights and the matrices of the Winograd convolution
// (ops/winograd.h). Torch-free. Every function works on one panel of 16 channels, so that calls on different
// panels, rows or tiles write disjoint memory and give the same bits in any order.
#pragma once

#include "ops/cpu/winograd_layout.h"

namespace hd::ops::kernel {

/// Tiles whose matrices are held at once: rows [0, count) of the matrices are tiles [first, first + count) of
/// the levels.
struct TileBlock {
  int64_t first, count;
};

/// V = Bᵀ d B of the 6×6 patches around the tiles, zeros outside the image, for rows [begin, end); rows from
/// block.count on become zeros.
void transformInput(TiledLevels<const float> levels, TileBlock block, int64_t begin, int64_t end,
                    int64_t panel, const PointMatrices& out);

/// dM = A dy Aᵀ of the 4×4 tiles of an output gradient, zeros outside the image, for rows [begin, end) of the
/// block.
void transformGradient(TiledLevels<const float> levels, TileBlock block, int64_t begin, int64_t end,
                       int64_t panel, const PointMatrices& out);

/// What is added to a result on its way to memory.
struct Epilogue {
  const float* bias = nullptr;              ///< one value a channel
  const float* const* residuals = nullptr;  ///< one map a level, laid out as the level's pixels
  bool relu = false;
};

/// y = relu?(Aᵀ M A + bias + residual), written where the tile covers the image, for rows [begin, end) of the
/// block.
void transformOutput(const PointMatrices& in, TileBlock block, int64_t begin, int64_t end, int64_t panel,
                     const Epilogue& epilogue, TiledLevels<float> levels);

/// U = G g Gᵀ for input channels [begin, end): row = input channel, column = output channel.
void transformWeight(const WeightView<const float>& weight, int64_t begin, int64_t end, int64_t panel,
                     const PointMatrices& out);

/// dg = Gᵀ dU G for input channels [begin, end).
void transformWeightGradient(const PointMatrices& in, int64_t begin, int64_t end, int64_t panel,
                             const WeightView<float>& weight);

}  // namespace hd::ops::kernel
