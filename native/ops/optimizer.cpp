// Schema, checks and parallel order of the optimiser step (ops/optimizer.h).
#include "ops/optimizer.h"

#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <cmath>

#include "ops/cpu/optimizer_kernel.h"
#include "ops/dispatch.h"

namespace hd::ops {
namespace optimizer {
namespace {

using at::TensorList;

/// One chunk of one parameter: the unit of parallel work.
struct Chunk {
  size_t tensor;
  int64_t begin, end;
};

std::vector<Chunk> chunksOf(TensorList tensors) {
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t count = tensors[i].numel();
    for (int64_t begin = 0; begin < count; begin += kChunkElements) {
      chunks.push_back({i, begin, std::min(count, begin + kChunkElements)});
    }
  }
  return chunks;
}

/// Calls `body(i, chunk)` for every chunk of every tensor, in one parallel region.
template <class Body>
void forEachChunkOf(const std::vector<Chunk>& chunks, const Body& body) {
  // A step is bound by memory: the grain only spares small networks the start of threads.
  at::parallel_for(0, static_cast<int64_t>(chunks.size()), 4, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) body(static_cast<size_t>(i), chunks[static_cast<size_t>(i)]);
  });
}

void requireLike(const Tensor& tensor, const Tensor& master, at::ScalarType type, const char* what) {
  require(tensor.scalar_type() == type && tensor.sizes() == master.sizes() &&
              tensor.strides() == master.strides(),
          "expected ", c10::toString(type), " of shape ", master.sizes(), " and strides ", master.strides(),
          " for ", what, " but received ", c10::toString(tensor.scalar_type()), " of shape ", tensor.sizes(),
          " and strides ", tensor.strides(), ": make it with empty_like(weight)");
}

void requireList(TensorList list, TensorList master, at::ScalarType type, bool optional, const char* what) {
  if (optional && list.empty()) return;
  require(list.size() == master.size(), "expected ", master.size(), " tensors for ", what, " but received ",
          list.size(), ": pass one for each weight");
  for (size_t i = 0; i < list.size(); ++i) requireLike(list[i], master[i], type, what);
}

/// Everything a step reads and writes, checked before the first write.
struct Step {
  TensorList master, momentum, secondMoment, average, working;
  std::vector<Tensor> gradient;  ///< in the memory order of its weight
  std::vector<kernel::StepScalars> scalars;

  Step(TensorList masterIn, TensorList gradientIn, TensorList momentumIn, TensorList secondMomentIn,
       TensorList averageIn, TensorList workingIn, at::ArrayRef<double> lr, at::ArrayRef<double> weightDecay,
       double gradientScale, double averageDecay)
      : master(masterIn),
        momentum(momentumIn),
        secondMoment(secondMomentIn),
        average(averageIn),
        working(workingIn) {
    require(gradientIn.size() == master.size() && lr.size() == master.size() &&
                weightDecay.size() == master.size(),
            "expected ", master.size(), " gradients, learning rates and weight decays but received ",
            gradientIn.size(), ", ", lr.size(), " and ", weightDecay.size(), ": pass one for each weight");
    for (size_t i = 0; i < master.size(); ++i) {
      require(master[i].scalar_type() == at::kFloat && master[i].is_non_overlapping_and_dense(),
              "expected float32 without gaps for weight ", i, " but received ",
              c10::toString(master[i].scalar_type()), " with strides ", master[i].strides(),
              ": keep weights in tensors of their own");
      gradient.push_back(ordered(gradientIn[i], master[i]));
      scalars.push_back({lr[i], weightDecay[i], gradientScale, averageDecay});
    }
    requireList(average, master, at::kFloat, true, "an average");
    requireList(working, master, at::kBFloat16, true, "a working copy");
  }

  static Tensor ordered(const Tensor& gradient, const Tensor& master) {
    const auto type = gradient.scalar_type();
    require(gradient.sizes() == master.sizes() && (type == at::kFloat || type == at::kBFloat16),
            "expected float32 or bfloat16 of shape ", master.sizes(), " for a gradient but received ",
            c10::toString(type), " of shape ", gradient.sizes(),
            ": pass gradients in the order of the weights");
    if (gradient.strides() == master.strides()) return gradient;
    return at::empty_like(master, master.options().dtype(type)).copy_(gradient);
  }

