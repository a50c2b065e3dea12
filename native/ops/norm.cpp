// Schema, dispatch and gradients of normalisation operators (ops/norm.h).
#include "ops/norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>

#include "ops/cpu/norm_kernel.h"
#include "ops/dispatch.h"

namespace hd::ops {
namespace {

/// Pixels of one task; fixed, so that sums do not depend on the number of threads.
constexpr int64_t kPixels = 256;

/// A map as rows of channels: N images of `pixels` rows.
struct Rows {
  Tensor tensor;
  int64_t images, channels, pixels;

  explicit Rows(const Tensor& x) {
    require(x.dim() == 4, "expected a map [N, C, H, W] but received ", x.sizes(), ": add the missing dimensions");
    tensor = x.contiguous(at::MemoryFormat::ChannelsLast);
    images = x.size(0);
    channels = x.size(1);
    pixels = x.size(2) * x.size(3);
  }
  int64_t rows() const { return images * pixels; }
};

Tensor likeRows(const Rows& rows) { return at::empty_like(rows.tensor, rows.tensor.options(), at::MemoryFormat::ChannelsLast); }

/// Per image and channel: two sums over its pixels, [N, 2, C] doubles. `add(image, begin, end, first, second)` adds rows.
template <class Add>
std::vector<double> imageSums(const Rows& map, const Add& add) {
  const int64_t chunks = (map.pixels + kPixels - 1) / kPixels, width = 2 * map.channels;
  std::vector<double> partial(static_cast<size_t>(map.images * chunks * width));
  at::parallel_for(0, map.images * chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t image = task / chunks, begin = (task % chunks) * kPixels;
      const int64_t end = std::min(map.pixels, begin + kPixels);
      double* out = partial.data() + task * width;
      add(image * map.pixels + begin, image * map.pixels + end, out, out + map.channels);
    }
  });
  std::vector<double> sums(static_cast<size_t>(map.images * width));
  for (int64_t task = 0; task < map.images * chunks; ++task) {
    double* out = sums.data() + task / chunks * width;
    for (int64_t c = 0; c < width; ++c) out[c] += partial[static_cast<size_t>(task * width + c)];
  }
  return sums;
}

/// Calls `body(image, begin, end)` for runs of rows that belong to one image, in parallel.
template <class Body>
void forEachRun(const Rows& map, const Body& body) {
  const int64_t chunks = (map.pixels + kPixels - 1) / kPixels;
  at::parallel_for(0, map.images * chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t image = task / chunks, begin = (task % chunks) * kPixels;
      body(image, image * map.pixels + begin, image * map.pixels + std::min(map.pixels, begin + kPixels));
    }
  });
}

void requireChannels(const Tensor& tensor, int64_t channels, const char* what) {
  require(tensor.dim() == 1 && tensor.size(0) == channels, "expected [", channels, "] for ", what, " but received ", tensor.sizes());
}

// group normalisation ---------------------------------------------------------------------------------------------

