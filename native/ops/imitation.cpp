// Schema, dispatch and gradient of feature imitation (ops/losses.h).
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "ops/cpu/imitation_kernel.h"
#include "ops/dispatch.h"
#include "ops/losses.h"

namespace hd::ops {
namespace imitation {
namespace {

struct Arguments {
  Tensor student, teacher, weight;

  Arguments(const Tensor& studentIn, const Tensor& teacherIn, const Tensor& weightIn) {
    requireMatrix(studentIn, "student");
    requireShape(teacherIn, studentIn.sizes(), "teacher");
    requireShape(weightIn, {studentIn.size(0)}, "weight");
    student = studentIn.contiguous();
    teacher = teacherIn.to(student.scalar_type()).contiguous();
    weight = argumentLike(weightIn, student);
  }

  template <class S>
  kernel::DifferenceInput<S> input() const {
    return {constDataOf<S>(student), constDataOf<S>(teacher), constDataOf<kernel::Arithmetic<S>>(weight),
            student.size(1)};
  }
};

Tensor forwardCpu(const Tensor& student, const Tensor& teacher, const Tensor& weight) {
  const Arguments arguments(student, teacher, weight);
  double sum = 0;
  withStorageType(student, "student", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    sum = sumOverChunks(student.size(0), rowsPerChunk(in.channels), [&](int64_t begin, int64_t end) {
      return kernel::squaredDifferenceSum(in, begin, end);
    });
  });
  return scalarLike(sum, student);
}

Tensor backwardCpu(const Tensor& gradient, const Tensor& student, const Tensor& teacher,
                   const Tensor& weight) {
  const Arguments arguments(student, teacher, weight);
  const Tensor out = at::empty_like(arguments.student);
  withStorageType(student, "student", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    forEachChunk(student.size(0), rowsPerChunk(in.channels), [&](int64_t, int64_t begin, int64_t end) {
      kernel::squaredDifferenceGradient(in, scalarOf(gradient), dataOf<S>(out), begin, end);
    });
  });
  return out;
}

Tensor forwardOp(const Tensor& student, const Tensor& teacher, const Tensor& weight) {
  static const auto op = registered<decltype(forwardCpu)>("squared_difference");
  return op.call(student, teacher, weight);
}
Tensor backwardOp(const Tensor& gradient, const Tensor& student, const Tensor& teacher,
                  const Tensor& weight) {
  static const auto op = registered<decltype(backwardCpu)>("squared_difference_backward");
  return op.call(gradient, student, teacher, weight);
}

using namespace torch::autograd;

struct DifferenceFunction : Function<DifferenceFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& student, const Tensor& teacher,
                        const Tensor& weight) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({student, teacher, weight});
    return forwardOp(student, teacher, weight);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {backwardOp(gradients[0], saved[0], saved[1], saved[2]), {}, {}};
  }
};

Tensor forwardAutograd(const Tensor& student, const Tensor& teacher, const Tensor& weight) {
  return DifferenceFunction::apply(student, teacher, weight);
}

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def("squared_difference(Tensor student, Tensor teacher, Tensor weight) -> Tensor");
  m.def(
      "squared_difference_backward(Tensor gradient, Tensor student, Tensor teacher, Tensor weight) -> "
      "Tensor");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("squared_difference", forwardCpu);
  m.impl("squared_difference_backward", backwardCpu);
}
TORCH_LIBRARY_IMPL(hdtrain, Autograd, m) {
  m.impl("squared_difference", forwardAutograd);
}

}  // namespace
}  // namespace imitation

Tensor squaredDifference(const Tensor& student, const Tensor& teacher, const Tensor& weight) {
  return imitation::forwardOp(student, teacher, weight);
}

}  // namespace hd::ops
