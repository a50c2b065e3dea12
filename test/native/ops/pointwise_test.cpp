// Pointwise operators with ReLU against ATen's.
#include <limits>

#include "core/error.h"
#include "ops/norm.h"
#include "reference.h"

namespace {

using namespace reference;
using hd::ops::addRelu;
using hd::ops::scaleBiasRelu;

Tensor map(hd::Random& random, at::IntArrayRef shape, at::ScalarType type = at::kFloat) {
  return uniform(random, shape, -2, 2, type).contiguous(at::MemoryFormat::ChannelsLast);
}

TEST_CASE("addRelu equals add and relu") {
  hd::Random random(1, "pointwise test", 0, 0);
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const Tensor x = map(random, {2, 7, 11, 13}, type), residual = map(random, {2, 7, 11, 13}, type);
    const Tensor upper = map(random, x.sizes(), type);
    const std::vector<Tensor> ours{leaf(x), leaf(residual)}, theirs{leaf(x), leaf(residual)};
    const Tensor a = addRelu(ours[0], ours[1]), b = (theirs[0] + theirs[1]).relu();
    CHECK(sameBits(a.detach(), b.detach()));
    CHECK(a.is_contiguous(at::MemoryFormat::ChannelsLast));
    const auto mine = gradients((a * upper).sum(), ours), expected = gradients((b * upper).sum(), theirs);
    CHECK(sameBits(mine[0], expected[0]));
    CHECK(sameBits(mine[1], expected[1]));
  }
}

TEST_CASE("addRelu of any rank and order") {
  hd::Random random(2, "pointwise test", 0, 0);
  const Tensor flat = uniform(random, {37}, -1, 1, at::kFloat);
  CHECK(sameBits(addRelu(flat, -flat * 0.5), (flat * 0.5).relu()));
  const Tensor x = uniform(random, {2, 3, 4, 5}, -1, 1, at::kFloat), y = map(random, {2, 3, 4, 5});
  CHECK(sameBits(addRelu(x, y), (x + y).relu()));
  CHECK(sameBits(addRelu(y, x), (x + y).relu()));
  CHECK(addRelu(at::zeros({0, 3, 2, 2}), at::zeros({0, 3, 2, 2})).numel() == 0);
}

TEST_CASE("addRelu lets NaN through") {
  Tensor x = at::zeros({1, 1, 1, 3});
  x[0][0][0][1] = std::numeric_limits<float>::quiet_NaN();
  const Tensor y = addRelu(x, at::ones({1, 1, 1, 3}));
  CHECK(y.isnan().sum().item<int64_t>() == 1);
  CHECK(y[0][0][0][0].item<float>() == 1);
}

TEST_CASE("scaleBiasRelu equals its composite expression") {
  hd::Random random(3, "pointwise test", 0, 0);
  for (const auto type : {at::kFloat, at::kDouble}) {
    const double rtol = type == at::kDouble ? 1e-12 : 1e-5, atol = type == at::kDouble ? 1e-12 : 1e-5;
    for (const bool relu : {true, false}) {
      for (const bool withResidual : {true, false}) {
        CAPTURE(relu);
        CAPTURE(withResidual);
        const Tensor x = map(random, {2, 19, 20, 17}, type), residual = map(random, x.sizes(), type);
        const Tensor scale = uniform(random, {19}, -1, 1.5, type), bias = uniform(random, {19}, -1, 1, type);
        const Tensor upper = map(random, x.sizes(), type);
        std::vector<Tensor> ours{leaf(x), leaf(scale), leaf(bias)}, theirs{leaf(x), leaf(scale), leaf(bias)};
        if (withResidual) {
          ours.push_back(leaf(residual));
          theirs.push_back(leaf(residual));
        }
        const Tensor a = scaleBiasRelu(ours[0], ours[1], ours[2],
                                       withResidual ? std::optional(ours[3]) : std::nullopt, relu);
        Tensor b = theirs[0] * theirs[1].reshape({1, -1, 1, 1}) + theirs[2].reshape({1, -1, 1, 1});
        if (withResidual) b = b + theirs[3];
        if (relu) b = b.relu();
        CHECK(near(a, b, rtol, atol));
        const auto mine = gradients((a * upper).sum(), ours), expected = gradients((b * upper).sum(), theirs);
        for (size_t i = 0; i < mine.size(); ++i) {
          CAPTURE(i);
          CHECK(near(mine[i], expected[i], rtol, i == 1 || i == 2 ? atol * 20 : atol));
        }
      }
    }
  }
}