/// y, and mean and 1/deviation per image and group [N, 2, G] in the arithmetic type.
std::tuple<Tensor, Tensor> groupNormCpu(const Tensor& x, int64_t groups, const Tensor& weightIn, const Tensor& biasIn, double eps,
                                        bool relu) {
  const Rows map(x);
  require(groups > 0 && map.channels % groups == 0, "expected groups that divide ", map.channels, " channels but received ", groups);
  requireChannels(weightIn, map.channels, "weight");
  requireChannels(biasIn, map.channels, "bias");
  const Tensor weight = argumentLike(weightIn, x), bias = argumentLike(biasIn, x);
  const Tensor y = likeRows(map);
  const Tensor statistics = at::empty({map.images, 2, groups}, weight.options());
  const int64_t size = map.channels / groups;
  withStorageType(x, "x", [&]<class S>(S) {
    using T = kernel::Arithmetic<S>;
    const S* in = constDataOf<S>(map.tensor);
    const auto sums = imageSums(map, [&](int64_t begin, int64_t end, double* sum, double* square) {
      kernel::channelSums(in, map.channels, begin, end, sum, square);
    });
    std::vector<T> factors(static_cast<size_t>(2 * map.images * map.channels));
    for (int64_t n = 0; n < map.images; ++n) {
      const double *sum = sums.data() + 2 * n * map.channels, *square = sum + map.channels;
      T *scale = factors.data() + 2 * n * map.channels, *shift = scale + map.channels;
      for (int64_t g = 0; g < groups; ++g) {
        double total = 0, squares = 0;
        for (int64_t c = g * size; c < (g + 1) * size; ++c) {
          total += sum[c];
          squares += square[c];
        }
        const double count = static_cast<double>(size * map.pixels);
        const double mean = total / count, variance = std::max(0.0, squares / count - mean * mean);
        const double rstd = 1 / std::sqrt(variance + eps);
        dataOf<T>(statistics)[(2 * n) * groups + g] = static_cast<T>(mean);
        dataOf<T>(statistics)[(2 * n + 1) * groups + g] = static_cast<T>(rstd);
        for (int64_t c = g * size; c < (g + 1) * size; ++c) {
          const double factor = rstd * static_cast<double>(constDataOf<T>(weight)[c]);
          scale[c] = static_cast<T>(factor);
          shift[c] = static_cast<T>(static_cast<double>(constDataOf<T>(bias)[c]) - mean * factor);
        }
      }
    }
    forEachRun(map, [&](int64_t n, int64_t begin, int64_t end) {
      const T* scale = factors.data() + 2 * n * map.channels;
      kernel::scaleShiftRows<S>(in, scale, scale + map.channels, nullptr, relu, map.channels, dataOf<S>(y), begin, end);
    });
  });
  return {y, statistics};
}

/// Gradients of x, weight, bias. `y` is the output (for ReLU's mask; undefined without ReLU).
std::tuple<Tensor, Tensor, Tensor> groupNormBackwardCpu(const Tensor& dyIn, const Tensor& x, const Tensor& yIn, const Tensor& statistics,
                                                        int64_t groups, const Tensor& weightIn, bool relu) {
  const Rows map(x), dyRows(dyIn.to(x.scalar_type()));
  const Tensor y = relu ? yIn.contiguous(at::MemoryFormat::ChannelsLast) : Tensor();
  const Tensor weight = argumentLike(weightIn, x);
  const Tensor dx = likeRows(map), dWeight = at::empty_like(weight), dBias = at::empty_like(weight);
  const int64_t size = map.channels / groups;
  withStorageType(x, "x", [&]<class S>(S) {
    using T = kernel::Arithmetic<S>;
    const S *in = constDataOf<S>(map.tensor), *dy = constDataOf<S>(dyRows.tensor), *out = relu ? constDataOf<S>(y) : nullptr;
    const auto sums = imageSums(map, [&](int64_t begin, int64_t end, double* sum, double* product) {
      kernel::gradientSums(in, dy, out, map.channels, begin, end, sum, product);
    });
    std::vector<double> weightSums(static_cast<size_t>(map.channels)), biasSums(weightSums);
    std::vector<T> factors(static_cast<size_t>(3 * map.images * map.channels));
    for (int64_t n = 0; n < map.images; ++n) {
      const double *sum = sums.data() + 2 * n * map.channels, *product = sum + map.channels;
      T *byGradient = factors.data() + 3 * n * map.channels, *byInput = byGradient + map.channels, *constant = byInput + map.channels;
      for (int64_t g = 0; g < groups; ++g) {
        const double mean = static_cast<double>(constDataOf<T>(statistics)[2 * n * groups + g]);
        const double rstd = static_cast<double>(constDataOf<T>(statistics)[(2 * n + 1) * groups + g]);
        double total = 0, projected = 0;  // Σ w·g and Σ w·g·x̂ of the group
        for (int64_t c = g * size; c < (g + 1) * size; ++c) {
          const double factor = static_cast<double>(constDataOf<T>(weight)[c]);
          const double normalised = (product[c] - mean * sum[c]) * rstd;
          total += factor * sum[c];
          projected += factor * normalised;
          weightSums[static_cast<size_t>(c)] += normalised;
          biasSums[static_cast<size_t>(c)] += sum[c];
        }
        const double count = static_cast<double>(size * map.pixels);
        const double slope = -rstd * rstd * projected / count;
        for (int64_t c = g * size; c < (g + 1) * size; ++c) {
          byGradient[c] = static_cast<T>(rstd * static_cast<double>(constDataOf<T>(weight)[c]));
          byInput[c] = static_cast<T>(slope);
          constant[c] = static_cast<T>(-slope * mean - rstd * total / count);
        }
      }
    }
    for (int64_t c = 0; c < map.channels; ++c) {
      dataOf<T>(dWeight)[c] = static_cast<T>(weightSums[static_cast<size_t>(c)]);
      dataOf<T>(dBias)[c] = static_cast<T>(biasSums[static_cast<size_t>(c)]);
    }
    forEachRun(map, [&](int64_t n, int64_t begin, int64_t end) {
      const T* byGradient = factors.data() + 3 * n * map.channels;
      kernel::gradientRows<S>(in, dy, out, byGradient, byGradient + map.channels, byGradient + 2 * map.channels, map.channels,
                              dataOf<S>(dx), begin, end);
    });
  });
  return {dx, dWeight, dBias};
}

