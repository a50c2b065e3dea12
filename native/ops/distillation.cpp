// Schema, dispatch and gradient of the distillation losses on logits (ops/losses.h).
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/library.h>

#include <tuple>

#include "ops/cpu/distillation_kernel.h"
#include "ops/dispatch.h"
#include "ops/losses.h"

namespace hd::ops {
namespace distillation {
namespace {

struct Arguments {
  Tensor student, teacher, weight;
  double temperature;

  Arguments(const Tensor& studentIn, const Tensor& teacherIn, const Tensor& weightIn, double temperatureIn)
      : temperature(temperatureIn) {
    requireMatrix(studentIn, "student");
    requireShape(teacherIn, studentIn.sizes(), "teacher");
    requireShape(weightIn, {studentIn.size(0)}, "weight");
    require(temperature > 0, "expected a temperature above 0 but received ", temperature,
            ": use 10 for localization");
    student = studentIn.contiguous();
    teacher = teacherIn.to(student.scalar_type()).contiguous();
    weight = argumentLike(weightIn, student);
  }

  template <class S>
  kernel::KlInput<S> input() const {
    return {constDataOf<S>(student), constDataOf<S>(teacher), constDataOf<kernel::Arithmetic<S>>(weight),
            student.size(1), temperature};
  }
};

/// The sum, and its gradient when that is wanted (else undefined): both come from one pass over the logits.
std::tuple<Tensor, Tensor> forwardCpu(const Tensor& student, const Tensor& teacher, const Tensor& weight,
                                      double temperature, bool wanted) {
  const Arguments arguments(student, teacher, weight, temperature);
  const Tensor gradient = wanted ? at::empty_like(arguments.student) : at::empty({0}, student.options());
  double sum = 0;
  withStorageType(student, "student", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    S* slopes = wanted ? dataOf<S>(gradient) : nullptr;
    sum = sumOverChunks(student.size(0), rowsPerChunk(in.bins),
                        [&](int64_t begin, int64_t end) { return kernel::klSum(in, begin, end, slopes); });
  });
  return {scalarLike(sum, student), gradient};
}

std::tuple<Tensor, Tensor> forwardOp(const Tensor& student, const Tensor& teacher, const Tensor& weight,
                                     double temperature, bool wanted) {
  static const auto op = registered<decltype(forwardCpu)>("kl_distillation");
  return op.call(student, teacher, weight, temperature, wanted);
}

using namespace torch::autograd;

struct KlFunction : Function<KlFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& student, const Tensor& teacher,
                        const Tensor& weight, double temperature) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto [sum, gradient] = forwardOp(student, teacher, weight, temperature, student.requires_grad());
    context->save_for_backward({gradient});
    return sum;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    Tensor slopes = context->get_saved_variables()[0];
    const Tensor factor = gradients[0].to(slopes.scalar_type());
    // The last walk through the graph may have the slopes themselves: a second copy costs as much as all
    // else.
    if (get_current_graph_task_keep_graph()) return {at::mul(slopes, factor), {}, {}, {}};
    return {slopes.mul_(factor), {}, {}, {}};
  }
};

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def(
      "kl_distillation(Tensor student, Tensor teacher, Tensor weight, float temperature, bool wanted) -> "
      "(Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("kl_distillation", forwardCpu);
}

}  // namespace
}  // namespace distillation

Tensor klDistillation(const Tensor& student, const Tensor& teacher, const Tensor& weight,
                      double temperature) {
  return distillation::KlFunction::apply(student, teacher, weight, temperature);
}

}  // namespace hd::ops
