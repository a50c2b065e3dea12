// Schema, dispatch and gradients of the pointwise operators with ReLU (ops/norm.h).
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "ops/channel_rows.h"
#include "ops/cpu/pointwise_kernel.h"
#include "ops/norm.h"

namespace hd::ops {
namespace pointwise {
namespace {

/// `tensor` in the type and memory format of `like`.
Tensor matched(const Tensor& tensor, const Tensor& like) {
  return tensor.to(like.scalar_type()).contiguous(like.suggest_memory_format());
}

// relu(x + residual)
// ----------------------------------------------------------------------------------------------

Tensor addReluCpu(const Tensor& xIn, const Tensor& residualIn) {
  requireShape(residualIn, xIn.sizes(), "residual");
  const Tensor x = matched(xIn, xIn), residual = matched(residualIn, xIn), y = at::empty_like(x);
  withStorageType(x, "x", [&]<class S>(S) {
    forEachChunk(x.numel(), kChunkElements, [&](int64_t, int64_t begin, int64_t end) {
      kernel::addReluRange(constDataOf<S>(x), constDataOf<S>(residual), dataOf<S>(y), begin, end);
    });
  });
  return y;
}

Tensor addReluBackwardCpu(const Tensor& gradientIn, const Tensor& yIn) {
  const Tensor y = matched(yIn, yIn), gradient = matched(gradientIn, yIn), out = at::empty_like(y);
  withStorageType(y, "y", [&]<class S>(S) {
    forEachChunk(y.numel(), kChunkElements, [&](int64_t, int64_t begin, int64_t end) {
      kernel::maskRange(constDataOf<S>(gradient), constDataOf<S>(y), dataOf<S>(out), begin, end);
    });
  });
  return out;
}

// relu(x·scale + bias + residual)
// ---------------------------------------------------------------------------------

Tensor scaleBiasCpu(const Tensor& x, const Tensor& scaleIn, const Tensor& biasIn,
                    const std::optional<Tensor>& residualIn, bool relu) {
  const ChannelRows map(x);
  requireChannels(scaleIn, map.channels, "scale");
  requireChannels(biasIn, map.channels, "bias");
  if (residualIn) requireShape(*residualIn, x.sizes(), "residual");
  const Tensor scale = argumentLike(scaleIn, x), bias = argumentLike(biasIn, x);
  const Tensor residual = residualIn ? matched(*residualIn, map.tensor) : Tensor();
  const Tensor y = at::empty_like(map.tensor);
  withStorageType(x, "x", [&]<class S>(S) {
    using T = kernel::Arithmetic<S>;
    const S* added = residual.defined() ? constDataOf<S>(residual) : nullptr;
    forEachRun(map, [&](int64_t, int64_t begin, int64_t end) {
      kernel::scaleBiasRows(constDataOf<S>(map.tensor), constDataOf<T>(scale), constDataOf<T>(bias), added,
                            relu, map.channels, dataOf<S>(y), begin, end);
    });
  });
  return y;
}

/// Gradients of x and of the sum before ReLU (the residual's; undefined unless wanted). `y` only with ReLU.
std::tuple<Tensor, Tensor> scaleBiasBackwardCpu(const Tensor& gradient, const std::optional<Tensor>& yIn,
                                                const Tensor& scaleIn, bool wantsResidual) {
  const ChannelRows upper(gradient);
  const Tensor y = yIn ? matched(*yIn, upper.tensor) : Tensor();
  const Tensor scale = argumentLike(scaleIn, gradient);
  const Tensor dx = at::empty_like(upper.tensor), before = wantsResidual ? at::empty_like(dx) : Tensor();
  withStorageType(gradient, "gradient", [&]<class S>(S) {
    const S* mask = y.defined() ? constDataOf<S>(y) : nullptr;
    S* sum = wantsResidual ? dataOf<S>(before) : nullptr;
    forEachRun(upper, [&](int64_t, int64_t begin, int64_t end) {
      kernel::scaleBiasGradientRows(constDataOf<S>(upper.tensor), mask,
                                    constDataOf<kernel::Arithmetic<S>>(scale), upper.channels, dataOf<S>(dx),
                                    sum, begin, end);
    });
  });
  return {dx, before};
}

/// Gradients of scale and bias, in the arithmetic type.
std::tuple<Tensor, Tensor> scaleBiasParametersBackwardCpu(const Tensor& gradientIn, const Tensor& x,
                                                          const std::optional<Tensor>& yIn) {
  const ChannelRows map(x);
  const Tensor gradient = matched(gradientIn, map.tensor), y = yIn ? matched(*yIn, map.tensor) : Tensor();
  const Tensor dScale = at::zeros({map.channels}, x.options().dtype(arithmeticType(x))),
               dBias = dScale.clone();
  withStorageType(x, "x", [&]<class S>(S) {
    using T = kernel::Arithmetic<S>;
    const S* mask = y.defined() ? constDataOf<S>(y) : nullptr;
    const auto sums = sumsOfRuns(map, [&](int64_t begin, int64_t end, double* sum, double* product) {
      kernel::scaleBiasGradientSums(constDataOf<S>(map.tensor), constDataOf<S>(gradient), mask, map.channels,
                                    begin, end, sum, product);
    });
    for (int64_t c = 0; c < map.channels; ++c) {
      double sum = 0, product = 0;
      for (int64_t run = 0; run < map.runs(); ++run) {
        sum += sums[static_cast<size_t>(2 * run * map.channels + c)];
        product += sums[static_cast<size_t>((2 * run + 1) * map.channels + c)];
      }
      dataOf<T>(dScale)[c] = static_cast<T>(product);
      dataOf<T>(dBias)[c] = static_cast<T>(sum);
    }
  });
  return {dScale, dBias};
}

// autograd
// --------------------------------------------------------------------------------------------------------

using namespace torch::autograd;

Tensor addReluOp(const Tensor& x, const Tensor& residual) {
  static const auto op = registered<decltype(addReluCpu)>("add_relu");
  return op.call(x, residual);
}

struct AddReluFunction : Function<AddReluFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& residual) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor y = addReluOp(x, residual);
    context->save_for_backward({y});
    context->saved_data["residual type"] = residual.scalar_type();
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    static const auto op = registered<decltype(addReluBackwardCpu)>("add_relu_backward");
    const Tensor gradient = op.call(gradients[0], context->get_saved_variables()[0]);
    return {gradient, gradient.to(context->saved_data["residual type"].toScalarType())};
  }
};

