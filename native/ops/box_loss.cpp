// Schema, dispatch and gradient of box losses and overlaps (ops/losses.h).
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "ops/cpu/box_kernel.h"
#include "ops/dispatch.h"
#include "ops/kinds.h"
#include "ops/losses.h"

namespace hd::ops {
namespace box_loss {
namespace {

constexpr int64_t kRowCost = 64;  // arithmetic of one pair, in elements of a plain loop

void requireBoxes(const Tensor& boxes, const char* what) {
  require(boxes.dim() == 2 && boxes.size(1) == 4, "expected shape [N, 4] for ", what, " but received ",
          boxes.sizes(), ": pass boxes as x1, y1, x2, y2");
}

/// Calls `body(T{})` with the arithmetic type of `boxes`.
template <class Body>
void withArithmetic(const Tensor& boxes, const Body& body) {
  if (arithmeticType(boxes) == at::kDouble) return body(double{});
  return body(float{});
}

Tensor forwardCpu(const Tensor& predIn, const Tensor& targetIn, const Tensor& weightIn, c10::string_view kind,
                  double eps) {
  requireBoxes(predIn, "pred");
  requireShape(targetIn, predIn.sizes(), "target");
  requireShape(weightIn, {predIn.size(0)}, "weight");
  const auto which = boxLossKind(kind);
  const Tensor pred = argumentLike(predIn, predIn), target = argumentLike(targetIn, predIn),
               weight = argumentLike(weightIn, predIn);
  double sum = 0;
  withArithmetic(pred, [&]<class T>(T) {
    sum = sumOverChunks(pred.size(0), rowsPerChunk(kRowCost), [&](int64_t begin, int64_t end) {
      return kernel::boxLossSum<T>(which, constDataOf<T>(pred), constDataOf<T>(target),
                                   constDataOf<T>(weight), T(eps), begin, end);
    });
  });
  return scalarLike(sum, pred);
}

Tensor rowsCpu(const Tensor& predIn, const Tensor& targetIn, c10::string_view kind, double eps) {
  requireBoxes(predIn, "pred");
  requireShape(targetIn, predIn.sizes(), "target");
  const auto which = boxLossKind(kind);
  const Tensor pred = argumentLike(predIn, predIn), target = argumentLike(targetIn, predIn);
  const Tensor out = at::empty({pred.size(0)}, pred.options());
  withArithmetic(pred, [&]<class T>(T) {
    forEachChunk(pred.size(0), rowsPerChunk(kRowCost), [&](int64_t, int64_t begin, int64_t end) {
      kernel::boxLossRows<T>(which, constDataOf<T>(pred), constDataOf<T>(target), T(eps), dataOf<T>(out),
                             begin, end);
    });
  });
  return out;
}

/// gradient[i] = coefficient[i] · ∂loss/∂pred[i].
Tensor backwardCpu(const Tensor& coefficientIn, const Tensor& predIn, const Tensor& targetIn,
                   c10::string_view kind, double eps) {
  const auto which = boxLossKind(kind);
  const Tensor pred = argumentLike(predIn, predIn), target = argumentLike(targetIn, predIn);
  const Tensor coefficient = argumentLike(coefficientIn, predIn);
  const Tensor out = at::empty_like(pred);
  withArithmetic(pred, [&]<class T>(T) {
    forEachChunk(pred.size(0), rowsPerChunk(kRowCost), [&](int64_t, int64_t begin, int64_t end) {
      kernel::boxLossGradient<T>(which, constDataOf<T>(pred), constDataOf<T>(target),
                                 constDataOf<T>(coefficient), T(eps), dataOf<T>(out), begin, end);
    });
  });
  return out.to(predIn.scalar_type());
}

Tensor matrixCpu(const Tensor& aIn, const Tensor& bIn, c10::string_view kind, double eps) {
  requireBoxes(aIn, "a");
  requireBoxes(bIn, "b");
  const auto which = boxIouKind(kind);
  const Tensor a = argumentLike(aIn, aIn), b = argumentLike(bIn, aIn);
  const Tensor out = at::empty({a.size(0), b.size(0)}, a.options());
  withArithmetic(a, [&]<class T>(T) {
    const auto columns = kernel::boxColumns(constDataOf<T>(b), b.size(0));
    forEachChunk(a.size(0), rowsPerChunk(16 * b.size(0)), [&](int64_t, int64_t begin, int64_t end) {
      kernel::boxIouMatrix<T>(which, constDataOf<T>(a), columns.data(), b.size(0), T(eps), dataOf<T>(out),
                              begin, end);
    });
  });
  return out;
}

Tensor alignedCpu(const Tensor& aIn, const Tensor& bIn, c10::string_view kind, double eps) {
  requireBoxes(aIn, "a");
  requireShape(bIn, aIn.sizes(), "b");
  const auto which = boxIouKind(kind);
  const Tensor a = argumentLike(aIn, aIn), b = argumentLike(bIn, aIn);
  const Tensor out = at::empty({a.size(0)}, a.options());
  withArithmetic(a, [&]<class T>(T) {
    forEachChunk(a.size(0), rowsPerChunk(kRowCost), [&](int64_t, int64_t begin, int64_t end) {
      kernel::boxIouAligned<T>(which, constDataOf<T>(a), constDataOf<T>(b), T(eps), dataOf<T>(out), begin,
                               end);
    });
  });
  return out;
}

Tensor forwardOp(const Tensor& pred, const Tensor& target, const Tensor& weight, c10::string_view kind,
                 double eps) {
  static const auto op = registered<decltype(forwardCpu)>("box_loss");
  return op.call(pred, target, weight, kind, eps);
}

Tensor rowsOp(const Tensor& pred, const Tensor& target, c10::string_view kind, double eps) {
  static const auto op = registered<decltype(rowsCpu)>("box_loss_rows");
  return op.call(pred, target, kind, eps);
}

Tensor backwardOp(const Tensor& coefficient, const Tensor& pred, const Tensor& target, c10::string_view kind,
                  double eps) {
  static const auto op = registered<decltype(backwardCpu)>("box_loss_backward");
  return op.call(coefficient, pred, target, kind, eps);
}

// Overlaps have no gradient: their arguments are detached, and no autograd kernel stands in the way.
Tensor matrixOp(const Tensor& a, const Tensor& b, c10::string_view kind, double eps) {
  static const auto op = registered<decltype(matrixCpu)>("box_iou_matrix");
  return op.call(a.detach(), b.detach(), kind, eps);
}

Tensor alignedOp(const Tensor& a, const Tensor& b, c10::string_view kind, double eps) {
  static const auto op = registered<decltype(alignedCpu)>("box_iou_aligned");
  return op.call(a.detach(), b.detach(), kind, eps);
}

using namespace torch::autograd;

struct BoxLossFunction : Function<BoxLossFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& pred, const Tensor& target,
                        const Tensor& weight, std::string kind, double eps) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({pred, target, weight});
    context->saved_data["kind"] = kind;
    context->saved_data["eps"] = eps;
    return forwardOp(pred, target, weight, kind, eps);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {backwardOp(saved[2].mul(gradients[0]), saved[0], saved[1],
                       context->saved_data["kind"].toStringRef(), context->saved_data["eps"].toDouble()),
            {},
            {},
            {},
            {}};
  }
};

