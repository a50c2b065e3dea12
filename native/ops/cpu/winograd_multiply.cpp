// Fused multiply-adds for every function below in the clones that have them; plain ones in the baseline
// clone.
#pragma GCC optimize("fp-contract=fast")

#include "ops/cpu/winograd_multiply.h"

#include <cstring>

#include "core/kernel.h"

namespace hd::ops::kernel {
namespace {

using Vector8 = float __attribute__((vector_size(32)));
using Vector16 = float __attribute__((vector_size(64)));

/// sum[r][v] += Σ_k left[r·rowStep + k·innerStep] · right[v·vectorStride + k·16 …]
template <int64_t rowStep, int64_t innerStep, class Vector, int rows, int vectors>
HD_INLINE void accumulate(Vector (&sum)[rows][vectors], const float* left, const float* right,
                          int64_t vectorStride, int64_t count) {
  for (int64_t k = 0; k < count; ++k, left += innerStep, right += panelWidth) {
    Vector columns[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) std::memcpy(&columns[v], right + v * vectorStride, sizeof(Vector));
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[r][v] += left[r * rowStep] * columns[v];
    }
  }
}

template <class Vector, int rows, int vectors>
HD_INLINE void storeTile(const Vector (&sum)[rows][vectors], float* out, int64_t vectorStride) {
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      std::memcpy(out + r * panelWidth + v * vectorStride, &sum[r][v], sizeof(Vector));
  }
}

template <class Vector, int rows, int vectors>
HD_INLINE void loadTile(Vector (&sum)[rows][vectors], const float* out, int64_t vectorStride) {
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      std::memcpy(&sum[r][v], out + r * panelWidth + v * vectorStride, sizeof(Vector));
  }
}

/// Columns of `vectors` vectors from panel `panel` on; vectors lie `rightStride` and `outStride` elements
/// apart.
template <class Vector, int vectors>
HD_INLINE void multiplyTilesPanel(const PointMatrices& left, const PointMatrices& right,
                                  const PointMatrices& out, int64_t point, int64_t panel, int64_t rightStride,
                                  int64_t outStride) {
  for (int64_t row = 0; row < left.rows; row += rowGroup) {
    Vector sum[rowGroup][vectors] = {};
    for (int64_t inner = 0; inner < left.channels; inner += panelWidth) {
      const int64_t count = left.channels - inner < panelWidth ? left.channels - inner : panelWidth;
      accumulate<panelWidth, 1>(sum, left.at(point, inner / panelWidth, row), right.at(point, panel, inner),
                                rightStride, count);
    }
    storeTile(sum, out.at(point, panel, row), outStride);
  }
}

template <class Vector, int rows, int vectors>
HD_INLINE void multiplyTransposedTile(const float* left, const float* right, float* out, int64_t tiles,
                                      bool add, int64_t rightStride, int64_t outStride) {
  Vector sum[rows][vectors] = {};
  if (add) loadTile(sum, out, outStride);
  accumulate<1, panelWidth>(sum, left, right, rightStride, tiles);
  storeTile(sum, out, outStride);
}

template <class Vector, int vectors>
HD_INLINE void multiplyTransposedPanel(const PointMatrices& left, const PointMatrices& right,
                                       const PointMatrices& out, int64_t point, int64_t tiles, bool add,
                                       int64_t panel, int64_t rightStride, int64_t outStride) {
  static_assert(panelWidth == 2 * rowGroup + 4);
  const float* columns = right.at(point, panel, 0);
  for (int64_t leftPanel = 0; leftPanel < left.panels(); ++leftPanel) {
    const float* rows = left.at(point, leftPanel, 0);
    float* to = out.at(point, panel, leftPanel * panelWidth);
    multiplyTransposedTile<Vector, 6, vectors>(rows, columns, to, tiles, add, rightStride, outStride);
    multiplyTransposedTile<Vector, 6, vectors>(rows + 6, columns, to + 6 * panelWidth, tiles, add,
                                               rightStride, outStride);
    multiplyTransposedTile<Vector, 4, vectors>(rows + 12, columns, to + 12 * panelWidth, tiles, add,
                                               rightStride, outStride);
  }
}

HD_KERNEL void tilesNarrow(const PointMatrices& left, const PointMatrices& right, const PointMatrices& out,
                           int64_t point, int64_t panelBegin, int64_t panelEnd) {
  for (int64_t panel = panelBegin; panel < panelEnd; ++panel) {
    multiplyTilesPanel<Vector8, 2>(left, right, out, point, panel, 8, 8);
  }
}

HD_KERNEL void transposedNarrow(const PointMatrices& left, const PointMatrices& right,
                                const PointMatrices& out, int64_t point, int64_t tiles, bool add,
                                int64_t panelBegin, int64_t panelEnd) {
  for (int64_t panel = panelBegin; panel < panelEnd; ++panel) {
    multiplyTransposedPanel<Vector8, 2>(left, right, out, point, tiles, add, panel, 8, 8);
  }
}

// The wide forms take two panels at a time; the register tile's shape cannot differ between clones of one
// function.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(HD_SANITIZE)
#define HD_WIDE __attribute__((target("arch=x86-64-v4")))
bool hasWide() {
  return __builtin_cpu_supports("x86-64-v4") != 0;
}
#else
#define HD_WIDE
bool hasWide() {
  return false;
}
#endif

HD_WIDE void tilesWide(const PointMatrices& left, const PointMatrices& right, const PointMatrices& out,
                       int64_t point, int64_t panelBegin, int64_t panelEnd) {
  const int64_t rightStride = right.rows * panelWidth, outStride = out.rows * panelWidth;
  int64_t panel = panelBegin;
  for (; panel + 1 < panelEnd; panel += 2) {
    multiplyTilesPanel<Vector16, 2>(left, right, out, point, panel, rightStride, outStride);
  }
  if (panel < panelEnd) multiplyTilesPanel<Vector16, 1>(left, right, out, point, panel, 0, 0);
}

HD_WIDE void transposedWide(const PointMatrices& left, const PointMatrices& right, const PointMatrices& out,
                            int64_t point, int64_t tiles, bool add, int64_t panelBegin, int64_t panelEnd) {
  const int64_t rightStride = right.rows * panelWidth, outStride = out.rows * panelWidth;
  int64_t panel = panelBegin;
  for (; panel + 1 < panelEnd; panel += 2) {
    multiplyTransposedPanel<Vector16, 2>(left, right, out, point, tiles, add, panel, rightStride, outStride);
  }
  if (panel < panelEnd)
    multiplyTransposedPanel<Vector16, 1>(left, right, out, point, tiles, add, panel, 0, 0);
}

}  // namespace

void multiplyTiles(const PointMatrices& left, const PointMatrices& right, const PointMatrices& out,
                   int64_t point, int64_t panelBegin, int64_t panelEnd) {
  (hasWide() ? tilesWide : tilesNarrow)(left, right, out, point, panelBegin, panelEnd);
}

void multiplyTransposed(const PointMatrices& left, const PointMatrices& right, const PointMatrices& out,
                        int64_t point, int64_t tiles, bool add, int64_t panelBegin, int64_t panelEnd) {
  (hasWide() ? transposedWide : transposedNarrow)(left, right, out, point, tiles, add, panelBegin, panelEnd);
}

}  // namespace hd::ops::kernel
