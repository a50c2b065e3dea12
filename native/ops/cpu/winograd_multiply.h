// The products at each interpolation point of the Winograd convolution (ops/winograd.h). Torch-free.
//
// A register tile of 6 rows × 16 columns (32 with AVX-512) stays in registers over the whole inner dimension;
// the right panel (16 KiB at 256 channels) stays in the first-level cache while the left matrix streams from
// the second. Products are fused multiply-adds where the CPU has them, summed in the order of the inner
// index.
#pragma once

#include "ops/cpu/winograd_layout.h"

namespace hd::ops::kernel {

/// out = left · right for one point and the column panels [panelBegin, panelEnd) of `out`.
/// left: rows × K with a multiple of 6 rows; right: at least K rows × N; out: the rows of left × N.
void multiplyTiles(const PointMatrices& left, const PointMatrices& right, const PointMatrices& out,
                   int64_t point, int64_t panelBegin, int64_t panelEnd);

/// out (+)= leftᵀ · right for one point and the column panels [panelBegin, panelEnd) of `out`, over the first
/// `tiles` rows of both. out: a multiple of 16 rows, at least left's channels. `add`: keep what `out` holds
/// and add to it.
void multiplyTransposed(const PointMatrices& left, const PointMatrices& right, const PointMatrices& out,
                        int64_t point, int64_t tiles, bool add, int64_t panelBegin, int64_t panelEnd);

}  // namespace hd::ops::kernel
