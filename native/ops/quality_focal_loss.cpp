// Schema, dispatch and gradient of the quality focal loss (ops/losses.h).
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "ops/cpu/quality_focal_kernel.h"
#include "ops/dispatch.h"
#include "ops/losses.h"

namespace hd::ops {
namespace quality_focal {
namespace {

/// Checked, contiguous arguments; owns what the kernel's pointers refer to.
struct Arguments {
  Tensor logits, labels, quality, weight;
  double beta;
  bool probabilities;
  double positive;

  Arguments(const Tensor& logitsIn, const Tensor& labelsIn, const Tensor& qualityIn, const Tensor& weightIn,
            double betaIn, bool probabilitiesIn, double positiveIn)
      : beta(betaIn), probabilities(probabilitiesIn), positive(positiveIn) {
    requireMatrix(logitsIn, "logits");
    const int64_t rows = logitsIn.size(0);
    requireShape(labelsIn, {rows}, "labels");
    requireShape(qualityIn, {rows}, "quality");
    requireShape(weightIn, {rows}, "weight");
    require(!labelsIn.is_floating_point(), "expected integers for labels but received ", labelsIn.dtype(),
            ": convert them to int64");
    require(beta >= 0, "expected beta ≥ 0 but received ", beta, ": use 2 as published");
    logits = logitsIn.contiguous();
    labels = labelsIn.to(at::kLong).contiguous();
    quality = argumentLike(qualityIn, logits);
    weight = argumentLike(weightIn, logits);
  }

  template <class S>
  kernel::QualityFocalInput<S> input() const {
    using T = kernel::Arithmetic<S>;
    return {constDataOf<S>(logits),  labels.const_data_ptr<int64_t>(),
            constDataOf<T>(quality), constDataOf<T>(weight),
            logits.size(1),          beta,
            probabilities,           positive};
  }
};

Tensor forwardCpu(const Tensor& logits, const Tensor& labels, const Tensor& quality, const Tensor& weight,
                  double beta, bool probabilities, double positive) {
  const Arguments arguments(logits, labels, quality, weight, beta, probabilities, positive);
  double sum = 0;
  withStorageType(logits, "logits", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    sum = sumOverChunks(logits.size(0), rowsPerChunk(in.classes),
                        [&](int64_t begin, int64_t end) { return kernel::qualityFocalSum(in, begin, end); });
  });
  return scalarLike(sum, logits);
}

Tensor backwardCpu(const Tensor& gradient, const Tensor& logits, const Tensor& labels, const Tensor& quality,
                   const Tensor& weight, double beta, bool probabilities, double positive) {
  const Arguments arguments(logits, labels, quality, weight, beta, probabilities, positive);
  Tensor out = at::empty_like(arguments.logits);
  withStorageType(logits, "logits", [&]<class S>(S) {
    const auto in = arguments.input<S>();
    forEachChunk(logits.size(0), rowsPerChunk(in.classes), [&](int64_t, int64_t begin, int64_t end) {
      kernel::qualityFocalGradient(in, scalarOf(gradient), dataOf<S>(out), begin, end);
    });
  });
  return out;
}

Tensor forwardOp(const Tensor& logits, const Tensor& labels, const Tensor& quality, const Tensor& weight,
                 double beta, bool probabilities, double positive) {
  static const auto op = registered<decltype(forwardCpu)>("quality_focal_loss");
  return op.call(logits, labels, quality, weight, beta, probabilities, positive);
}

Tensor backwardOp(const Tensor& gradient, const Tensor& logits, const Tensor& labels, const Tensor& quality,
                  const Tensor& weight, double beta, bool probabilities, double positive) {
  static const auto op = registered<decltype(backwardCpu)>("quality_focal_loss_backward");
  return op.call(gradient, logits, labels, quality, weight, beta, probabilities, positive);
}

using namespace torch::autograd;

struct QualityFocalFunction : Function<QualityFocalFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& labels,
                        const Tensor& quality, const Tensor& weight, double beta, bool probabilities,
                        double positive) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({logits, labels, quality, weight});
    context->saved_data["beta"] = beta;
    context->saved_data["probabilities"] = probabilities;
    context->saved_data["positive"] = positive;
    return forwardOp(logits, labels, quality, weight, beta, probabilities, positive);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {backwardOp(gradients[0], saved[0], saved[1], saved[2], saved[3],
                       context->saved_data["beta"].toDouble(), context->saved_data["probabilities"].toBool(),
                       context->saved_data["positive"].toDouble()),
            {},
            {},
            {},
            {},
            {},
            {}};
  }
};

Tensor forwardAutograd(const Tensor& logits, const Tensor& labels, const Tensor& quality,
                       const Tensor& weight, double beta, bool probabilities, double positive) {
  return QualityFocalFunction::apply(logits, labels, quality, weight, beta, probabilities, positive);
}

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def(
      "quality_focal_loss(Tensor logits, Tensor labels, Tensor quality, Tensor weight, float beta, "
      "bool probabilities, float positive) -> Tensor");
  m.def(
      "quality_focal_loss_backward(Tensor gradient, Tensor logits, Tensor labels, Tensor quality, Tensor "
      "weight, "
      "float beta, bool probabilities, float positive) -> Tensor");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("quality_focal_loss", forwardCpu);
  m.impl("quality_focal_loss_backward", backwardCpu);
}
TORCH_LIBRARY_IMPL(hdtrain, Autograd, m) {
  m.impl("quality_focal_loss", forwardAutograd);
}

}  // namespace
}  // namespace quality_focal

Tensor qualityFocalLoss(const Tensor& logits, const Tensor& labels, const Tensor& quality,
                        const Tensor& weight, double beta, bool probabilities) {
  return quality_focal::forwardOp(logits, labels, quality, weight, beta, probabilities, 1);
}

Tensor sigmoidFocalLoss(const Tensor& logits, const Tensor& labels, const Tensor& weight, double alpha,
                        double gamma) {
  require(alpha > 0 && alpha < 1, "expected alpha between 0 and 1 but received ", alpha,
          ": use 0.25 as published");
  // |1 − σ|^γ · BCE(z, 1) and σ^γ · BCE(z, 0): quality focal loss at quality 1, its entries weighted apart.
  return quality_focal::forwardOp(logits, labels, at::ones_like(weight), weight, gamma, false,
                                  alpha / (1 - alpha)) *
         (1 - alpha);
}

}  // namespace hd::ops
