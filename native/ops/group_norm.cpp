// Schema, dispatch and gradient of group normalisation with ReLU (ops/norm.h).
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>

#include "ops/channel_rows.h"
#include "ops/cpu/group_norm_kernel.h"
#include "ops/norm.h"

namespace hd::ops {
namespace group_norm {
namespace {

/// Mean and variance of the channels [begin, end) of one image from the moments of its runs (Chan et al.).
struct Moments {
  double mean = 0, variance = 0;
};

Moments groupMoments(const ChannelRows& map, const std::vector<double>& moments, int64_t image, int64_t begin,
                     int64_t end) {
  const int64_t firstRun = image * map.runsPerImage(), lastRun = firstRun + map.runsPerImage();
  const double count = static_cast<double>(map.pixels * (end - begin));
  Moments out;
  for (int64_t run = firstRun; run < lastRun; ++run) {
    const double rows = static_cast<double>(map.endOf(run) - map.beginOf(run));
    const double* means = moments.data() + run * 2 * map.channels;
    for (int64_t c = begin; c < end; ++c) out.mean += rows / count * means[c];
  }
  for (int64_t run = firstRun; run < lastRun; ++run) {
    const double rows = static_cast<double>(map.endOf(run) - map.beginOf(run));
    const double *means = moments.data() + run * 2 * map.channels, *squares = means + map.channels;
    for (int64_t c = begin; c < end; ++c) {
      out.variance += (squares[c] + rows * (means[c] - out.mean) * (means[c] - out.mean)) / count;
    }
  }
  return out;
}

/// Per image and channel, in the arithmetic type: what both passes multiply and add.
template <class T>
struct Factors {
  int64_t channels;
  std::vector<T> scale, shift, mean, byInput, constant;

  Factors(const ChannelRows& map, int64_t groups, const Tensor& weight, const Tensor& bias,
          const Tensor& statistics)
      : channels(map.channels),
        scale(static_cast<size_t>(map.images * map.channels)),
        shift(scale),
        mean(scale) {
    const T *weights = constDataOf<T>(weight), *biases = constDataOf<T>(bias);
    const double* stored = constDataOf<double>(statistics);
    for (int64_t n = 0; n < map.images; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        const double* group = stored + 2 * (n * groups + c / (channels / groups));
        const double factor = group[1] * static_cast<double>(weights[c]);
        const size_t at = static_cast<size_t>(n * channels + c);
        scale[at] = static_cast<T>(factor);
        shift[at] = static_cast<T>(static_cast<double>(biases[c]) - group[0] * factor);
        mean[at] = static_cast<T>(group[0]);
      }
    }
  }

