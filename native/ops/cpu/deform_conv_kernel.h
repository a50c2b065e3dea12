// Loops of deformable convolution: sampling, and the gradients through it. Definitions: ops/deform_conv.h.
//
// Maps of one picture are row-major over cells with contiguous channels. Columns hold, for each output cell
// and kernel tap, the sampled channels: [cells, taps, channels].
#pragma once

#include <cstdint>

namespace hd::ops::kernel {

struct DeformShape {
  int64_t channels, height, width;  ///< of the input
  int64_t outHeight, outWidth;
  int64_t kernelHeight, kernelWidth;
  int64_t strideY, strideX, paddingY, paddingX, dilationY, dilationX;
  int64_t offsetGroups;  ///< equal groups of channels with offsets of their own
  int64_t taps() const { return kernelHeight * kernelWidth; }
  int64_t cells() const { return outHeight * outWidth; }
};

/// `offset` [cells, 2 · groups · taps]: dy, dx of each tap; `mask` [cells, groups · taps] or null.
template <class T>
struct DeformInput {
  const T *input, *offset, *mask;
};

/// Columns of the output cells [begin, end); bilinear, zeros outside the picture.
template <class T>
void deformColumns(const DeformShape& shape, const DeformInput<T>& in, int64_t begin, int64_t end,
                   T* columns);

/// From gradients of columns to those of offsets and (when not null) masks, for the cells [begin, end).
template <class T>
void deformOffsetGradient(const DeformShape& shape, const DeformInput<T>& in, const T* columnGradient,
                          int64_t begin, int64_t end, T* offsetGradient, T* maskGradient);

/// Adds the gradient of the input for the channels [begin, end), over all cells in their order.
template <class T>
void deformInputGradient(const DeformShape& shape, const DeformInput<T>& in, const T* columnGradient,
                         int64_t begin, int64_t end, T* inputGradient);

// Instantiated for float and double in deform_conv_kernel.cpp.

}  // namespace hd::ops::kernel