// scale, bias, residual, ReLU -------------------------------------------------------------------------------------

Tensor scaleBiasCpu(const Tensor& x, const Tensor& scaleIn, const Tensor& biasIn, const std::optional<Tensor>& residualIn, bool relu) {
  const Rows map(x);
  requireChannels(scaleIn, map.channels, "scale");
  requireChannels(biasIn, map.channels, "bias");
  if (residualIn) requireShape(*residualIn, x.sizes(), "residual");
  const Tensor scale = argumentLike(scaleIn, x), bias = argumentLike(biasIn, x);
  const Tensor residual = residualIn ? residualIn->to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast) : Tensor();
  const Tensor y = likeRows(map);
  withStorageType(x, "x", [&]<class S>(S) {
    using T = kernel::Arithmetic<S>;
    forEachRun(map, [&](int64_t, int64_t begin, int64_t end) {
      kernel::scaleShiftRows<S>(constDataOf<S>(map.tensor), constDataOf<T>(scale), constDataOf<T>(bias),
                                residual.defined() ? constDataOf<S>(residual) : nullptr, relu, map.channels, dataOf<S>(y), begin, end);
    });
  });
  return y;
}

/// Gradients of x, scale, bias and of the sum before ReLU (which is the residual's).
std::tuple<Tensor, Tensor, Tensor, Tensor> scaleBiasBackwardCpu(const Tensor& dyIn, const Tensor& x, const Tensor& yIn,
                                                                const Tensor& scaleIn, bool relu, bool wantsResidual) {
  const Rows map(x), dyRows(dyIn.to(x.scalar_type()));
  const Tensor y = relu ? yIn.contiguous(at::MemoryFormat::ChannelsLast) : Tensor();
  const Tensor scale = argumentLike(scaleIn, x);
  const Tensor dx = likeRows(map), dScale = at::empty_like(scale), dBias = at::empty_like(scale);
  const Tensor before = wantsResidual ? likeRows(map) : Tensor();
  withStorageType(x, "x", [&]<class S>(S) {
    using T = kernel::Arithmetic<S>;
    const S *in = constDataOf<S>(map.tensor), *dy = constDataOf<S>(dyRows.tensor), *out = relu ? constDataOf<S>(y) : nullptr;
    const auto sums = imageSums(map, [&](int64_t begin, int64_t end, double* sum, double* product) {
      kernel::gradientSums(in, dy, out, map.channels, begin, end, sum, product);
    });
    for (int64_t c = 0; c < map.channels; ++c) {
      double sum = 0, product = 0;
      for (int64_t n = 0; n < map.images; ++n) {
        sum += sums[static_cast<size_t>((2 * n) * map.channels + c)];
        product += sums[static_cast<size_t>((2 * n + 1) * map.channels + c)];
      }
      dataOf<T>(dScale)[c] = static_cast<T>(product);
      dataOf<T>(dBias)[c] = static_cast<T>(sum);
    }
    forEachRun(map, [&](int64_t, int64_t begin, int64_t end) {
      kernel::gradientRows<S>(in, dy, out, constDataOf<T>(scale), nullptr, nullptr, map.channels, dataOf<S>(dx), begin, end);
      if (wantsResidual) kernel::maskRange<S>(dy, out, dataOf<S>(before), begin * map.channels, end * map.channels);
    });
  });
  return {dx, dScale, dBias, before};
}

