// Schema, dispatch and gradient of the operators on box distributions (ops/losses.h).
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "ops/cpu/distribution_kernel.h"
#include "ops/dispatch.h"
#include "ops/kinds.h"
#include "ops/losses.h"

namespace hd::ops {
namespace distribution {
namespace {

int64_t binsOf(const Tensor& logits, int64_t sides) {
  requireMatrix(logits, "logits");
  require(logits.size(1) % sides == 0 && logits.size(1) / sides >= 2, "expected ", sides,
          " × (n + 1) columns, n ≥ 1, for logits but received ", logits.size(1),
          ": pass side-major distributions");
  return logits.size(1) / sides;
}

// integral
// --------------------------------------------------------------------------------------------------------

Tensor integralCpu(const Tensor& logitsIn) {
  const int64_t bins = binsOf(logitsIn, 4);
  const Tensor logits = logitsIn.contiguous();
  const Tensor out = at::empty({logits.size(0), 4}, logits.options().dtype(arithmeticType(logits)));
  withStorageType(logits, "logits", [&]<class S>(S) {
    forEachChunk(4 * logits.size(0), rowsPerChunk(bins), [&](int64_t, int64_t begin, int64_t end) {
      kernel::integralRows(constDataOf<S>(logits), bins, dataOf<kernel::Arithmetic<S>>(out), begin, end);
    });
  });
  return out;
}

Tensor integralBackwardCpu(const Tensor& gradientIn, const Tensor& logitsIn) {
  const int64_t bins = binsOf(logitsIn, 4);
  const Tensor logits = logitsIn.contiguous(), gradient = argumentLike(gradientIn, logits);
  const Tensor out = at::empty_like(logits);
  withStorageType(logits, "logits", [&]<class S>(S) {
    forEachChunk(4 * logits.size(0), rowsPerChunk(bins), [&](int64_t, int64_t begin, int64_t end) {
      kernel::integralGradient(constDataOf<S>(logits), bins, constDataOf<kernel::Arithmetic<S>>(gradient),
                               dataOf<S>(out), begin, end);
    });
  });
  return out;
}

// distribution focal loss
// -----------------------------------------------------------------------------------------

/// Checked arguments; owns what the kernel's pointers refer to.
struct DistributionArguments {
  Tensor logits, targets, weight;
  int64_t sides, bins, count;

  DistributionArguments(const Tensor& logitsIn, const Tensor& targetsIn, const Tensor& weightIn) {
    sides = targetsIn.dim() == 2 ? 4 : 1;
    bins = binsOf(logitsIn, sides);
    const int64_t rows = logitsIn.size(0);
    if (sides == 4) {
      requireShape(targetsIn, {rows, 4}, "targets");
    } else {
      requireShape(targetsIn, {rows}, "targets");
    }
    requireShape(weightIn, {rows}, "weight");
    logits = logitsIn.contiguous();
    targets = argumentLike(targetsIn, logits);
    weight = argumentLike(weightIn, logits);
    count = rows * sides;
  }

  template <class S>
  kernel::DistributionInput<S> input() const {
    using T = kernel::Arithmetic<S>;
    return {constDataOf<S>(logits), constDataOf<T>(targets), constDataOf<T>(weight), bins, sides};
  }
};

Tensor focalCpu(const Tensor& logits, const Tensor& targets, const Tensor& weight) {
  const DistributionArguments arguments(logits, targets, weight);
  double sum = 0;
  withStorageType(logits, "logits", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    sum = sumOverChunks(arguments.count, rowsPerChunk(in.bins), [&](int64_t begin, int64_t end) {
      return kernel::distributionFocalSum(in, begin, end);
    });
  });
  return scalarLike(sum, logits);
}

Tensor focalBackwardCpu(const Tensor& gradient, const Tensor& logits, const Tensor& targets,
                        const Tensor& weight) {
  const DistributionArguments arguments(logits, targets, weight);
  const Tensor out = at::empty_like(arguments.logits);
  withStorageType(logits, "logits", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    forEachChunk(arguments.count, rowsPerChunk(in.bins), [&](int64_t, int64_t begin, int64_t end) {
      kernel::distributionFocalGradient(in, scalarOf(gradient), dataOf<S>(out), begin, end);
    });
  });
  return out;
}

// GFL's regression branch
// -----------------------------------------------------------------------------------------

struct GflArguments {
  Tensor logits, centre, target, weight;
  kernel::BoxLossKind kind;
  double eps;
  int64_t bins;

