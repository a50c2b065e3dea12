// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/distillation_kernel.h"

#include <algorithm>
#include <vector>

#include "ops/cpu/softmax.h"

namespace hd::ops::kernel {

template <class S>
HD_KERNEL double klSum(const KlInput<S>& in, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  const T scale = static_cast<T>(1 / in.temperature);
  const double factor = in.temperature * in.temperature / static_cast<double>(in.bins);
  std::vector<T> q(static_cast<size_t>(in.bins)), p(q.size()), terms(q.size());
  double sum = 0;
  for (int64_t row = begin; row < end; ++row) {
    if (in.weight[row] == 0) continue;
    const S *student = in.student + row * in.bins, *teacher = in.teacher + row * in.bins;
    const LogSum<T> studentSum = softmaxRow(student, in.bins, scale, q.data());
    const LogSum<T> teacherSum = softmaxRow(teacher, in.bins, scale, p.data());
    // ln p − ln q, from logits: exact where a probability underflows, and 0 for a single bin.
    for (int64_t k = 0; k < in.bins; ++k) {
      terms[k] = p[k] * (studentSum.minusLogOf(load(student[k]) * scale) -
                         teacherSum.minusLogOf(load(teacher[k]) * scale));
    }
    sum += static_cast<double>(in.weight[row]) * sumInOrder(terms.data(), in.bins);
  }
  return factor * sum;
}

template <class S>
HD_KERNEL void klGradient(const KlInput<S>& in, double scale, S* gradient, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  const T sharpness = static_cast<T>(1 / in.temperature);
  const T factor = static_cast<T>(scale * in.temperature / static_cast<double>(in.bins));
  std::vector<T> q(static_cast<size_t>(in.bins)), p(q.size());
  for (int64_t row = begin; row < end; ++row) {
    S* out = gradient + row * in.bins;
    if (in.weight[row] == 0) {
      std::fill(out, out + in.bins, S{});
      continue;
    }
    softmaxRow(in.student + row * in.bins, in.bins, sharpness, q.data());
    softmaxRow(in.teacher + row * in.bins, in.bins, sharpness, p.data());
    const T weighted = factor * in.weight[row];
    for (int64_t k = 0; k < in.bins; ++k) out[k] = store<S>(weighted * (q[k] - p[k]));
  }
}

#define HD_INSTANTIATE(S)                                     \
  template double klSum(const KlInput<S>&, int64_t, int64_t); \
  template void klGradient(const KlInput<S>&, double, S*, int64_t, int64_t);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
