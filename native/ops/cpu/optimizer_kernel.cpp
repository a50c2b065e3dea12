#include "ops/cpu/optimizer_kernel.h"

namespace hd::ops::kernel {
namespace {

/// What follows a weight's update: running average and low-precision copy.
template <class G>
HD_INLINE void finish(const StepMemory<G>& memory, const StepScalars& scalars, int64_t i, float weight) {
  memory.master[i] = weight;
  if (memory.average != nullptr) {
    memory.average[i] = scalars.averageDecay * memory.average[i] + (1.f - scalars.averageDecay) * weight;
  }
  if (memory.working != nullptr) memory.working[i] = roundToBFloat16(weight);
}

}  // namespace

template <class G>
HD_KERNEL void sgdRange(const StepMemory<G>& memory, const StepScalars& scalars, int64_t begin, int64_t end) {
  const bool keepsMomentum = memory.momentum != nullptr;
  for (int64_t i = begin; i < end; ++i) {
    const float weight = memory.master[i];
    float step = load(memory.gradient[i]) * scalars.gradientScale + scalars.weightDecay * weight;
    if (keepsMomentum) {
      const float momentum = scalars.momentum * memory.momentum[i] + step;
      memory.momentum[i] = momentum;
      step = scalars.nesterov ? step + scalars.momentum * momentum : momentum;
    }
    finish(memory, scalars, i, weight - scalars.lr * step);
  }
}

template <class G>
HD_KERNEL void adamwRange(const StepMemory<G>& memory, const StepScalars& scalars, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const float gradient = load(memory.gradient[i]) * scalars.gradientScale;
    const float weight = memory.master[i] * (1.f - scalars.lr * scalars.weightDecay);
    const float first = scalars.beta1 * memory.momentum[i] + (1.f - scalars.beta1) * gradient;
    const float second = scalars.beta2 * memory.secondMoment[i] + (1.f - scalars.beta2) * gradient * gradient;
    memory.momentum[i] = first;
    memory.secondMoment[i] = second;
    const float divisor = std::sqrt(second) * scalars.correction2 + scalars.eps;
    finish(memory, scalars, i, weight - scalars.lr * scalars.correction1 * first / divisor);
  }
}

template <class S>
HD_KERNEL double squareSum(const S* values, int64_t begin, int64_t end) {
  // Eight fixed partial sums let the compiler use vectors without changing the order from run to run.
  double sums[8] = {};
  int64_t i = begin;
  for (; i + 8 <= end; i += 8) {
    for (int lane = 0; lane < 8; ++lane) {
      const double value = static_cast<double>(load(values[i + lane]));
      sums[lane] += value * value;
    }
  }
  for (; i < end; ++i) {
    const double value = static_cast<double>(load(values[i]));
    sums[0] += value * value;
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

template void sgdRange(const StepMemory<float>&, const StepScalars&, int64_t, int64_t);
template void sgdRange(const StepMemory<BFloat16>&, const StepScalars&, int64_t, int64_t);
template void adamwRange(const StepMemory<float>&, const StepScalars&, int64_t, int64_t);
template void adamwRange(const StepMemory<BFloat16>&, const StepScalars&, int64_t, int64_t);
template double squareSum(const float*, int64_t, int64_t);
template double squareSum(const double*, int64_t, int64_t);
template double squareSum(const BFloat16*, int64_t, int64_t);

}  // namespace hd::ops::kernel