  GflArguments(const Tensor& logitsIn, const Tensor& centreIn, const Tensor& targetIn, const Tensor& weightIn,
               c10::string_view name, double epsIn)
      : kind(boxLossKind(name)), eps(epsIn), bins(binsOf(logitsIn, 4)) {
    const int64_t rows = logitsIn.size(0);
    requireShape(centreIn, {rows, 2}, "centre");
    requireShape(targetIn, {rows, 4}, "target");
    requireShape(weightIn, {rows}, "weight");
    logits = logitsIn.contiguous();
    centre = argumentLike(centreIn, logits);
    target = argumentLike(targetIn, logits);
    weight = argumentLike(weightIn, logits);
  }

  template <class S>
  kernel::GflBoxInput<S> input() const {
    using T = kernel::Arithmetic<S>;
    return {constDataOf<S>(logits),
            constDataOf<T>(centre),
            constDataOf<T>(target),
            constDataOf<T>(weight),
            bins,
            kind,
            T(eps)};
  }
};

std::tuple<Tensor, Tensor, Tensor> gflCpu(const Tensor& logits, const Tensor& centre, const Tensor& target,
                                          const Tensor& weight, c10::string_view kind, double eps) {
  const GflArguments arguments(logits, centre, target, weight, kind, eps);
  const int64_t rows = logits.size(0), chunkRows = rowsPerChunk(4 * arguments.bins);
  const Tensor iou = at::empty({rows}, logits.options().dtype(arithmeticType(logits)));
  std::vector<kernel::GflBoxSums> partial(static_cast<size_t>((rows + chunkRows - 1) / chunkRows));
  withStorageType(logits, "logits", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    forEachChunk(rows, chunkRows, [&](int64_t chunk, int64_t begin, int64_t end) {
      partial[static_cast<size_t>(chunk)] =
          kernel::gflBoxRows(in, dataOf<kernel::Arithmetic<S>>(iou), begin, end);
    });
  });
  kernel::GflBoxSums sums;
  for (const auto& part : partial) {
    sums.box += part.box;
    sums.distribution += part.distribution;
  }
  return {scalarLike(sums.box, logits), scalarLike(sums.distribution, logits), iou};
}

Tensor gflBackwardCpu(const Tensor& boxGradient, const Tensor& distributionGradient, const Tensor& logits,
                      const Tensor& centre, const Tensor& target, const Tensor& weight, c10::string_view kind,
                      double eps) {
  const GflArguments arguments(logits, centre, target, weight, kind, eps);
  const Tensor out = at::empty_like(arguments.logits);
  withStorageType(logits, "logits", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    forEachChunk(logits.size(0), rowsPerChunk(4 * in.bins), [&](int64_t, int64_t begin, int64_t end) {
      kernel::gflBoxGradient(in, scalarOf(boxGradient), scalarOf(distributionGradient), dataOf<S>(out), begin,
                             end);
    });
  });
  return out;
}

// dispatch
// --------------------------------------------------------------------------------------------------------

Tensor integralOp(const Tensor& logits) {
  static const auto op = registered<decltype(integralCpu)>("integral");
  return op.call(logits);
}
Tensor integralBackwardOp(const Tensor& gradient, const Tensor& logits) {
  static const auto op = registered<decltype(integralBackwardCpu)>("integral_backward");
  return op.call(gradient, logits);
}
Tensor focalOp(const Tensor& logits, const Tensor& targets, const Tensor& weight) {
  static const auto op = registered<decltype(focalCpu)>("distribution_focal_loss");
  return op.call(logits, targets, weight);
}
Tensor focalBackwardOp(const Tensor& gradient, const Tensor& logits, const Tensor& targets,
                       const Tensor& weight) {
  static const auto op = registered<decltype(focalBackwardCpu)>("distribution_focal_loss_backward");
  return op.call(gradient, logits, targets, weight);
}
std::tuple<Tensor, Tensor, Tensor> gflOp(const Tensor& logits, const Tensor& centre, const Tensor& target,
                                         const Tensor& weight, c10::string_view kind, double eps) {
  static const auto op = registered<decltype(gflCpu)>("gfl_box_loss");
  return op.call(logits, centre, target, weight, kind, eps);
}
Tensor gflBackwardOp(const Tensor& box, const Tensor& distribution, const Tensor& logits,
                     const Tensor& centre, const Tensor& target, const Tensor& weight, c10::string_view kind,
                     double eps) {
  static const auto op = registered<decltype(gflBackwardCpu)>("gfl_box_loss_backward");
  return op.call(box, distribution, logits, centre, target, weight, kind, eps);
}

