// Group normalisation with ReLU against ATen's, central differences and its edges.
#include <limits>

#include "core/error.h"
#include "ops/norm.h"
#include "reference.h"

namespace {

using namespace reference;
using hd::ops::groupNormRelu;

Tensor composite(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                 bool relu) {
  const Tensor y = at::group_norm(x, groups, weight, bias, eps);
  return relu ? y.relu() : y;
}

Tensor map(hd::Random& random, at::IntArrayRef shape, double low, double high, at::ScalarType type) {
  return uniform(random, shape, low, high, type).contiguous(at::MemoryFormat::ChannelsLast);
}

TEST_CASE("equals group_norm and relu, forward and backward") {
  hd::Random random(1, "group norm test", 0, 0);
  struct Shape {
    int64_t images, channels, height, width, groups;
  };
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double rtol = type == at::kDouble ? 1e-9 : 2e-5, atol = type == at::kDouble ? 1e-10 : 2e-5;
    for (const Shape s :
         {Shape{2, 8, 5, 7, 4}, Shape{1, 6, 1, 1, 2}, Shape{3, 32, 20, 23, 32}, Shape{2, 12, 33, 17, 1}}) {
      for (const bool relu : {true, false}) {
        CAPTURE(s.channels);
        CAPTURE(relu);
        const Tensor x = map(random, {s.images, s.channels, s.height, s.width}, -2, 3, type);
        const Tensor weight = uniform(random, {s.channels}, -1, 1.5, type),
                     bias = uniform(random, {s.channels}, -0.5, 0.5, type);
        const Tensor upper = map(random, x.sizes(), -1, 1, type);
        const std::vector<Tensor> ours{leaf(x), leaf(weight), leaf(bias)},
            theirs{leaf(x), leaf(weight), leaf(bias)};
        const Tensor a = groupNormRelu(ours[0], s.groups, ours[1], ours[2], 1e-5, relu);
        const Tensor b = composite(theirs[0], s.groups, theirs[1], theirs[2], 1e-5, relu);
        CHECK(a.is_contiguous(at::MemoryFormat::ChannelsLast));
        CHECK(near(a, b, rtol, atol));
        const auto mine = gradients((a * upper).sum(), ours), expected = gradients((b * upper).sum(), theirs);
        CHECK(near(mine[0], expected[0], rtol, atol));
        CHECK(near(mine[1], expected[1], rtol, atol * 10));
        CHECK(near(mine[2], expected[2], rtol, atol * 10));
      }
    }
  }
}

TEST_CASE("gradients are slopes") {
  hd::Random random(2, "group norm test", 0, 0);
  const Tensor x = uniform(random, {2, 4, 3, 2}, -2, 2), weight = uniform(random, {4}, 0.5, 1.5),
               bias = uniform(random, {4}, -0.5, 0.5);
  const Tensor upper = uniform(random, x.sizes(), -1, 1);
  CHECK(gradientChecks([&](const Tensor& t) { return (groupNormRelu(t, 2, weight, bias) * upper).sum(); }, x,
                       1e-5));
  CHECK(gradientChecks([&](const Tensor& t) { return (groupNormRelu(x, 2, t, bias) * upper).sum(); }, weight,
                       1e-5));
  CHECK(gradientChecks([&](const Tensor& t) { return (groupNormRelu(x, 2, weight, t) * upper).sum(); }, bias,
                       1e-5));
}

TEST_CASE("a mean far from 0 does not spoil the variance") {
  hd::Random random(3, "group norm test", 0, 0);
  const Tensor x = map(random, {2, 8, 30, 30}, -1, 1, at::kDouble) + 1000;
  const Tensor weight = at::ones({8}), bias = at::zeros({8});
  const Tensor expected = composite(x.to(at::kFloat).to(at::kDouble), 2, weight.to(at::kDouble),
                                    bias.to(at::kDouble), 1e-5, false);
  const Tensor y = groupNormRelu(x.to(at::kFloat), 2, weight, bias, 1e-5, false);
  // x itself carries 6e-5 of its deviation as rounding; x² in float would carry 0.1.
  CHECK(near(y, expected, 0, 1e-3));
}

TEST_CASE("a constant map becomes its bias") {
  const Tensor x = at::full({2, 4, 5, 5}, 3.25), bias = at::tensor({0.5f, -1.f, 2.f, 0.f});
  const Tensor y = groupNormRelu(x, 2, at::ones({4}), bias, 1e-5, false);
  CHECK(near(y, bias.reshape({1, 4, 1, 1}).expand({2, 4, 5, 5}), 0, 1e-5));
}

TEST_CASE("images do not mix") {
  hd::Random random(4, "group norm test", 0, 0);
  const Tensor x = map(random, {3, 8, 9, 9}, -2, 2, at::kFloat), weight = at::ones({8}),
               bias = at::zeros({8});
  const Tensor all = groupNormRelu(x, 4, weight, bias);
  for (int64_t n = 0; n < 3; ++n) {
    CHECK(sameBits(groupNormRelu(x.slice(0, n, n + 1), 4, weight, bias), all.slice(0, n, n + 1)));
  }
}

