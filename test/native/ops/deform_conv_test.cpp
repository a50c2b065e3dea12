// Deformable convolution against plain loops, plain convolution and central differences.
#include "ops/deform_conv.h"

#include <cmath>

#include "core/error.h"
#include "reference.h"

namespace {

using namespace reference;
using hd::ops::deformConv2d;
using hd::ops::DeformGeometry;

struct Case {
  DeformGeometry geometry;
  int64_t channels, out, kernelY, kernelX, offsetGroups;
  bool mask;
};

const Case kCases[] = {{{{1, 1}, {1, 1}, {1, 1}, 1}, 4, 3, 3, 3, 1, false},
                       {{{2, 1}, {1, 0}, {1, 2}, 2}, 4, 6, 3, 1, 2, true},
                       {{{1, 1}, {0, 0}, {1, 1}, 1}, 3, 2, 1, 1, 3, true}};

struct Arguments {
  Tensor x, weight, offset, mask, bias;
};

Arguments argumentsOf(const Case& c, uint64_t seed) {
  hd::Random random(seed, "deformable test", 0, 0);
  const int64_t height = 5, width = 6;
  const auto out = [&](int side, int64_t size, int64_t kernel) {
    return (size + 2 * c.geometry.padding[side] - c.geometry.dilation[side] * (kernel - 1) - 1) /
               c.geometry.stride[side] +
           1;
  };
  const int64_t oh = out(0, height, c.kernelY), ow = out(1, width, c.kernelX), taps = c.kernelY * c.kernelX;
  Arguments a;
  a.x = uniform(random, {2, c.channels, height, width}, -1, 1);
  a.weight = uniform(random, {c.out, c.channels / c.geometry.groups, c.kernelY, c.kernelX}, -1, 1);
  // Away from whole numbers, where the bilinear surface has its edges.
  a.offset = uniform(random, {2, 2 * c.offsetGroups * taps, oh, ow}, -2, 2).round() +
             uniform(random, {2, 2 * c.offsetGroups * taps, oh, ow}, 0.1, 0.9);
  if (c.mask) a.mask = uniform(random, {2, c.offsetGroups * taps, oh, ow}, 0, 1);
  a.bias = uniform(random, {c.out}, -1, 1);
  return a;
}

double pixel(const Tensor& map, int64_t y, int64_t x) {
  return y < 0 || x < 0 || y >= map.size(0) || x >= map.size(1) ? 0 : map[y][x].item<double>();
}

double bilinear(const Tensor& map, double y, double x) {
  const double top = std::floor(y), left = std::floor(x), dy = y - top, dx = x - left;
  const auto r = static_cast<int64_t>(top), c = static_cast<int64_t>(left);
  return (1 - dy) * ((1 - dx) * pixel(map, r, c) + dx * pixel(map, r, c + 1)) +
         dy * ((1 - dx) * pixel(map, r + 1, c) + dx * pixel(map, r + 1, c + 1));
}

Tensor loops(const Case& c, const Arguments& a) {
  const auto& g = c.geometry;
  const int64_t taps = c.kernelY * c.kernelX, inGroup = c.channels / g.groups, outGroup = c.out / g.groups;
  Tensor y = at::zeros({2, c.out, a.offset.size(2), a.offset.size(3)}, at::kDouble);
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t o = 0; o < c.out; ++o) {
      for (int64_t oy = 0; oy < y.size(2); ++oy) {
        for (int64_t ox = 0; ox < y.size(3); ++ox) {
          double sum = a.bias[o].item<double>();
          for (int64_t i = 0; i < inGroup; ++i) {
            const int64_t channel = o / outGroup * inGroup + i,
                          group = channel / (c.channels / c.offsetGroups);
            for (int64_t k = 0; k < taps; ++k) {
              const int64_t ky = k / c.kernelX, kx = k % c.kernelX;
              const auto shift = [&](int64_t axis) {
                return a.offset[n][2 * (group * taps + k) + axis][oy][ox].item<double>();
              };
              const double factor = c.mask ? a.mask[n][group * taps + k][oy][ox].item<double>() : 1;
              sum +=
                  a.weight[o][i][ky][kx].item<double>() * factor *
                  bilinear(
                      a.x[n][channel],
                      static_cast<double>(oy * g.stride[0] - g.padding[0] + ky * g.dilation[0]) + shift(0),
                      static_cast<double>(ox * g.stride[1] - g.padding[1] + kx * g.dilation[1]) + shift(1));
            }
          }
          y[n][o][oy][ox] = sum;
        }
      }
    }
  }
  return y;
}

std::optional<Tensor> given(const Tensor& tensor) {
  return tensor.defined() ? std::optional<Tensor>(tensor) : std::nullopt;
}

