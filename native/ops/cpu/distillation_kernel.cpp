// The build's -O2 does not vectorise loops of unknown length; kernels ask for it.
#pragma GCC optimize("O3")
#include "ops/cpu/distillation_kernel.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hd::ops::kernel {

namespace {

/// Rows that are worked on side by side: distributions are short, so a vector holds one bin of many rows.
constexpr int64_t lanes = 16;

template <class T>
struct Side {
  std::vector<T> logits, exps;  ///< [bins, lanes], logits over the temperature
  T highest[lanes], sum[lanes], logOfSum[lanes];

  explicit Side(int64_t bins) : logits(static_cast<size_t>(bins * lanes)), exps(logits.size()) {}

  template <class S>
  HD_INLINE void read(const S* from, const int64_t* rows, int64_t count, int64_t bins, T scale) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const S* row = from + rows[lane < count ? lane : 0] * bins;
      for (int64_t k = 0; k < bins; ++k) logits[k * lanes + lane] = load(row[k]) * scale;
    }
    for (int64_t lane = 0; lane < lanes; ++lane) highest[lane] = logits[lane];
    for (int64_t k = 1; k < bins; ++k) {
      const T* bin = logits.data() + k * lanes;
      for (int64_t lane = 0; lane < lanes; ++lane)
        highest[lane] = bin[lane] > highest[lane] ? bin[lane] : highest[lane];
    }
    for (int64_t lane = 0; lane < lanes; ++lane) sum[lane] = 0;
    for (int64_t k = 0; k < bins; ++k) {
      const T* bin = logits.data() + k * lanes;
      T* out = exps.data() + k * lanes;
      for (int64_t lane = 0; lane < lanes; ++lane) out[lane] = fastExp(bin[lane] - highest[lane]);
      for (int64_t lane = 0; lane < lanes; ++lane) sum[lane] += out[lane];
    }
    for (int64_t lane = 0; lane < lanes; ++lane) logOfSum[lane] = fastLog(sum[lane]);
  }
};

}  // namespace

template <class S>
HD_KERNEL double klSum(const KlInput<S>& in, int64_t begin, int64_t end, S* gradient) {
  using T = Arithmetic<S>;
  const int64_t bins = in.bins;
  const T scale = static_cast<T>(1 / in.temperature);
  const double factor = in.temperature * in.temperature / static_cast<double>(bins);
  const T slope = static_cast<T>(in.temperature / static_cast<double>(bins));
  Side<T> student(bins), teacher(bins);
  double sum = 0;
  int64_t rows[lanes];
  for (int64_t next = begin; next < end;) {
    int64_t count = 0;
    for (; next < end && count < lanes; ++next) {
      if (in.weight[next] != 0) {
        rows[count++] = next;
      } else if (gradient != nullptr) {
        std::fill_n(gradient + next * bins, bins, S{});
      }
    }
    if (count == 0) break;
    student.read(in.student, rows, count, bins, scale);
    teacher.read(in.teacher, rows, count, bins, scale);
    T divergence[lanes] = {}, inverseStudent[lanes], inverseTeacher[lanes], weighted[lanes];
    for (int64_t lane = 0; lane < lanes; ++lane) {
      inverseStudent[lane] = 1 / student.sum[lane];
      inverseTeacher[lane] = 1 / teacher.sum[lane];
      weighted[lane] = lane < count ? slope * in.weight[rows[lane]] : 0;
    }
    for (int64_t k = 0; k < bins; ++k) {
      const T *s = student.logits.data() + k * lanes, *t = teacher.logits.data() + k * lanes;
      T *q = student.exps.data() + k * lanes, *p = teacher.exps.data() + k * lanes;
      for (int64_t lane = 0; lane < lanes; ++lane) {
        p[lane] *= inverseTeacher[lane];
        // ln p − ln q, from logits: exact where a probability underflows, and 0 for a single bin.
        divergence[lane] += p[lane] * (((student.highest[lane] - s[lane]) + student.logOfSum[lane]) -
                                       ((teacher.highest[lane] - t[lane]) + teacher.logOfSum[lane]));
        q[lane] = weighted[lane] * (q[lane] * inverseStudent[lane] - p[lane]);
      }
    }
    for (int64_t lane = 0; lane < count; ++lane)
      sum += static_cast<double>(in.weight[rows[lane]]) * static_cast<double>(divergence[lane]);
    if (gradient == nullptr) continue;
    for (int64_t lane = 0; lane < count; ++lane) {
      S* out = gradient + rows[lane] * bins;
      for (int64_t k = 0; k < bins; ++k) out[k] = store<S>(student.exps[k * lanes + lane]);
    }
  }
  return factor * sum;
}

#define HD_INSTANTIATE(S) template double klSum(const KlInput<S>&, int64_t, int64_t, S*);
HD_INSTANTIATE(float)
HD_INSTANTIATE(double)
HD_INSTANTIATE(BFloat16)
#undef HD_INSTANTIATE

}  // namespace hd::ops::kernel
