// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/box_kernel.h"

#include <algorithm>

namespace hd::ops::kernel {
namespace {

// One loop per kind: the switch must not stand inside it.
template <BoxIouKind Kind, class T>
HD_INLINE void iouRow(const T* a, const T* x1, const T* y1, const T* x2, const T* y2, int64_t count, T eps,
                      T* out) {
  for (int64_t j = 0; j < count; ++j) {
    const T b[4] = {x1[j], y1[j], x2[j], y2[j]};
    out[j] = boxIou(Kind, a, b, eps);
  }
}

}  // namespace

template <class T>
void boxLossRows(BoxLossKind kind, const T* pred, const T* target, T eps, T* out, int64_t begin,
                 int64_t end) {
  for (int64_t i = begin; i < end; ++i) out[i] = boxLoss(kind, pred + 4 * i, target + 4 * i, eps).value;
}

template <class T>
double boxLossSum(BoxLossKind kind, const T* pred, const T* target, const T* weight, T eps, int64_t begin,
                  int64_t end) {
  double sum = 0;
  for (int64_t i = begin; i < end; ++i) {
    if (weight[i] == 0) continue;
    sum += static_cast<double>(weight[i] * boxLoss(kind, pred + 4 * i, target + 4 * i, eps).value);
  }
  return sum;
}

template <class T>
void boxLossGradient(BoxLossKind kind, const T* pred, const T* target, const T* coefficient, T eps,
                     T* gradient, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    T* out = gradient + 4 * i;
    if (coefficient[i] == 0) {
      std::fill(out, out + 4, T(0));
      continue;
    }
    const ValueAndGradient<T> loss = boxLoss(kind, pred + 4 * i, target + 4 * i, eps);
    for (int k = 0; k < 4; ++k) out[k] = coefficient[i] * loss.gradient[k];
  }
}

template <class T>
std::vector<T> boxColumns(const T* boxes, int64_t count) {
  std::vector<T> columns(static_cast<size_t>(4 * count));
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t k = 0; k < 4; ++k) columns[static_cast<size_t>(k * count + j)] = boxes[4 * j + k];
  }
  return columns;
}

template <class T>
HD_KERNEL void boxIouMatrix(BoxIouKind kind, const T* a, const T* columns, int64_t count, T eps, T* out,
                            int64_t begin, int64_t end) {
  const T *x1 = columns, *y1 = x1 + count, *x2 = y1 + count, *y2 = x2 + count;
  for (int64_t i = begin; i < end; ++i) {
    const T* box = a + 4 * i;
    T* row = out + i * count;
    switch (kind) {
      case BoxIouKind::iou:
        iouRow<BoxIouKind::iou>(box, x1, y1, x2, y2, count, eps, row);
        break;
      case BoxIouKind::iof:
        iouRow<BoxIouKind::iof>(box, x1, y1, x2, y2, count, eps, row);
        break;
      case BoxIouKind::giou:
        iouRow<BoxIouKind::giou>(box, x1, y1, x2, y2, count, eps, row);
        break;
      case BoxIouKind::diou:
        iouRow<BoxIouKind::diou>(box, x1, y1, x2, y2, count, eps, row);
        break;
      case BoxIouKind::diouReleased:
        iouRow<BoxIouKind::diouReleased>(box, x1, y1, x2, y2, count, eps, row);
        break;
      case BoxIouKind::ciou:
        iouRow<BoxIouKind::ciou>(box, x1, y1, x2, y2, count, eps, row);
        break;
    }
  }
}

template <class T>
void boxIouAligned(BoxIouKind kind, const T* a, const T* b, T eps, T* out, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) out[i] = boxIou(kind, a + 4 * i, b + 4 * i, eps);
}

#define HD_INSTANTIATE(T)                                                                            \
  template void boxLossRows(BoxLossKind, const T*, const T*, T, T*, int64_t, int64_t);               \
  template double boxLossSum(BoxLossKind, const T*, const T*, const T*, T, int64_t, int64_t);        \
  template void boxLossGradient(BoxLossKind, const T*, const T*, const T*, T, T*, int64_t, int64_t); \
  template std::vector<T> boxColumns(const T*, int64_t);                                             \
  template void boxIouMatrix(BoxIouKind, const T*, const T*, int64_t, T, T*, int64_t, int64_t);      \
  template void boxIouAligned(BoxIouKind, const T*, const T*, T, T*, int64_t, int64_t);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
