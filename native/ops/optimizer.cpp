// Checks, memory layout and parallel order of the optimiser step (ops/optimizer.h).
#include "ops/optimizer.h"

#include <ATen/ops/empty_like.h>

#include <cmath>

#include "ops/cpu/optimizer_kernel.h"
#include "ops/dispatch.h"

namespace hd::ops {
namespace {

bool isDense(const Tensor& tensor) { return tensor.is_non_overlapping_and_dense(); }

void requireLike(const Tensor& tensor, const Tensor& master, at::ScalarType type, const char* what) {
  require(tensor.scalar_type() == type && tensor.sizes() == master.sizes() && tensor.strides() == master.strides(),
          "expected ", what, " of type ", c10::toString(type), ", shape ", master.sizes(), " and the weight's strides but received ",
          c10::toString(tensor.scalar_type()), " ", tensor.sizes(), ": make it with empty_like");
}

/// The gradient in the memory order of its weight.
Tensor aligned(const Tensor& gradient, const Tensor& master) {
  require(gradient.sizes() == master.sizes(), "expected a gradient of shape ", master.sizes(), " but received ", gradient.sizes(),
          ": pass gradients in the order of the weights");
  if (gradient.strides() == master.strides()) return gradient;
  return at::empty_like(master, master.options().dtype(gradient.scalar_type())).copy_(gradient);
}

bool isOpen(const Tensor& gate) {
  if (!gate.defined()) return true;
  const double value = gate.item().toDouble();
  return value == 0;  // NaN is not 0
}

/// Runs `body` for every parameter with a gradient of type G, in chunks.
template <class Range>
void forEachParameter(const StepTensors& tensors, const StepOptions& options, kernel::StepScalars scalars, const Range& range) {
  const size_t count = tensors.master.size();
  require(tensors.gradient.size() == count && options.lr.size() == count && options.weightDecay.size() == count,
          "expected ", count, " gradients, rates and decays: one a weight");
  for (const auto* list : {&tensors.momentum, &tensors.secondMoment, &tensors.average, &tensors.working}) {
    require(list->empty() || list->size() == count, "expected an empty list or ", count, " tensors but received ", list->size());
  }
  if (!isOpen(options.gate)) return;
  scalars.gradientScale = static_cast<float>(options.gradientScale);
  scalars.averageDecay = static_cast<float>(options.averageDecay);
  for (size_t i = 0; i < count; ++i) {
    const Tensor& master = tensors.master[i];
    require(master.scalar_type() == at::kFloat && isDense(master), "expected dense float32 weights but received ",
            c10::toString(master.scalar_type()));
    auto optional = [&](const std::vector<Tensor>& list, at::ScalarType type, const char* what) -> void* {
      if (list.empty()) return nullptr;
      requireLike(list[i], master, type, what);
      return list[i].mutable_data_ptr();
    };
    const Tensor gradient = aligned(tensors.gradient[i], master);
    scalars.lr = static_cast<float>(options.lr[i]);
    scalars.weightDecay = static_cast<float>(options.weightDecay[i]);
    auto run = [&]<class G>(G) {
      const kernel::StepMemory<G> memory{dataOf<float>(master),
                                         constDataOf<G>(gradient),
                                         static_cast<float*>(optional(tensors.momentum, at::kFloat, "a momentum")),
                                         static_cast<float*>(optional(tensors.secondMoment, at::kFloat, "a second moment")),
                                         static_cast<float*>(optional(tensors.average, at::kFloat, "an average")),
                                         static_cast<kernel::BFloat16*>(optional(tensors.working, at::kBFloat16, "a working copy"))};
      forEachChunk(master.numel(), kChunkElements, [&](int64_t, int64_t begin, int64_t end) { range(memory, scalars, begin, end); });
    };
    if (gradient.scalar_type() == at::kFloat) {
      run(float{});
    } else if (gradient.scalar_type() == at::kBFloat16) {
      run(kernel::BFloat16{});
    } else {
      require(false, "expected float32 or bfloat16 gradients but received ", c10::toString(gradient.scalar_type()));
    }
  }
}

}  // namespace

void sgdStep(const StepTensors& tensors, const StepOptions& options, double momentum, bool nesterov) {
  require(momentum == 0 || !tensors.momentum.empty() || tensors.master.empty(), "expected momentum buffers for momentum ", momentum);
  kernel::StepScalars scalars{};
  scalars.momentum = static_cast<float>(momentum);
  scalars.nesterov = nesterov;
  forEachParameter(tensors, options, scalars, [](const auto& memory, const kernel::StepScalars& values, int64_t begin, int64_t end) {
    kernel::sgdRange(memory, values, begin, end);
  });
}

void adamwStep(const StepTensors& tensors, const StepOptions& options, double beta1, double beta2, double eps, int64_t step) {
  require(step >= 1, "expected a step from 1 on but received ", step);
  require(tensors.master.empty() || (!tensors.momentum.empty() && !tensors.secondMoment.empty()), "expected both moments for AdamW");
  kernel::StepScalars scalars{};
  scalars.beta1 = static_cast<float>(beta1);
  scalars.beta2 = static_cast<float>(beta2);
  scalars.eps = static_cast<float>(eps);
  scalars.correction1 = static_cast<float>(1 / (1 - std::pow(beta1, static_cast<double>(step))));
  scalars.correction2 = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, static_cast<double>(step))));
  forEachParameter(tensors, options, scalars, [](const auto& memory, const kernel::StepScalars& values, int64_t begin, int64_t end) {
    kernel::adamwRange(memory, values, begin, end);
  });
}

double gradientNorm(const std::vector<Tensor>& tensors) {
  double sum = 0;
  for (const Tensor& tensor : tensors) {
    const Tensor dense = isDense(tensor) ? tensor : tensor.contiguous();
    withStorageType(dense, "gradients", [&]<class S>(S) {
      const S* values = constDataOf<S>(dense);
      sum += sumOverChunks(dense.numel(), kChunkElements,
                           [&](int64_t begin, int64_t end) { return kernel::squareSum(values, begin, end); });
    });
  }
  return std::sqrt(sum);
}

int64_t firstNonfinite(const std::vector<Tensor>& tensors) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!std::isfinite(gradientNorm({tensors[i]}))) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace hd::ops
