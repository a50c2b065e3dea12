// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/distribution_kernel.h"

#include <algorithm>
#include <vector>

#include "ops/cpu/softmax.h"

namespace hd::ops::kernel {
namespace {

/// Slack that keeps DFL's target below the last bin (mmdet's bbox2distance).
template <class T>
constexpr T kLastBinMargin = T(0.1);
/// Floor of the union in the IoU that serves as quality target.
template <class T>
constexpr T kQualityEps = T(1e-6);

/// DFL's targets: distances to the box's sides clamped to [0, bins − 1.1]; NaN stays.
template <class T>
HD_INLINE void clampedDistances(const T* centre, const T* box, int64_t bins, T* distances) {
  const T highest = static_cast<T>(bins - 1) - kLastBinMargin<T>;
  T raw[4];
  distancesOfBox(centre, box, raw);
  for (int side = 0; side < 4; ++side) {
    distances[side] = raw[side] < 0 ? T(0) : raw[side] > highest ? highest : raw[side];
  }
}

/// One row of the GFL loss: softmax of four sides, their expectation and the decoded box.
template <class T>
struct DecodedRow {
  T distance[4], box[4];
  LogSum<T> logSum[4];
};

template <class S, class T = Arithmetic<S>>
HD_INLINE DecodedRow<T> decodeRow(const GflBoxInput<S>& in, int64_t row, T* probabilities) {
  DecodedRow<T> out;
  const S* logits = in.logits + row * 4 * in.bins;
  for (int side = 0; side < 4; ++side) {
    out.logSum[side] = softmaxRow(logits + side * in.bins, in.bins, T(1), probabilities + side * in.bins);
    out.distance[side] = expectedBin(probabilities + side * in.bins, in.bins);
  }
  boxOfDistances(in.centre + 2 * row, out.distance, out.box);
  return out;
}

}  // namespace

template <class S>
HD_KERNEL void integralRows(const S* logits, int64_t bins, Arithmetic<S>* distances, int64_t begin,
                            int64_t end) {
  using T = Arithmetic<S>;
  std::vector<T> probabilities(static_cast<size_t>(bins));
  for (int64_t i = begin; i < end; ++i) {
    softmaxRow(logits + i * bins, bins, T(1), probabilities.data());
    distances[i] = expectedBin(probabilities.data(), bins);
  }
}

template <class S>
HD_KERNEL void integralGradient(const S* logits, int64_t bins, const Arithmetic<S>* coefficient, S* gradient,
                                int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  std::vector<T> probabilities(static_cast<size_t>(bins));
  for (int64_t i = begin; i < end; ++i) {
    softmaxRow(logits + i * bins, bins, T(1), probabilities.data());
    const T distance = expectedBin(probabilities.data(), bins);
    for (int64_t k = 0; k < bins; ++k) {
      gradient[i * bins + k] = store<S>(coefficient[i] * probabilities[k] * (static_cast<T>(k) - distance));
    }
  }
}

template <class S>
HD_KERNEL double distributionFocalSum(const DistributionInput<S>& in, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  std::vector<T> probabilities(static_cast<size_t>(in.bins));
  double sum = 0;
  for (int64_t i = begin; i < end; ++i) {
    const T weight = in.weight[i / in.sides];
    if (weight == 0) continue;
    const S* logits = in.logits + i * in.bins;
    const LogSum<T> logSum = softmaxRow(logits, in.bins, T(1), probabilities.data());
    sum += static_cast<double>(weight * pairCrossEntropy(logits, logSum, binsAround(in.targets[i], in.bins)));
  }
  return sum;
}

template <class S>
HD_KERNEL void distributionFocalGradient(const DistributionInput<S>& in, double scale, S* gradient,
                                         int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  std::vector<T> slope(static_cast<size_t>(in.bins));
  for (int64_t i = begin; i < end; ++i) {
    S* out = gradient + i * in.bins;
    const T weight = in.weight[i / in.sides];
    if (weight == 0) {
      std::fill(out, out + in.bins, S{});
      continue;
    }
    softmaxRow(in.logits + i * in.bins, in.bins, T(1), slope.data());
    const BinPair<T> pair = binsAround(in.targets[i], in.bins);
    slope[pair.left] -= pair.leftShare;
    slope[pair.left + 1] -= pair.rightShare;
    const T factor = static_cast<T>(scale) * weight;
    for (int64_t k = 0; k < in.bins; ++k) out[k] = store<S>(factor * slope[k]);
  }
}

template <class S>
HD_KERNEL GflBoxSums gflBoxRows(const GflBoxInput<S>& in, Arithmetic<S>* iou, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  std::vector<T> probabilities(static_cast<size_t>(4 * in.bins));
  GflBoxSums sums;
  for (int64_t row = begin; row < end; ++row) {
    const T weight = in.weight[row];
    if (weight == 0) {
      iou[row] = 0;
      continue;
    }
    const DecodedRow<T> decoded = decodeRow(in, row, probabilities.data());
    const T* target = in.target + 4 * row;
    iou[row] = boxIou(BoxIouKind::iou, decoded.box, target, kQualityEps<T>);
    sums.box += static_cast<double>(weight * boxLoss(in.kind, decoded.box, target, in.eps).value);
    T bounded[4], entropy = 0;
    clampedDistances(in.centre + 2 * row, target, in.bins, bounded);
    for (int side = 0; side < 4; ++side) {
      const S* logits = in.logits + (4 * row + side) * in.bins;
      entropy += pairCrossEntropy(logits, decoded.logSum[side], binsAround(bounded[side], in.bins));
    }
    sums.distribution += static_cast<double>(weight * entropy);
  }
  return sums;
}

template <class S>
HD_KERNEL void gflBoxGradient(const GflBoxInput<S>& in, double boxScale, double distributionScale,
                              S* gradient, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  std::vector<T> probabilities(static_cast<size_t>(4 * in.bins)), slope(static_cast<size_t>(in.bins));
  for (int64_t row = begin; row < end; ++row) {
    S* out = gradient + row * 4 * in.bins;
    const T weight = in.weight[row];
    if (weight == 0) {
      std::fill(out, out + 4 * in.bins, S{});
      continue;
    }
    const DecodedRow<T> decoded = decodeRow(in, row, probabilities.data());
    const ValueAndGradient<T> loss = boxLoss(in.kind, decoded.box, in.target + 4 * row, in.eps);
    T bounded[4];
    clampedDistances(in.centre + 2 * row, in.target + 4 * row, in.bins, bounded);
    for (int side = 0; side < 4; ++side) {
      const T* p = probabilities.data() + side * in.bins;
      const T towards = side < 2 ? T(-1) : T(1);  // left and top are subtracted from the centre
      const T byDistance = static_cast<T>(boxScale) * weight * towards * loss.gradient[side];
      const T byEntropy = static_cast<T>(distributionScale) * weight;
      for (int64_t k = 0; k < in.bins; ++k) {
        slope[k] = p[k] * (byEntropy + byDistance * (static_cast<T>(k) - decoded.distance[side]));
      }
      const BinPair<T> pair = binsAround(bounded[side], in.bins);
      slope[pair.left] -= byEntropy * pair.leftShare;
      slope[pair.left + 1] -= byEntropy * pair.rightShare;
      for (int64_t k = 0; k < in.bins; ++k) out[side * in.bins + k] = store<S>(slope[k]);
    }
  }
}

#define HD_INSTANTIATE(S)                                                                             \
  template void integralRows(const S*, int64_t, Arithmetic<S>*, int64_t, int64_t);                    \
  template void integralGradient(const S*, int64_t, const Arithmetic<S>*, S*, int64_t, int64_t);      \
  template double distributionFocalSum(const DistributionInput<S>&, int64_t, int64_t);                \
  template void distributionFocalGradient(const DistributionInput<S>&, double, S*, int64_t, int64_t); \
  template GflBoxSums gflBoxRows(const GflBoxInput<S>&, Arithmetic<S>*, int64_t, int64_t);            \
  template void gflBoxGradient(const GflBoxInput<S>&, double, double, S*, int64_t, int64_t);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
