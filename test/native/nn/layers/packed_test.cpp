#include "nn/layers/packed.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "native/nn/support.h"

using at::Tensor;
using hd::nn::ConvGeometry;
using hd::nn::convolution;
using hd::nn::PackedConvolution;
using support::channelsLast;
using support::relativeError;

namespace {

Tensor reference(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& g, bool relu,
                 const Tensor& residual) {
  Tensor y = convolution(x, weight, bias, g);
  if (residual.defined()) y = y + residual;
  return relu ? y.relu() : y;
}

bool buildHasOneDnn() {
  return c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise", "binary"}).has_value();
}

}  // namespace

TEST_CASE("packed convolutions equal plain ones for every geometry, with and without bias, sum and ReLU") {
  at::manual_seed(1);
  const ConvGeometry geometries[] = {{},
                                     {.kernel = 3, .padding = 1},
                                     {.kernel = 3, .stride = 2, .padding = 1},
                                     {.kernel = 1, .stride = 2},
                                     {.kernel = 7, .stride = 2, .padding = 3},
                                     {.kernel = 3, .padding = 2, .dilation = 2},
                                     {.kernel = 3, .padding = 1, .groups = 4}};
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (const ConvGeometry& g : geometries) {
      const Tensor weight = channelsLast(at::randn({16, 8 / g.groups, g.kernel, g.kernel}).to(type));
      const Tensor x = channelsLast(at::randn({2, 8, 13, 10}).to(type));
      for (const bool relu : {false, true}) {
        for (const bool biased : {false, true}) {
          for (const bool summed : {false, true}) {
            const Tensor bias = biased ? at::randn({16}).to(type) : Tensor();
            const Tensor shape = convolution(x, weight, bias, g);
            const Tensor residual = summed ? channelsLast(at::randn(shape.sizes()).to(type)) : Tensor();
            CHECK(g.outputOf(13) == shape.size(2));
            PackedConvolution packed(2);
            packed.reset(weight, bias);
            const Tensor y = packed.run(x, g, relu, residual);
            CHECK(packed.packed() == (type == at::kFloat && buildHasOneDnn()));
            CHECK(support::hasType(y, type));
            CHECK(y.is_contiguous(at::MemoryFormat::ChannelsLast));
            CHECK(relativeError(y, reference(x, weight, bias, g, relu, residual)) < 1e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("the forms of the least recently used shapes go first, new weights drop all") {
  at::manual_seed(2);
  const ConvGeometry g{.kernel = 3, .padding = 1};
  Tensor weight = channelsLast(at::randn({8, 8, 3, 3}));
  PackedConvolution packed(2);
  packed.reset(weight, {});
  for (const int64_t side : {8, 12, 8, 16, 12, 8}) {
    const Tensor x = channelsLast(at::randn({1, 8, side, side}));
    CHECK(relativeError(packed.run(x, g, false, {}), convolution(x, weight, {}, g)) < 1e-5);
    CHECK(packed.forms() <= 2);
  }
  const Tensor other = channelsLast(at::randn({8, 8, 3, 3})), x = channelsLast(at::randn({1, 8, 8, 8}));
  packed.reset(other, {});
  CHECK(packed.forms() == 0);
  CHECK(relativeError(packed.run(x, g, false, {}), convolution(x, other, {}, g)) < 1e-5);
}

TEST_CASE("row-major inputs, bf16 and one-cell maps work") {
  at::manual_seed(3);
  const ConvGeometry g{.kernel = 3, .padding = 1};
  const Tensor weight = channelsLast(at::randn({32, 32, 3, 3}) * 0.1), bias = at::randn({32});
  PackedConvolution packed(4);
  packed.reset(weight, bias);
  const Tensor rowMajor = at::randn({2, 32, 9, 9});
  CHECK(relativeError(packed.run(rowMajor, g, true, {}), convolution(rowMajor, weight, bias, g).relu()) <
        1e-5);
  const Tensor cell = channelsLast(at::randn({2, 32, 1, 1}));
  CHECK(relativeError(packed.run(cell, g, false, {}), convolution(cell, weight, bias, g)) < 1e-5);

  PackedConvolution low(1);
  low.reset(weight.to(at::kBFloat16), bias.to(at::kBFloat16));
  const Tensor y = low.run(channelsLast(rowMajor).to(at::kBFloat16), g, true, {});
  CHECK(support::hasType(y, at::kBFloat16));
  CHECK(relativeError(y, convolution(rowMajor, weight, bias, g).relu()) < 3e-2);
}