  template <class G>
  kernel::StepMemory<G> memory(size_t i) const {
    auto pointer = [i]<class P>(TensorList list, P*) { return list.empty() ? nullptr : dataOf<P>(list[i]); };
    float* const none = nullptr;
    return {dataOf<float>(master[i]), constDataOf<G>(gradient[i]),
            pointer(momentum, none),  pointer(secondMoment, none),
            pointer(average, none),   pointer(working, static_cast<kernel::BFloat16*>(nullptr))};
  }

  /// Calls `range(memory, scalars, begin, end)` for all chunks.
  template <class Range>
  void run(const Range& range) const {
    forEachChunkOf(chunksOf(master), [&](size_t, const Chunk& chunk) {
      if (gradient[chunk.tensor].scalar_type() == at::kFloat) {
        range(memory<float>(chunk.tensor), scalars[chunk.tensor], chunk.begin, chunk.end);
      } else {
        range(memory<kernel::BFloat16>(chunk.tensor), scalars[chunk.tensor], chunk.begin, chunk.end);
      }
    });
  }
};

/// Whether the step may change anything: no gate, or a gate of 0. NaN is not 0.
bool isOpen(const std::optional<Tensor>& gate) {
  if (!gate || !gate->defined()) return true;
  require(gate->numel() == 1, "expected one element for the gate but received shape ", gate->sizes(),
          ": reduce it first");
  return gate->item<double>() == 0;
}

void sgdCpu(TensorList master, TensorList gradient, TensorList momentum, TensorList average,
            TensorList working, at::ArrayRef<double> lr, at::ArrayRef<double> weightDecay,
            double momentumFactor, bool nesterov, double gradientScale, double averageDecay,
            const std::optional<Tensor>& gate) {
  const Step step(master, gradient, momentum, {}, average, working, lr, weightDecay, gradientScale,
                  averageDecay);
  requireList(momentum, master, at::kFloat, momentumFactor == 0, "momentum");
  if (!isOpen(gate)) return;
  step.run([&](const auto& memory, const kernel::StepScalars& scalars, int64_t begin, int64_t end) {
    kernel::sgdRange(memory, scalars, momentumFactor, nesterov, begin, end);
  });
}

void adamwCpu(TensorList master, TensorList gradient, TensorList momentum, TensorList secondMoment,
              TensorList average, TensorList working, at::ArrayRef<double> lr,
              at::ArrayRef<double> weightDecay, double beta1, double beta2, double eps, int64_t count,
              double gradientScale, double averageDecay, const std::optional<Tensor>& gate) {
  const Step step(master, gradient, momentum, secondMoment, average, working, lr, weightDecay, gradientScale,
                  averageDecay);
  requireList(momentum, master, at::kFloat, false, "the first moment");
  requireList(secondMoment, master, at::kFloat, false, "the second moment");
  require(count >= 1, "expected a step from 1 on but received ", count, ": count the first call as 1");
  if (!isOpen(gate)) return;
  const double t = static_cast<double>(count);
  const kernel::AdamwScalars adamw{beta1, beta2, eps, 1 / (1 - std::pow(beta1, t)),
                                   1 / std::sqrt(1 - std::pow(beta2, t))};
  step.run([&](const auto& memory, const kernel::StepScalars& scalars, int64_t begin, int64_t end) {
    kernel::adamwRange(memory, scalars, adamw, begin, end);
  });
}

/// The tensors without gaps; order inside a tensor does not matter to a scan.
std::vector<Tensor> dense(TensorList tensors) {
  std::vector<Tensor> out;
  for (const Tensor& tensor : tensors) {
    out.push_back(tensor.is_non_overlapping_and_dense() ? tensor : tensor.contiguous());
  }
  return out;
}