TEST_CASE("scaleBiasRelu with constant parameters, or only them trained") {
  hd::Random random(4, "pointwise test", 0, 0);
  const Tensor x = map(random, {1, 4, 5, 5}), scale = uniform(random, {4}, 0.5, 1, at::kFloat),
               bias = at::zeros({4});
  const Tensor input = leaf(x);
  const Tensor slope = gradient(scaleBiasRelu(input, scale, bias).sum(), input);
  CHECK(near(slope, (x > 0).to(at::kFloat) * scale.reshape({1, 4, 1, 1}), 1e-6, 0));
  const Tensor trained = leaf(scale), offset = leaf(bias);
  const auto slopes = gradients(scaleBiasRelu(x, trained, offset).sum(), {trained, offset});
  CHECK(near(slopes[0], (x * (x > 0)).sum({0, 2, 3}), 1e-5, 1e-5));
  CHECK(near(slopes[1], (x > 0).to(at::kFloat).sum({0, 2, 3}), 0, 0));
  const Tensor residual = leaf(at::zeros_like(x));
  CHECK(
      near(gradient(scaleBiasRelu(x, scale, bias, residual).sum(), residual), (x > 0).to(at::kFloat), 0, 0));
}

TEST_CASE("scaleBiasRelu gradients are slopes") {
  hd::Random random(5, "pointwise test", 0, 0);
  const Tensor x = uniform(random, {2, 3, 2, 2}, -2, 2), scale = uniform(random, {3}, 0.5, 1),
               bias = uniform(random, {3}, -1, 1);
  const Tensor upper = uniform(random, x.sizes(), -1, 1);
  CHECK(gradientChecks([&](const Tensor& t) { return (scaleBiasRelu(t, scale, bias) * upper).sum(); }, x));
  CHECK(gradientChecks([&](const Tensor& t) { return (scaleBiasRelu(x, t, bias) * upper).sum(); }, scale));
  CHECK(gradientChecks([&](const Tensor& t) { return (scaleBiasRelu(x, scale, t) * upper).sum(); }, bias));
}

TEST_CASE("bfloat16 maps with float32 parameters") {
  hd::Random random(6, "pointwise test", 0, 0);
  const Tensor x = leaf(map(random, {2, 6, 9, 9}, at::kBFloat16)),
               scale = leaf(uniform(random, {6}, 0.5, 1, at::kFloat));
  const Tensor y = scaleBiasRelu(x, scale, at::zeros({6}));
  CHECK((y.scalar_type() == at::kBFloat16));
  const Tensor wide = leaf(x.detach().to(at::kFloat));
  CHECK(sameBits(y.detach(), scaleBiasRelu(wide, scale, at::zeros({6})).detach().to(at::kBFloat16)));
  const auto slopes = gradients(y.sum(), {x, scale});
  CHECK((slopes[0].scalar_type() == at::kBFloat16));
  CHECK((slopes[1].scalar_type() == at::kFloat));
}

TEST_CASE("the number of threads changes no bit") {
  hd::Random random(7, "pointwise test", 0, 0);
  const Tensor x = map(random, {3, 16, 40, 40}), scale = uniform(random, {16}, 0.5, 1, at::kFloat),
               bias = at::zeros({16});
  CHECK(sameOnAnyThreadCount([&] {
    const std::vector<Tensor> inputs{leaf(x), leaf(scale), leaf(bias)};
    const Tensor y = scaleBiasRelu(inputs[0], inputs[1], inputs[2]);
    auto out = gradients((y * y).sum(), inputs);
    out.push_back(addRelu(y, x).detach());
    return out;
  }));
}

TEST_CASE("wrong shapes are refused") {
  const Tensor x = at::zeros({2, 3, 4, 4}), three = at::ones({3});
  CHECK_THROWS_AS(addRelu(x, at::zeros({2, 3, 4, 5})), hd::Error);
  CHECK_THROWS_AS(addRelu(x.to(at::kInt), x.to(at::kInt)), hd::Error);
  CHECK_THROWS_AS(scaleBiasRelu(x, at::ones({4}), three), hd::Error);
  CHECK_THROWS_AS(scaleBiasRelu(x, three, at::ones({1, 3})), hd::Error);
  CHECK_THROWS_AS(scaleBiasRelu(x, three, three, at::zeros({2, 3, 4, 5})), hd::Error);
  CHECK_THROWS_AS(scaleBiasRelu(x[0], three, three), hd::Error);
}

}  // namespace