  kernel::NormFactors<T> of(int64_t image, bool relu) const {
    const int64_t at = image * channels;
    return {scale.data() + at,   shift.data() + at,    mean.data() + at,
            byInput.data() + at, constant.data() + at, relu};
  }
};

/// y, and the mean and 1/deviation of each image and group: [N, G, 2] doubles.
std::tuple<Tensor, Tensor> forwardCpu(const Tensor& x, int64_t groups, const Tensor& weightIn,
                                      const Tensor& biasIn, double eps, bool relu) {
  const ChannelRows map(x);
  require(groups > 0 && map.channels % groups == 0, "expected groups that divide ", map.channels,
          " channels but received ", groups, ": use 32 as published");
  requireChannels(weightIn, map.channels, "weight");
  requireChannels(biasIn, map.channels, "bias");
  const Tensor weight = argumentLike(weightIn, x), bias = argumentLike(biasIn, x);
  const Tensor y = at::empty_like(map.tensor);
  const Tensor statistics = at::empty({map.images, groups, 2}, weight.options().dtype(at::kDouble));
  withStorageType(x, "x", [&]<class S>(S) {
    const S* in = constDataOf<S>(map.tensor);
    const auto moments = sumsOfRuns(map, [&](int64_t begin, int64_t end, double* mean, double* squares) {
      kernel::channelMoments(in, map.channels, begin, end, mean, squares);
    });
    const int64_t size = map.channels / groups;
    for (int64_t i = 0; i < map.images * groups; ++i) {
      const int64_t first = i % groups * size;
      const Moments group = groupMoments(map, moments, i / groups, first, first + size);
      dataOf<double>(statistics)[2 * i] = group.mean;
      dataOf<double>(statistics)[2 * i + 1] = 1 / std::sqrt(group.variance + eps);
    }
    const Factors<kernel::Arithmetic<S>> factors(map, groups, weight, bias, statistics);
    forEachRun(map, [&](int64_t run, int64_t begin, int64_t end) {
      const auto image = factors.of(map.imageOf(run), relu);
      kernel::normaliseRows(in, image.scale, image.shift, relu, map.channels, dataOf<S>(y), begin, end);
    });
  });
  return {y, statistics};
}

/// Gradients of x, weight and bias.
std::tuple<Tensor, Tensor, Tensor> backwardCpu(const Tensor& gradient, const Tensor& x,
                                               const Tensor& statistics, int64_t groups,
                                               const Tensor& weightIn, const Tensor& biasIn, bool relu) {
  const ChannelRows map(x), upper(gradient.to(x.scalar_type()));
  const Tensor weight = argumentLike(weightIn, x), bias = argumentLike(biasIn, x);
  const Tensor dx = at::empty_like(map.tensor), dWeight = at::empty_like(weight),
               dBias = at::empty_like(weight);
  withStorageType(x, "x", [&]<class S>(S) {
    using T = kernel::Arithmetic<S>;
    const S *in = constDataOf<S>(map.tensor), *dy = constDataOf<S>(upper.tensor);
    Factors<T> factors(map, groups, weight, bias, statistics);
    std::vector<double> sums(static_cast<size_t>(2 * map.runs() * map.channels));
    forEachRun(map, [&](int64_t run, int64_t begin, int64_t end) {
      double* out = sums.data() + run * 2 * map.channels;
      kernel::normGradientSums(in, dy, factors.of(map.imageOf(run), relu), map.channels, begin, end, out,
                               out + map.channels);
    });
    factors.byInput.resize(factors.scale.size());
    factors.constant.resize(factors.scale.size());
    std::vector<double> weightSums(static_cast<size_t>(map.channels)), biasSums(weightSums);
    const int64_t size = map.channels / groups;
    const double count = static_cast<double>(size * map.pixels);
    for (int64_t n = 0; n < map.images; ++n) {
      // Σ g and Σ g·(x − mean) of each channel of the image, runs in order.
      std::vector<double> sum(static_cast<size_t>(map.channels)), product(sum);
      for (int64_t run = n * map.runsPerImage(); run < (n + 1) * map.runsPerImage(); ++run) {
        const double* part = sums.data() + run * 2 * map.channels;
        for (int64_t c = 0; c < map.channels; ++c) {
          sum[static_cast<size_t>(c)] += part[c];
          product[static_cast<size_t>(c)] += part[map.channels + c];
        }
      }
      for (int64_t group = 0; group < groups; ++group) {
        const double mean = constDataOf<double>(statistics)[2 * (n * groups + group)];
        const double inverse = constDataOf<double>(statistics)[2 * (n * groups + group) + 1];
        double total = 0, projection = 0;  // Σ w·g and Σ w·g·x̂ over the group
        for (int64_t c = group * size; c < (group + 1) * size; ++c) {
          const double factor = static_cast<double>(constDataOf<T>(weight)[c]);
          const double normalised = product[static_cast<size_t>(c)] * inverse;
          total += factor * sum[static_cast<size_t>(c)];
          projection += factor * normalised;
          weightSums[static_cast<size_t>(c)] += normalised;
          biasSums[static_cast<size_t>(c)] += sum[static_cast<size_t>(c)];
        }
        // dx = (w·g − mean(w·g) − x̂·mean(w·g·x̂)) / deviation, with x̂ = (x − mean) / deviation.
        const double slope = -inverse * inverse * projection / count;
        for (int64_t c = group * size; c < (group + 1) * size; ++c) {
          factors.byInput[static_cast<size_t>(n * map.channels + c)] = static_cast<T>(slope);
          factors.constant[static_cast<size_t>(n * map.channels + c)] =
              static_cast<T>(-slope * mean - inverse * total / count);
        }
      }
    }
    for (int64_t c = 0; c < map.channels; ++c) {
      dataOf<T>(dWeight)[c] = static_cast<T>(weightSums[static_cast<size_t>(c)]);
      dataOf<T>(dBias)[c] = static_cast<T>(biasSums[static_cast<size_t>(c)]);
    }
    forEachRun(map, [&](int64_t run, int64_t begin, int64_t end) {
      kernel::normGradientRows(in, dy, factors.of(map.imageOf(run), relu), map.channels, dataOf<S>(dx), begin,
                               end);
    });
  });
  return {dx, dWeight.to(weightIn.scalar_type()), dBias.to(biasIn.scalar_type())};
}

std::tuple<Tensor, Tensor> forwardOp(const Tensor& x, int64_t groups, const Tensor& weight,
                                     const Tensor& bias, double eps, bool relu) {
  static const auto op = registered<decltype(forwardCpu)>("group_norm_relu");
  return op.call(x, groups, weight, bias, eps, relu);
}

using namespace torch::autograd;

struct GroupNormFunction : Function<GroupNormFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& x, int64_t groups,
                               const Tensor& weight, const Tensor& bias, double eps, bool relu) {
    at::AutoDispatchBelowADInplaceOrView below;
    auto [y, statistics] = forwardOp(x, groups, weight, bias, eps, relu);
    context->save_for_backward({x, statistics, weight, bias});
    context->saved_data["groups"] = groups;
    context->saved_data["relu"] = relu;
    context->mark_non_differentiable({statistics});
    return {y, statistics};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    static const auto op = registered<decltype(backwardCpu)>("group_norm_relu_backward");
    const auto saved = context->get_saved_variables();
    auto [dx, dWeight, dBias] =
        op.call(gradients[0], saved[0], saved[1], context->saved_data["groups"].toInt(), saved[2], saved[3],
                context->saved_data["relu"].toBool());
    return {dx, {}, dWeight, dBias, {}, {}};
  }
};

std::tuple<Tensor, Tensor> forwardAutograd(const Tensor& x, int64_t groups, const Tensor& weight,
                                           const Tensor& bias, double eps, bool relu) {
  const auto out = GroupNormFunction::apply(x, groups, weight, bias, eps, relu);
  return {out[0], out[1]};
}

TORCH_LIBRARY_FRAGMENT(hdtrain, m) {
  m.def(
      "group_norm_relu(Tensor x, int groups, Tensor weight, Tensor bias, float eps, bool relu) -> (Tensor, "
      "Tensor)");
  m.def(
      "group_norm_relu_backward(Tensor gradient, Tensor x, Tensor statistics, int groups, Tensor weight, "
      "Tensor bias, bool relu) -> (Tensor, Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(hdtrain, CPU, m) {
  m.impl("group_norm_relu", forwardCpu);
  m.impl("group_norm_relu_backward", backwardCpu);
}
TORCH_LIBRARY_IMPL(hdtrain, Autograd, m) {
  m.impl("group_norm_relu", forwardAutograd);
}

}  // namespace
}  // namespace group_norm

Tensor groupNormRelu(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                     bool relu) {
  return std::get<0>(group_norm::forwardOp(x, groups, weight, bias, eps, relu));
}

}  // namespace hd::ops
