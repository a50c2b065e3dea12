// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/deform_conv_kernel.h"

#include <algorithm>
#include <cmath>

#include "core/kernel.h"

namespace hd::ops::kernel {
namespace {

/// The four cells around a sampling point and their shares; those outside the picture have share 0.
template <class T>
struct Sample {
  int64_t cell[4];  ///< top left, top right, bottom left, bottom right
  T share[4];
  T slopeY[4], slopeX[4];  ///< of the shares
};

template <class T>
HD_INLINE Sample<T> sampleAt(const DeformShape& shape, T y, T x) {
  Sample<T> out{};
  const auto height = static_cast<T>(shape.height), width = static_cast<T>(shape.width);
  if (!(y > -1 && x > -1 && y < height && x < width)) return out;
  const T top = std::floor(y), left = std::floor(x), down = y - top, right = x - left;
  const auto row = static_cast<int64_t>(top), column = static_cast<int64_t>(left);
  for (int corner = 0; corner < 4; ++corner) {
    const int64_t r = row + corner / 2, c = column + corner % 2;
    if (r < 0 || c < 0 || r >= shape.height || c >= shape.width) continue;
    const T v = corner / 2 == 0 ? 1 - down : down, h = corner % 2 == 0 ? 1 - right : right;
    out.cell[corner] = r * shape.width + c;
    out.share[corner] = v * h;
    out.slopeY[corner] = corner / 2 == 0 ? -h : h;
    out.slopeX[corner] = corner % 2 == 0 ? -v : v;
  }
  return out;
}

/// One tap of one output cell in one group of channels.
template <class T>
HD_INLINE Sample<T> sampleOf(const DeformShape& shape, const T* offset, int64_t cell, int64_t group,
                             int64_t tap) {
  const int64_t taps = shape.taps();
  const T* shift = offset + cell * 2 * shape.offsetGroups * taps + 2 * (group * taps + tap);
  const int64_t baseY =
      cell / shape.outWidth * shape.strideY - shape.paddingY + tap / shape.kernelWidth * shape.dilationY;
  const int64_t baseX =
      cell % shape.outWidth * shape.strideX - shape.paddingX + tap % shape.kernelWidth * shape.dilationX;
  return sampleAt(shape, static_cast<T>(baseY) + shift[0], static_cast<T>(baseX) + shift[1]);
}

template <class T>
HD_INLINE T maskOf(const DeformShape& shape, const T* mask, int64_t cell, int64_t group, int64_t tap) {
  return mask == nullptr ? T{1} : mask[(cell * shape.offsetGroups + group) * shape.taps() + tap];
}

}  // namespace

template <class T>
HD_KERNEL void deformColumns(const DeformShape& shape, const DeformInput<T>& in, int64_t begin, int64_t end,
                             T* columns) {
  const int64_t taps = shape.taps(), perGroup = shape.channels / shape.offsetGroups;
  for (int64_t cell = begin; cell < end; ++cell) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t group = 0; group < shape.offsetGroups; ++group) {
        const Sample<T> sample = sampleOf(shape, in.offset, cell, group, tap);
        const T factor = maskOf(shape, in.mask, cell, group, tap);
        T* out = columns + (cell * taps + tap) * shape.channels + group * perGroup;
        const T* from[4];
        T share[4];
        for (int corner = 0; corner < 4; ++corner) {
          from[corner] = in.input + sample.cell[corner] * shape.channels + group * perGroup;
          share[corner] = sample.share[corner] * factor;
        }
        for (int64_t c = 0; c < perGroup; ++c) {
          out[c] =
              from[0][c] * share[0] + from[1][c] * share[1] + from[2][c] * share[2] + from[3][c] * share[3];
        }
      }
    }
  }
}

template <class T>
HD_KERNEL void deformOffsetGradient(const DeformShape& shape, const DeformInput<T>& in,
                                    const T* columnGradient, int64_t begin, int64_t end, T* offsetGradient,
                                    T* maskGradient) {
  const int64_t taps = shape.taps(), perGroup = shape.channels / shape.offsetGroups;
  for (int64_t cell = begin; cell < end; ++cell) {
    for (int64_t group = 0; group < shape.offsetGroups; ++group) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        const Sample<T> sample = sampleOf(shape, in.offset, cell, group, tap);
        const T* gradient = columnGradient + (cell * taps + tap) * shape.channels + group * perGroup;
        // Σ over channels of gradient · corner, once for each corner; the shares' slopes come after.
        T products[4] = {};
        for (int corner = 0; corner < 4; ++corner) {
          const T* from = in.input + sample.cell[corner] * shape.channels + group * perGroup;
          T sum = 0;
          for (int64_t c = 0; c < perGroup; ++c) sum += gradient[c] * from[c];
          products[corner] = sum;
        }
        T value = 0, slopeY = 0, slopeX = 0;
        for (int corner = 0; corner < 4; ++corner) {
          value += products[corner] * sample.share[corner];
          slopeY += products[corner] * sample.slopeY[corner];
          slopeX += products[corner] * sample.slopeX[corner];
        }
        const T factor = maskOf(shape, in.mask, cell, group, tap);
        T* out = offsetGradient + cell * 2 * shape.offsetGroups * taps + 2 * (group * taps + tap);
        out[0] = slopeY * factor;
        out[1] = slopeX * factor;
        if (maskGradient != nullptr) maskGradient[(cell * shape.offsetGroups + group) * taps + tap] = value;
      }
    }
  }
}

template <class T>
HD_KERNEL void deformInputGradient(const DeformShape& shape, const DeformInput<T>& in,
                                   const T* columnGradient, int64_t begin, int64_t end, T* inputGradient) {
  const int64_t taps = shape.taps(), perGroup = shape.channels / shape.offsetGroups;
  for (int64_t cell = 0; cell < shape.cells(); ++cell) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t group = begin / perGroup; group * perGroup < end; ++group) {
        const int64_t first = std::max(begin, group * perGroup), last = std::min(end, (group + 1) * perGroup);
        const Sample<T> sample = sampleOf(shape, in.offset, cell, group, tap);
        const T factor = maskOf(shape, in.mask, cell, group, tap);
        const T* gradient = columnGradient + (cell * taps + tap) * shape.channels;
        for (int corner = 0; corner < 4; ++corner) {
          const T share = sample.share[corner] * factor;
          if (share == 0) continue;
          T* out = inputGradient + sample.cell[corner] * shape.channels;
          for (int64_t c = first; c < last; ++c) out[c] += gradient[c] * share;
        }
      }
    }
  }
}

#define HD_INSTANTIATE(T)                                                                                   \
  template void deformColumns(const DeformShape&, const DeformInput<T>&, int64_t, int64_t, T*);             \
  template void deformOffsetGradient(const DeformShape&, const DeformInput<T>&, const T*, int64_t, int64_t, \
                                     T*, T*);                                                               \
  template void deformInputGradient(const DeformShape&, const DeformInput<T>&, const T*, int64_t, int64_t,  \
                                    T*);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