struct BoxLossRowsFunction : Function<BoxLossRowsFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& pred, const Tensor& target, std::string kind,
                        double eps) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({pred, target});
    context->saved_data["kind"] = kind;
    context->saved_data["eps"] = eps;
    return rowsOp(pred, target, kind, eps);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {backwardOp(gradients[0], saved[0], saved[1], context->saved_data["kind"].toStringRef(),
                       context->saved_data["eps"].toDouble()),
            {},
            {},
            {}};
  }
};

Tensor forwardAutograd(const Tensor& pred, const Tensor& target, const Tensor& weight, c10::string_view kind,
                       double eps) {
  return BoxLossFunction::apply(pred, target, weight, std::string(kind), eps);
}
Tensor rowsAutograd(const Tensor& pred, const Tensor& target, c10::string_view kind, double eps) {
  return BoxLossRowsFunction::apply(pred, target, std::string(kind), eps);
}

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def("box_loss(Tensor pred, Tensor target, Tensor weight, str kind, float eps) -> Tensor");
  m.def("box_loss_rows(Tensor pred, Tensor target, str kind, float eps) -> Tensor");
  m.def("box_loss_backward(Tensor coefficient, Tensor pred, Tensor target, str kind, float eps) -> Tensor");
  m.def("box_iou_matrix(Tensor a, Tensor b, str kind, float eps) -> Tensor");
  m.def("box_iou_aligned(Tensor a, Tensor b, str kind, float eps) -> Tensor");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("box_loss", forwardCpu);
  m.impl("box_loss_rows", rowsCpu);
  m.impl("box_loss_backward", backwardCpu);
  m.impl("box_iou_matrix", matrixCpu);
  m.impl("box_iou_aligned", alignedCpu);
}
TORCH_LIBRARY_IMPL(hdtrain, Autograd, m) {
  m.impl("box_loss", forwardAutograd);
  m.impl("box_loss_rows", rowsAutograd);
}

}  // namespace
}  // namespace box_loss

Tensor boxLoss(const std::string& kind, const Tensor& pred, const Tensor& target, const Tensor& weight,
               double eps) {
  return box_loss::forwardOp(pred, target, weight, kind, eps);
}

Tensor boxLossRows(const std::string& kind, const Tensor& pred, const Tensor& target, double eps) {
  return box_loss::rowsOp(pred, target, kind, eps);
}

Tensor boxIouMatrix(const std::string& kind, const Tensor& a, const Tensor& b, double eps) {
  return box_loss::matrixOp(a, b, kind, eps);
}

Tensor boxIouAligned(const std::string& kind, const Tensor& a, const Tensor& b, double eps) {
  return box_loss::alignedOp(a, b, kind, eps);
}

}  // namespace hd::ops