TEST_CASE("plain loops say the same, for strides, dilations, groups and masks") {
  uint64_t seed = 0;
  for (const Case& c : kCases) {
    const Arguments a = argumentsOf(c, seed++);
    CHECK(near(deformConv2d(a.x, a.weight, a.offset, given(a.mask), a.bias, c.geometry), loops(c, a), 1e-10,
               1e-10));
  }
}

TEST_CASE("the gradient of every argument is the slope of the value") {
  uint64_t seed = 10;
  for (const Case& c : kCases) {
    const Arguments a = argumentsOf(c, seed++);
    hd::Random random(seed, "deformable weights", 0, 0);
    const Tensor mix = uniform(random, loops(c, a).sizes(), -1, 1);
    const auto value = [&](const Arguments& with) {
      return (deformConv2d(with.x, with.weight, with.offset, given(with.mask), with.bias, c.geometry) * mix)
          .sum();
    };
    for (Tensor Arguments::*which :
         {&Arguments::x, &Arguments::weight, &Arguments::offset, &Arguments::mask, &Arguments::bias}) {
      if (!(a.*which).defined()) continue;
      CHECK(gradientChecks(
          [&](const Tensor& changed) {
            Arguments with = a;
            with.*which = changed;
            return value(with);
          },
          a.*which));
    }
  }
}

TEST_CASE("offsets of 0 and a mask of 1 are a plain convolution; float32, bf16 and thread counts agree") {
  at::manual_seed(5);
  const Tensor x = at::randn({2, 32, 9, 11}).contiguous(at::MemoryFormat::ChannelsLast),
               weight = at::randn({16, 32, 3, 3}) / 17;
  const Tensor offset = at::zeros({2, 18, 9, 11}), mask = at::ones({2, 9, 9, 11});
  const DeformGeometry geometry{{1, 1}, {1, 1}, {1, 1}, 1};
  const Tensor plain = at::conv2d(x, weight, {}, {1, 1}, {1, 1});
  const Tensor y = deformConv2d(x, weight, offset, std::nullopt, std::nullopt, geometry);
  CHECK(near(y, plain, 1e-4, 1e-5));
  CHECK(near(deformConv2d(x, weight, offset, mask, std::nullopt, geometry), y, 1e-5, 1e-6));
  CHECK(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  const Tensor low = deformConv2d(x.to(at::kBFloat16), weight.to(at::kBFloat16), offset, std::nullopt,
                                  std::nullopt, geometry);
  CHECK((low.scalar_type() == at::kBFloat16));
  CHECK(near(low, plain, 5e-2, 5e-2));
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const Tensor input = leaf(x), shifts = leaf(at::full({2, 18, 9, 11}, 0.3f));
    const Tensor out = deformConv2d(input, weight, shifts, std::nullopt, std::nullopt, geometry);
    return gradients(out.square().sum(), {input, shifts});
  };
  const int threads = at::get_num_threads();
  const auto one = run(1), two = run(2);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) CHECK(near(one[i], two[i], 1e-5, 1e-6));
}

TEST_CASE("offsets far outside, or that are no numbers, read zeros and touch no memory") {
  const Tensor x = at::ones({1, 2, 4, 4}), weight = at::ones({1, 2, 3, 3});
  const DeformGeometry geometry{{1, 1}, {1, 1}, {1, 1}, 1};
  for (const double value : {1e30, -1e30, 4.5, -7.0, std::nan("")}) {
    const Tensor offset = leaf(at::full({1, 18, 4, 4}, value, at::kFloat)), input = leaf(x);
    const Tensor y = deformConv2d(input, weight, offset, std::nullopt, std::nullopt, geometry);
    CHECK(y.isfinite().all().item<bool>());
    for (const Tensor& slope : gradients(y.sum(), {input, offset}))
      CHECK(slope.isfinite().all().item<bool>());
  }
}

TEST_CASE("shapes that do not fit are refused") {
  const Tensor x = at::ones({1, 4, 5, 5}), weight = at::ones({2, 4, 3, 3}), offset = at::zeros({1, 18, 5, 5});
  const DeformGeometry geometry{{1, 1}, {1, 1}, {1, 1}, 1};
  const auto refused = [&](const Tensor& a, const Tensor& b, const Tensor& c,
                           const std::optional<Tensor>& mask = std::nullopt) {
    CHECK_THROWS_AS(deformConv2d(a, b, c, mask, std::nullopt, geometry), hd::Error);
  };
  refused(at::ones({1, 3, 5, 5}), weight, offset);
  refused(x, weight, at::zeros({1, 17, 5, 5}));
  refused(x, weight, at::zeros({1, 18, 4, 5}));
  refused(x, weight, at::zeros({2, 18, 5, 5}));
  refused(x, weight, offset, at::ones({1, 8, 5, 5}));
  refused(x[0], weight, offset);
}

}  // namespace
