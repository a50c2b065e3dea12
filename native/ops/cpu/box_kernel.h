// Loops of box losses and overlaps; boxes are rows of x1, y1, x2, y2. Torch-free.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/cpu/box_math.h"

namespace hd::ops::kernel {

/// out[i] = loss of pair i, for i in [begin, end).
template <class T>
void boxLossRows(BoxLossKind kind, const T* pred, const T* target, T eps, T* out, int64_t begin, int64_t end);

/// Σ weight · loss; rows of weight 0 are not read.
template <class T>
double boxLossSum(BoxLossKind kind, const T* pred, const T* target, const T* weight, T eps, int64_t begin,
                  int64_t end);

/// gradient[i] = coefficient[i] · ∂loss/∂pred; zeros where the coefficient is 0.
template <class T>
void boxLossGradient(BoxLossKind kind, const T* pred, const T* target, const T* coefficient, T eps,
                     T* gradient, int64_t begin, int64_t end);

/// Boxes [count, 4] as columns x1, y1, x2, y2 [4, count]: a loop over them then loads neighbours.
template <class T>
std::vector<T> boxColumns(const T* boxes, int64_t count);

/// out[i, j] = overlap of a[i] with box j of `columns`, rows [begin, end) of a; `out` has `count` columns.
template <class T>
void boxIouMatrix(BoxIouKind kind, const T* a, const T* columns, int64_t count, T eps, T* out, int64_t begin,
                  int64_t end);

/// out[i] = overlap of a[i] with b[i].
template <class T>
void boxIouAligned(BoxIouKind kind, const T* a, const T* b, T eps, T* out, int64_t begin, int64_t end);

// Instantiated for float and double in box_kernel.cpp.

}  // namespace hd::ops::kernel