// x + residual, ReLU ----------------------------------------------------------------------------------------------

Tensor addReluCpu(const Tensor& xIn, const Tensor& residualIn) {
  requireShape(residualIn, xIn.sizes(), "residual");
  const Rows x(xIn), residual(residualIn.to(xIn.scalar_type()));
  const Tensor y = likeRows(x);
  withStorageType(xIn, "x", [&]<class S>(S) {
    forEachChunk(x.rows() * x.channels, kChunkElements, [&](int64_t, int64_t begin, int64_t end) {
      kernel::addReluRange<S>(constDataOf<S>(x.tensor), constDataOf<S>(residual.tensor), dataOf<S>(y), begin, end);
    });
  });
  return y;
}

Tensor addReluBackwardCpu(const Tensor& dyIn, const Tensor& yIn) {
  const Rows dy(dyIn.to(yIn.scalar_type())), y(yIn);
  const Tensor out = likeRows(y);
  withStorageType(yIn, "y", [&]<class S>(S) {
    forEachChunk(y.rows() * y.channels, kChunkElements, [&](int64_t, int64_t begin, int64_t end) {
      kernel::maskRange<S>(constDataOf<S>(dy.tensor), constDataOf<S>(y.tensor), dataOf<S>(out), begin, end);
    });
  });
  return out;
}

template <class Signature>
auto operation(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").template typed<Signature>();
}

using namespace torch::autograd;

struct GroupNormFunction : Function<GroupNormFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias,
                               double eps, bool relu) {
    at::AutoDispatchBelowADInplaceOrView below;
    static const auto op = operation<decltype(groupNormCpu)>("hdtrain::group_norm_relu");
    auto [y, statistics] = op.call(x, groups, weight, bias, eps, relu);
    context->save_for_backward({x, relu ? y : Tensor(), statistics, weight});
    context->saved_data["groups"] = groups;
    context->saved_data["relu"] = relu;
    context->mark_non_differentiable({statistics});
    return {y, statistics};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    static const auto op = operation<decltype(groupNormBackwardCpu)>("hdtrain::group_norm_relu_backward");
    const auto saved = context->get_saved_variables();
    const bool relu = context->saved_data["relu"].toBool();
    auto [dx, dWeight, dBias] = op.call(gradients[0], saved[0], relu ? saved[1] : saved[0], saved[2],
                                        context->saved_data["groups"].toInt(), saved[3], relu);
    return {dx, {}, dWeight.to(saved[3].scalar_type()), dBias.to(saved[3].scalar_type()), {}, {}};
  }
};

struct ScaleBiasFunction : Function<ScaleBiasFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& scale, const Tensor& bias,
                        const std::optional<Tensor>& residual, bool relu) {
    at::AutoDispatchBelowADInplaceOrView below;
    static const auto op = operation<decltype(scaleBiasCpu)>("hdtrain::scale_bias_relu");
    const Tensor y = op.call(x, scale, bias, residual, relu);
    context->save_for_backward({x, relu ? y : Tensor(), scale});
    context->saved_data["relu"] = relu;
    context->saved_data["residual"] = residual.has_value() && residual->requires_grad();
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    static const auto op = operation<decltype(scaleBiasBackwardCpu)>("hdtrain::scale_bias_relu_backward");
    const auto saved = context->get_saved_variables();
    const bool relu = context->saved_data["relu"].toBool(), residual = context->saved_data["residual"].toBool();
    auto [dx, dScale, dBias, before] = op.call(gradients[0], saved[0], relu ? saved[1] : saved[0], saved[2], relu, residual);
    const auto type = saved[2].scalar_type();
    return {dx, dScale.to(type), dBias.to(type), residual ? before : Tensor(), {}};
  }
};