TEST_CASE("any memory order in, channels_last out") {
  hd::Random random(5, "group norm test", 0, 0);
  const Tensor x = uniform(random, {2, 8, 6, 5}, -2, 2, at::kFloat), weight = at::ones({8}),
               bias = at::zeros({8});
  const Tensor a = leaf(x), b = leaf(x.contiguous(at::MemoryFormat::ChannelsLast));
  const Tensor ya = groupNormRelu(a, 4, weight, bias), yb = groupNormRelu(b, 4, weight, bias);
  CHECK(sameBits(ya.detach(), yb.detach()));
  // A gradient that arrives in another order is the same gradient.
  const Tensor upper = uniform(random, x.sizes(), -1, 1, at::kFloat);
  CHECK(sameBits(gradient((ya * upper).sum(), a),
                 gradient((yb * upper.contiguous(at::MemoryFormat::ChannelsLast)).sum(), b)));
}

TEST_CASE("bfloat16 maps with float32 parameters") {
  hd::Random random(6, "group norm test", 0, 0);
  const Tensor x = map(random, {2, 16, 12, 12}, -2, 2, at::kBFloat16);
  const Tensor weight = leaf(uniform(random, {16}, 0.5, 1.5, at::kFloat)),
               bias = leaf(uniform(random, {16}, -1, 1, at::kFloat));
  const Tensor narrow = leaf(x), wide = leaf(x.to(at::kFloat));
  const Tensor a = groupNormRelu(narrow, 4, weight, bias), b = groupNormRelu(wide, 4, weight, bias);
  CHECK((a.scalar_type() == at::kBFloat16));
  CHECK(sameBits(a.detach(), b.detach().to(at::kBFloat16)));
  const auto mine = gradients(a.sum(), {narrow, weight, bias}),
             expected = gradients(b.sum(), {wide, weight, bias});
  CHECK(sameBits(mine[0], expected[0].to(at::kBFloat16)));
  CHECK((mine[1].scalar_type() == at::kFloat));
  CHECK(near(mine[1], expected[1], 1e-6, 1e-5));
  CHECK(near(mine[2], expected[2], 1e-6, 1e-5));
  const Tensor halfWeight = leaf(weight.to(at::kBFloat16));
  CHECK((gradient(groupNormRelu(narrow, 4, halfWeight, bias).sum(), halfWeight).scalar_type() ==
         at::kBFloat16));
}

TEST_CASE("a NaN spoils its group and no other") {
  hd::Random random(7, "group norm test", 0, 0);
  Tensor x = map(random, {2, 8, 4, 4}, -2, 2, at::kFloat);
  x[1][5][2][3] = std::numeric_limits<float>::quiet_NaN();
  const Tensor input = leaf(x);
  const Tensor y = groupNormRelu(input, 4, at::ones({8}), at::zeros({8}));
  CHECK(y[1].slice(0, 4, 6).isnan().all().item<bool>());
  CHECK(y.isnan().sum().item<int64_t>() == 2 * 16);
  CHECK(gradient(y.sum(), input)[1].slice(0, 4, 6).isnan().any().item<bool>());
}

TEST_CASE("no images") {
  const Tensor x = leaf(at::zeros({0, 8, 4, 4}));
  const Tensor weight = leaf(at::ones({8}));
  const Tensor y = groupNormRelu(x, 4, weight, at::zeros({8}));
  CHECK(y.sizes() == x.sizes());
  const auto slopes = gradients(y.sum(), {x, weight});
  CHECK(slopes[0].sizes() == x.sizes());
  CHECK(sameBits(slopes[1], at::zeros({8})));
}

TEST_CASE("the number of threads changes no bit") {
  hd::Random random(8, "group norm test", 0, 0);
  const Tensor x = map(random, {2, 32, 40, 40}, -2, 2, at::kFloat), weight = at::ones({32}),
               bias = at::zeros({32});
  CHECK(sameOnAnyThreadCount([&] {
    const std::vector<Tensor> inputs{leaf(x), leaf(weight), leaf(bias)};
    const Tensor y = groupNormRelu(inputs[0], 8, inputs[1], inputs[2]);
    auto out = gradients((y * y).sum(), inputs);
    out.push_back(y.detach());
    return out;
  }));
}

TEST_CASE("wrong shapes are refused") {
  const Tensor x = at::zeros({2, 8, 4, 4}), eight = at::ones({8});
  CHECK_THROWS_AS(groupNormRelu(x, 3, eight, eight), hd::Error);
  CHECK_THROWS_AS(groupNormRelu(x, 0, eight, eight), hd::Error);
  CHECK_THROWS_AS(groupNormRelu(x, 4, at::ones({4}), eight), hd::Error);
  CHECK_THROWS_AS(groupNormRelu(x, 4, eight, at::ones({8, 1})), hd::Error);
  CHECK_THROWS_AS(groupNormRelu(x[0], 4, eight, eight), hd::Error);
}

}  // namespace
