// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/imitation_kernel.h"

#include <algorithm>
#include <vector>

namespace hd::ops::kernel {

template <class S>
HD_KERNEL double squaredDifferenceSum(const DifferenceInput<S>& in, int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  std::vector<T> squares(static_cast<size_t>(in.channels));
  double sum = 0;
  for (int64_t row = begin; row < end; ++row) {
    if (in.weight[row] == 0) continue;
    const S *student = in.student + row * in.channels, *teacher = in.teacher + row * in.channels;
    for (int64_t c = 0; c < in.channels; ++c) {
      const T difference = load(student[c]) - load(teacher[c]);
      squares[c] = difference * difference;
    }
    sum += static_cast<double>(in.weight[row]) * sumInOrder(squares.data(), in.channels);
  }
  return sum;
}

template <class S>
HD_KERNEL void squaredDifferenceGradient(const DifferenceInput<S>& in, double scale, S* gradient,
                                         int64_t begin, int64_t end) {
  using T = Arithmetic<S>;
  for (int64_t row = begin; row < end; ++row) {
    S* out = gradient + row * in.channels;
    if (in.weight[row] == 0) {
      std::fill(out, out + in.channels, S{});
      continue;
    }
    const S *student = in.student + row * in.channels, *teacher = in.teacher + row * in.channels;
    const T factor = static_cast<T>(2 * scale * static_cast<double>(in.weight[row]));
    for (int64_t c = 0; c < in.channels; ++c)
      out[c] = store<S>(factor * (load(student[c]) - load(teacher[c])));
  }
}

#define HD_INSTANTIATE(S)                                                            \
  template double squaredDifferenceSum(const DifferenceInput<S>&, int64_t, int64_t); \
  template void squaredDifferenceGradient(const DifferenceInput<S>&, double, S*, int64_t, int64_t);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