struct AddReluFunction : Function<AddReluFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& residual) {
    at::AutoDispatchBelowADInplaceOrView below;
    static const auto op = operation<decltype(addReluCpu)>("hdtrain::add_relu");
    const Tensor y = op.call(x, residual);
    context->save_for_backward({y});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    static const auto op = operation<decltype(addReluBackwardCpu)>("hdtrain::add_relu_backward");
    const Tensor gradient = op.call(gradients[0], context->get_saved_variables()[0]);
    return {gradient, gradient};
  }
};

std::tuple<Tensor, Tensor> groupNormAutograd(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                                             bool relu) {
  auto out = GroupNormFunction::apply(x, groups, weight, bias, eps, relu);
  return {out[0], out[1]};
}
Tensor scaleBiasAutograd(const Tensor& x, const Tensor& scale, const Tensor& bias, const std::optional<Tensor>& residual, bool relu) {
  return ScaleBiasFunction::apply(x, scale, bias, residual, relu);
}
Tensor addReluAutograd(const Tensor& x, const Tensor& residual) { return AddReluFunction::apply(x, residual); }

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def("group_norm_relu(Tensor x, int groups, Tensor weight, Tensor bias, float eps, bool relu) -> (Tensor, Tensor)");
  m.def(
      "group_norm_relu_backward(Tensor dy, Tensor x, Tensor y, Tensor statistics, int groups, Tensor weight, bool relu) -> "
      "(Tensor, Tensor, Tensor)");
  m.def("scale_bias_relu(Tensor x, Tensor scale, Tensor bias, Tensor? residual, bool relu) -> Tensor");
  m.def(
      "scale_bias_relu_backward(Tensor dy, Tensor x, Tensor y, Tensor scale, bool relu, bool residual) -> "
      "(Tensor, Tensor, Tensor, Tensor)");
  m.def("add_relu(Tensor x, Tensor residual) -> Tensor");
  m.def("add_relu_backward(Tensor dy, Tensor y) -> Tensor");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("group_norm_relu", groupNormCpu);
  m.impl("group_norm_relu_backward", groupNormBackwardCpu);
  m.impl("scale_bias_relu", scaleBiasCpu);
  m.impl("scale_bias_relu_backward", scaleBiasBackwardCpu);
  m.impl("add_relu", addReluCpu);
  m.impl("add_relu_backward", addReluBackwardCpu);
}
TORCH_LIBRARY_IMPL(hdtrain, Autograd, m) {
  m.impl("group_norm_relu", groupNormAutograd);
  m.impl("scale_bias_relu", scaleBiasAutograd);
  m.impl("add_relu", addReluAutograd);
}

}  // namespace

Tensor groupNormRelu(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps, bool relu) {
  static const auto op = operation<decltype(groupNormCpu)>("hdtrain::group_norm_relu");
  return std::get<0>(op.call(x, groups, weight, bias, eps, relu));
}

Tensor addRelu(const Tensor& x, const Tensor& residual) {
  static const auto op = operation<decltype(addReluCpu)>("hdtrain::add_relu");
  return op.call(x, residual);
}

Tensor scaleBiasRelu(const Tensor& x, const Tensor& scale, const Tensor& bias, const std::optional<Tensor>& residual, bool relu) {
  static const auto op = operation<decltype(scaleBiasCpu)>("hdtrain::scale_bias_relu");
  return op.call(x, scale, bias, residual, relu);
}

}  // namespace hd::ops