using namespace torch::autograd;

struct IntegralFunction : Function<IntegralFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& logits) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({logits});
    return integralOp(logits);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {integralBackwardOp(gradients[0], context->get_saved_variables()[0])};
  }
};

struct FocalFunction : Function<FocalFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& targets,
                        const Tensor& weight) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({logits, targets, weight});
    return focalOp(logits, targets, weight);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {focalBackwardOp(gradients[0], saved[0], saved[1], saved[2]), {}, {}};
  }
};

struct GflFunction : Function<GflFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& logits, const Tensor& centre,
                               const Tensor& target, const Tensor& weight, std::string kind, double eps) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({logits, centre, target, weight});
    context->saved_data["kind"] = kind;
    context->saved_data["eps"] = eps;
    auto [box, distribution, iou] = gflOp(logits, centre, target, weight, kind, eps);
    context->mark_non_differentiable({iou});
    return {box, distribution, iou};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {gflBackwardOp(gradients[0], gradients[1], saved[0], saved[1], saved[2], saved[3],
                          context->saved_data["kind"].toStringRef(), context->saved_data["eps"].toDouble()),
            {},
            {},
            {},
            {},
            {}};
  }
};

Tensor integralAutograd(const Tensor& logits) {
  return IntegralFunction::apply(logits);
}
Tensor focalAutograd(const Tensor& logits, const Tensor& targets, const Tensor& weight) {
  return FocalFunction::apply(logits, targets, weight);
}
std::tuple<Tensor, Tensor, Tensor> gflAutograd(const Tensor& logits, const Tensor& centre,
                                               const Tensor& target, const Tensor& weight,
                                               c10::string_view kind, double eps) {
  auto out = GflFunction::apply(logits, centre, target, weight, std::string(kind), eps);
  return {out[0], out[1], out[2]};
}

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def("integral(Tensor logits) -> Tensor");
  m.def("integral_backward(Tensor gradient, Tensor logits) -> Tensor");
  m.def("distribution_focal_loss(Tensor logits, Tensor targets, Tensor weight) -> Tensor");
  m.def(
      "distribution_focal_loss_backward(Tensor gradient, Tensor logits, Tensor targets, Tensor weight) -> "
      "Tensor");
  m.def(
      "gfl_box_loss(Tensor logits, Tensor centre, Tensor target, Tensor weight, str kind, float eps) -> "
      "(Tensor, Tensor, Tensor)");
  m.def(
      "gfl_box_loss_backward(Tensor box, Tensor distribution, Tensor logits, Tensor centre, Tensor target, "
      "Tensor weight, "
      "str kind, float eps) -> Tensor");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("integral", integralCpu);
  m.impl("integral_backward", integralBackwardCpu);
  m.impl("distribution_focal_loss", focalCpu);
  m.impl("distribution_focal_loss_backward", focalBackwardCpu);
  m.impl("gfl_box_loss", gflCpu);
  m.impl("gfl_box_loss_backward", gflBackwardCpu);
}
TORCH_LIBRARY_IMPL(hdtrain, Autograd, m) {
  m.impl("integral", integralAutograd);
  m.impl("distribution_focal_loss", focalAutograd);
  m.impl("gfl_box_loss", gflAutograd);
}

}  // namespace
}  // namespace distribution

Tensor integral(const Tensor& logits) {
  return distribution::integralOp(logits);
}

Tensor distributionFocalLoss(const Tensor& logits, const Tensor& targets, const Tensor& weight) {
  return distribution::focalOp(logits, targets, weight);
}

GflBoxLoss gflBoxLoss(const Tensor& logits, const Tensor& centre, const Tensor& target, const Tensor& weight,
                      const std::string& kind, double eps) {
  auto [box, distribution, iou] = distribution::gflOp(logits, centre, target, weight, kind, eps);
  return {box, distribution, iou};
}

}  // namespace hd::ops
