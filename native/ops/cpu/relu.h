// ReLU for kernels.
#pragma once

#include "core/kernel.h"

namespace hd::ops::kernel {

/// max(value, 0) that lets NaN through.
template <class T>
HD_INLINE T positivePart(T value) {
  return value < T(0) ? T(0) : value;
}

}  // namespace hd::ops::kernel