double normCpu(TensorList tensors) {
  const auto values = dense(tensors);
  const auto chunks = chunksOf(values);
  std::vector<double> sums(chunks.size());
  forEachChunkOf(chunks, [&](size_t i, const Chunk& chunk) {
    withStorageType(values[chunk.tensor], "gradients", [&]<class S>(S) {
      sums[i] = kernel::squareSum(constDataOf<S>(values[chunk.tensor]), chunk.begin, chunk.end);
    });
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return std::sqrt(sum);
}

int64_t firstNonfiniteCpu(TensorList tensors) {
  const auto values = dense(tensors);
  const auto chunks = chunksOf(values);
  std::vector<char> bad(chunks.size());
  forEachChunkOf(chunks, [&](size_t i, const Chunk& chunk) {
    withStorageType(values[chunk.tensor], "tensors", [&]<class S>(S) {
      bad[i] = kernel::hasNonfinite(constDataOf<S>(values[chunk.tensor]), chunk.begin, chunk.end);
    });
  });
  const auto found = std::find(bad.begin(), bad.end(), 1);
  return found == bad.end() ? -1
                            : static_cast<int64_t>(chunks[static_cast<size_t>(found - bad.begin())].tensor);
}

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def(
      "sgd_step(Tensor(a!)[] master, Tensor[] gradient, Tensor(b!)[] momentum, Tensor(c!)[] average, "
      "Tensor(d!)[] working, float[] lr, float[] weight_decay, float momentum_factor, bool nesterov, "
      "float gradient_scale, float average_decay, Tensor? gate) -> ()");
  m.def(
      "adamw_step(Tensor(a!)[] master, Tensor[] gradient, Tensor(b!)[] momentum, Tensor(c!)[] second_moment, "
      "Tensor(d!)[] average, Tensor(e!)[] working, float[] lr, float[] weight_decay, float beta1, float "
      "beta2, "
      "float eps, int step, float gradient_scale, float average_decay, Tensor? gate) -> ()");
  m.def("gradient_norm(Tensor[] tensors) -> float");
  m.def("first_nonfinite(Tensor[] tensors) -> int");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("sgd_step", sgdCpu);
  m.impl("adamw_step", adamwCpu);
  m.impl("gradient_norm", normCpu);
  m.impl("first_nonfinite", firstNonfiniteCpu);
}

std::optional<Tensor> optionalOf(const Tensor& tensor) {
  return tensor.defined() ? std::optional<Tensor>(tensor) : std::nullopt;
}

}  // namespace
}  // namespace optimizer

// Operators on lists choose their kernel by the lists' tensors: without any there is nothing to do.

void sgdStep(const StepTensors& tensors, const StepOptions& options, double momentum, bool nesterov) {
  static const auto op = registered<decltype(optimizer::sgdCpu)>("sgd_step");
  if (tensors.master.empty()) return;
  op.call(tensors.master, tensors.gradient, tensors.momentum, tensors.average, tensors.working, options.lr,
          options.weightDecay, momentum, nesterov, options.gradientScale, options.averageDecay,
          optimizer::optionalOf(options.gate));
}

void adamwStep(const StepTensors& tensors, const StepOptions& options, double beta1, double beta2, double eps,
               int64_t step) {
  static const auto op = registered<decltype(optimizer::adamwCpu)>("adamw_step");
  if (tensors.master.empty()) return;
  op.call(tensors.master, tensors.gradient, tensors.momentum, tensors.secondMoment, tensors.average,
          tensors.working, options.lr, options.weightDecay, beta1, beta2, eps, step, options.gradientScale,
          options.averageDecay, optimizer::optionalOf(options.gate));
}

double gradientNorm(const std::vector<Tensor>& tensors) {
  static const auto op = registered<decltype(optimizer::normCpu)>("gradient_norm");
  return tensors.empty() ? 0 : op.call(tensors);
}

int64_t firstNonfinite(const std::vector<Tensor>& tensors) {
  static const auto op = registered<decltype(optimizer::firstNonfiniteCpu)>("first_nonfinite");
  return tensors.empty() ? -1 : op.call(tensors);
}

}  // namespace hd::ops
