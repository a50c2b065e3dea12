#include "ops/distillation_bench.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/kept_memory.h"
#include "core/rng.h"
#include "ops/losses.h"

namespace hd::ops {

Value benchDistillation(const Value& options) {
  const int64_t rows = options.get("rows", int64_t{89600}), bins = options.get("bins", int64_t{17});
  const KeptMemory kept;  // as a training has it
  const int repeats = std::max(1, options.get("repeats", 9));
  const double weighted = options.get("weighted", 1.0);
  Random random(static_cast<uint64_t>(options.get("seed", int64_t{0})), "synthetic", 0, 0);
  const auto noise = [&](at::IntArrayRef shape) {
    at::Tensor out = at::empty(shape);
    float* values = out.mutable_data_ptr<float>();
    for (int64_t i = 0; i < out.numel(); ++i) values[i] = random.uniform(-3.f, 3.f);
    return out;
  };
  const at::Tensor student = noise({rows, bins}).requires_grad_(), teacher = noise({rows, bins});
  const at::Tensor weight = at::empty({rows});
  for (int64_t row = 0; row < rows; ++row)
    weight.mutable_data_ptr<float>()[row] = random.chance(static_cast<float>(weighted)) ? 1.f : 0.f;
  std::vector<double> milliseconds;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    torch::autograd::grad({klDistillation(student, teacher, weight, 10)}, {student});
    milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  return Value::Object{{"rows", rows},
                       {"bins", bins},
                       {"weighted", weighted},
                       {"milliseconds", milliseconds[milliseconds.size() / 2]}};
}

}  // namespace hd::ops
