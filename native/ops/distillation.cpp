// Schema, dispatch and gradient of the distillation losses on logits (ops/losses.h).
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

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

Tensor forwardCpu(const Tensor& student, const Tensor& teacher, const Tensor& weight, double temperature) {
  const Arguments arguments(student, teacher, weight, temperature);
  double sum = 0;
  withStorageType(student, "student", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    sum = sumOverChunks(student.size(0), rowsPerChunk(in.bins),
                        [&](int64_t begin, int64_t end) { return kernel::klSum(in, begin, end); });
  });
  return scalarLike(sum, student);
}

Tensor backwardCpu(const Tensor& gradient, const Tensor& student, const Tensor& teacher, const Tensor& weight,
                   double temperature) {
  const Arguments arguments(student, teacher, weight, temperature);
  const Tensor out = at::empty_like(arguments.student);
  withStorageType(student, "student", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    forEachChunk(student.size(0), rowsPerChunk(in.bins), [&](int64_t, int64_t begin, int64_t end) {
      kernel::klGradient(in, scalarOf(gradient), dataOf<S>(out), begin, end);
    });
  });
  return out;
}

Tensor forwardOp(const Tensor& student, const Tensor& teacher, const Tensor& weight, double temperature) {
  static const auto op = registered<decltype(forwardCpu)>("kl_distillation");
  return op.call(student, teacher, weight, temperature);
}
Tensor backwardOp(const Tensor& gradient, const Tensor& student, const Tensor& teacher, const Tensor& weight,
                  double temperature) {
  static const auto op = registered<decltype(backwardCpu)>("kl_distillation_backward");
  return op.call(gradient, student, teacher, weight, temperature);
}

using namespace torch::autograd;

struct KlFunction : Function<KlFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& student, const Tensor& teacher,
                        const Tensor& weight, double temperature) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({student, teacher, weight});
    context->saved_data["temperature"] = temperature;
    return forwardOp(student, teacher, weight, temperature);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {
        backwardOp(gradients[0], saved[0], saved[1], saved[2], context->saved_data["temperature"].toDouble()),
        {},
        {},
        {}};
  }
};

Tensor forwardAutograd(const Tensor& student, const Tensor& teacher, const Tensor& weight,
                       double temperature) {
  return KlFunction::apply(student, teacher, weight, temperature);
}

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def("kl_distillation(Tensor student, Tensor teacher, Tensor weight, float temperature) -> Tensor");
  m.def(
      "kl_distillation_backward(Tensor gradient, Tensor student, Tensor teacher, Tensor weight, float "
      "temperature) -> Tensor");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("kl_distillation", forwardCpu);
  m.impl("kl_distillation_backward", backwardCpu);
}
TORCH_LIBRARY_IMPL(hdtrain, Autograd, m) {
  m.impl("kl_distillation", forwardAutograd);
}

}  // namespace
}  // namespace distillation

Tensor klDistillation(const Tensor& student, const Tensor& teacher, const Tensor& weight,
                      double temperature) {
  return distillation::forwardOp(student, teacher, weight, temperature);
}

}  // namespace hd::ops
