// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/optimizer_kernel.h"

#include <algorithm>

namespace hd::ops::kernel {
namespace {

/// Elements between two visits of the same memory: what a step reads and writes of them stays in the first
/// cache, so the loops below are one pass over memory although each is simple enough to vectorise.
constexpr int64_t kStepBlock = 512;

/// What follows the weights' update: running average and low-precision copy.
template <class G>
HD_INLINE void finishBlock(const StepMemory<G>& memory, double averageDecay, int64_t begin, int64_t end) {
  const float* __restrict weights = memory.master;
  const float decay = static_cast<float>(averageDecay), share = static_cast<float>(1 - averageDecay);
  if (memory.average != nullptr) {
    float* __restrict average = memory.average;
    for (int64_t i = begin; i < end; ++i) average[i] = decay * average[i] + share * weights[i];
  }
  if (memory.working != nullptr) {
    BFloat16* __restrict working = memory.working;
    for (int64_t i = begin; i < end; ++i) working[i] = roundToBFloat16(weights[i]);
  }
}

template <class G>
HD_INLINE void sgdBlock(const StepMemory<G>& memory, const StepScalars& scalars, double factor, bool nesterov,
                        int64_t begin, int64_t end) {
  float* __restrict weights = memory.master;
  const G* __restrict gradients = memory.gradient;
  const float lr = static_cast<float>(scalars.lr), decay = static_cast<float>(scalars.weightDecay);
  const float scale = static_cast<float>(scalars.gradientScale), momentum = static_cast<float>(factor);
  if (memory.momentum == nullptr) {
    for (int64_t i = begin; i < end; ++i)
      weights[i] -= lr * (load(gradients[i]) * scale + decay * weights[i]);
    return;
  }
  float* __restrict buffer = memory.momentum;
  if (nesterov) {
    for (int64_t i = begin; i < end; ++i) {
      const float gradient = load(gradients[i]) * scale + decay * weights[i];
      buffer[i] = momentum * buffer[i] + gradient;
      weights[i] -= lr * (gradient + momentum * buffer[i]);
    }
  } else {
    for (int64_t i = begin; i < end; ++i) {
      buffer[i] = momentum * buffer[i] + (load(gradients[i]) * scale + decay * weights[i]);
      weights[i] -= lr * buffer[i];
    }
  }
}

template <class G>
HD_INLINE void adamwBlock(const StepMemory<G>& memory, const StepScalars& scalars, const AdamwScalars& adamw,
                          int64_t begin, int64_t end) {
  float* __restrict weights = memory.master;
  float* __restrict first = memory.momentum, * __restrict second = memory.secondMoment;
  const G* __restrict gradients = memory.gradient;
  const float keep = static_cast<float>(1 - scalars.lr * scalars.weightDecay);
  const float rate = static_cast<float>(scalars.lr * adamw.correction1);
  const float scale = static_cast<float>(scalars.gradientScale), eps = static_cast<float>(adamw.eps);
  const float beta1 = static_cast<float>(adamw.beta1), share1 = static_cast<float>(1 - adamw.beta1);
  const float beta2 = static_cast<float>(adamw.beta2), share2 = static_cast<float>(1 - adamw.beta2);
  const float correction2 = static_cast<float>(adamw.correction2);
  for (int64_t i = begin; i < end; ++i) {
    const float gradient = load(gradients[i]) * scale;
    first[i] = beta1 * first[i] + share1 * gradient;
    second[i] = beta2 * second[i] + share2 * gradient * gradient;
    weights[i] = weights[i] * keep - rate * first[i] / (std::sqrt(second[i]) * correction2 + eps);
  }
}

}  // namespace

template <class G>
HD_KERNEL void sgdRange(const StepMemory<G>& memory, const StepScalars& scalars, double momentum,
                        bool nesterov, int64_t begin, int64_t end) {
  for (int64_t first = begin; first < end; first += kStepBlock) {
    const int64_t last = std::min(end, first + kStepBlock);
    sgdBlock(memory, scalars, momentum, nesterov, first, last);
    finishBlock(memory, scalars.averageDecay, first, last);
  }
}

template <class G>
HD_KERNEL void adamwRange(const StepMemory<G>& memory, const StepScalars& scalars, const AdamwScalars& adamw,
                          int64_t begin, int64_t end) {
  for (int64_t first = begin; first < end; first += kStepBlock) {
    const int64_t last = std::min(end, first + kStepBlock);
    adamwBlock(memory, scalars, adamw, first, last);
    finishBlock(memory, scalars.averageDecay, first, last);
  }
}

template <class S>
HD_KERNEL double squareSum(const S* values, int64_t begin, int64_t end) {
  constexpr int64_t lanes = 16;
  double sums[lanes] = {};
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const double value = static_cast<double>(load(values[i + lane]));
      sums[lane] += value * value;
    }
  }
  for (int64_t lane = 0; i < end; ++i, ++lane) {
    const double value = static_cast<double>(load(values[i]));
    sums[lane] += value * value;
  }
  double sum = 0;
  for (int64_t lane = 0; lane < lanes; ++lane) sum += sums[lane];
  return sum;
}

template <class S>
HD_KERNEL bool hasNonfinite(const S* values, int64_t begin, int64_t end) {
  // x·0 is 0 for finite values and NaN for others; a sum keeps a NaN.
  constexpr int64_t count = 32;
  using T = Arithmetic<S>;
  T lanes[count] = {};
  int64_t i = begin;
  for (; i + count <= end; i += count) {
    for (int64_t lane = 0; lane < count; ++lane) lanes[lane] += load(values[i + lane]) * T(0);
  }
  for (; i < end; ++i) lanes[0] += load(values[i]) * T(0);
  for (int64_t lane = 1; lane < count; ++lane) lanes[0] += lanes[lane];
  return lanes[0] != lanes[0];
}

#define HD_INSTANTIATE(G)                                                                                    \
  template void sgdRange(const StepMemory<G>&, const StepScalars&, double, bool, int64_t, int64_t);          \
  template void adamwRange(const StepMemory<G>&, const StepScalars&, const AdamwScalars&, int64_t, int64_t); \
  template double squareSum(const G*, int64_t, int64_t);                                                     \
  template bool hasNonfinite(const G*, int64_t, int64_t);
HD_INSTANTIATE(float)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE
template double squareSum(const double*, int64_t, int64_t);
template bool hasNonfinite(const double*, int64_t, int64_t);

}  // namespace hd::ops::kernel