Tensor scaleBiasOp(const Tensor& x, const Tensor& scale, const Tensor& bias,
                   const std::optional<Tensor>& residual, bool relu) {
  static const auto op = registered<decltype(scaleBiasCpu)>("scale_bias_relu");
  return op.call(x, scale, bias, residual, relu);
}

struct ScaleBiasFunction : Function<ScaleBiasFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& scale, const Tensor& bias,
                        const std::optional<Tensor>& residual, bool relu) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor y = scaleBiasOp(x, scale, bias, residual, relu);
    // x matters to the gradient of scale alone: a frozen normalisation does not keep it alive.
    const bool trained = scale.requires_grad() || bias.requires_grad();
    context->save_for_backward({trained ? x : Tensor(), relu ? y : Tensor(), scale});
    context->saved_data["bias type"] = bias.scalar_type();
    context->saved_data["residual"] = residual.has_value() && residual->requires_grad();
    if (residual) context->saved_data["residual type"] = residual->scalar_type();
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    static const auto op = registered<decltype(scaleBiasBackwardCpu)>("scale_bias_relu_backward");
    static const auto parametersOp =
        registered<decltype(scaleBiasParametersBackwardCpu)>("scale_bias_relu_parameters_backward");
    const auto saved = context->get_saved_variables();
    const std::optional<Tensor> y = saved[1].defined() ? std::optional<Tensor>(saved[1]) : std::nullopt;
    auto [dx, before] = op.call(gradients[0], y, saved[2], context->saved_data["residual"].toBool());
    if (before.defined()) before = before.to(context->saved_data["residual type"].toScalarType());
    if (!saved[0].defined()) return {dx, {}, {}, before, {}};
    auto [dScale, dBias] = parametersOp.call(gradients[0], saved[0], y);
    return {dx,
            dScale.to(saved[2].scalar_type()),
            dBias.to(context->saved_data["bias type"].toScalarType()),
            before,
            {}};
  }
};

Tensor addReluAutograd(const Tensor& x, const Tensor& residual) {
  return AddReluFunction::apply(x, residual);
}
Tensor scaleBiasAutograd(const Tensor& x, const Tensor& scale, const Tensor& bias,
                         const std::optional<Tensor>& residual, bool relu) {
  return ScaleBiasFunction::apply(x, scale, bias, residual, relu);
}

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def("add_relu(Tensor x, Tensor residual) -> Tensor");
  m.def("add_relu_backward(Tensor gradient, Tensor y) -> Tensor");
  m.def("scale_bias_relu(Tensor x, Tensor scale, Tensor bias, Tensor? residual, bool relu) -> Tensor");
  m.def(
      "scale_bias_relu_backward(Tensor gradient, Tensor? y, Tensor scale, bool residual) -> (Tensor, "
      "Tensor)");
  m.def("scale_bias_relu_parameters_backward(Tensor gradient, Tensor x, Tensor? y) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("add_relu", addReluCpu);
  m.impl("add_relu_backward", addReluBackwardCpu);
  m.impl("scale_bias_relu", scaleBiasCpu);
  m.impl("scale_bias_relu_backward", scaleBiasBackwardCpu);
  m.impl("scale_bias_relu_parameters_backward", scaleBiasParametersBackwardCpu);
}
TORCH_LIBRARY_IMPL(hdtrain, Autograd, m) {
  m.impl("add_relu", addReluAutograd);
  m.impl("scale_bias_relu", scaleBiasAutograd);
}

}  // namespace
}  // namespace pointwise

Tensor addRelu(const Tensor& x, const Tensor& residual) {
  return pointwise::addReluOp(x, residual);
}

Tensor scaleBiasRelu(const Tensor& x, const Tensor& scale, const Tensor& bias,
                     const std::optional<Tensor>& residual, bool relu) {
  return pointwise::scaleBiasOp(x, scale, bias, residual, relu);
}

}  // namespace hd::ops
