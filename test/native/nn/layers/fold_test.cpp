#include "nn/layers/fold.h"

#include "native/nn/support.h"

using at::Tensor;
using hd::nn::foldBatchNorm;
using support::relativeError;

namespace {

struct Case {
  Tensor weight, gamma, beta, mean, variance;
};

Case randomCase(int64_t out, int64_t in, int64_t kernel, at::ScalarType type) {
  Case c;
  c.weight =
      support::channelsLast(at::randn({out, in, kernel, kernel}, at::kDouble)).to(type).requires_grad_();
  c.gamma = at::randn({out}, at::kDouble).to(type).requires_grad_();
  c.beta = at::randn({out}, at::kDouble).to(type).requires_grad_();
  c.mean = at::randn({out});
  c.variance = at::rand({out}) + 0.1;
  return c;
}

/// The textbook expression in double.
std::pair<Tensor, Tensor> composite(const Case& c) {
  const Tensor scale =
      c.gamma.to(at::kDouble) / (c.variance.to(at::kDouble) + hd::nn::batchNormEpsilon).sqrt();
  return {c.weight.to(at::kDouble) * scale.view({-1, 1, 1, 1}),
          c.beta.to(at::kDouble) - c.mean.to(at::kDouble) * scale};
}

}  // namespace

TEST_CASE("folding equals the composite expression, forward and backward, in every type") {
  at::manual_seed(1);
  for (const auto& [type, tolerance] :
       {std::pair{at::kDouble, 1e-12}, {at::kFloat, 1e-5}, {at::kBFloat16, 1e-2}}) {
    for (const auto& [out, in, kernel] :
         {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1}, {5, 3, 3}, {40, 17, 1}, {64, 32, 3}}) {
      CAPTURE(out);
      const Case c = randomCase(out, in, kernel, type);
      const auto [weight, bias] = foldBatchNorm(c.weight, c.gamma, c.beta, c.mean, c.variance);
      const auto [expectedWeight, expectedBias] = composite(c);
      CHECK(support::hasType(weight, type));
      CHECK(weight.strides() == c.weight.strides());
      CHECK(relativeError(weight, expectedWeight) < tolerance);
      CHECK(relativeError(bias, expectedBias) < tolerance);

      const Tensor byWeight = at::randn(weight.sizes(), at::kDouble), byBias = at::randn({out}, at::kDouble);
      (weight.to(at::kDouble) * byWeight).sum().add((bias.to(at::kDouble) * byBias).sum()).backward();
      const Tensor gradients[] = {c.weight.grad().clone(), c.gamma.grad().clone(), c.beta.grad().clone()};
      for (const Tensor& leaf : {c.weight, c.gamma, c.beta}) leaf.mutable_grad() = Tensor();
      (expectedWeight * byWeight).sum().add((expectedBias * byBias).sum()).backward();
      CHECK(relativeError(gradients[0], c.weight.grad()) < tolerance);
      CHECK(relativeError(gradients[1], c.gamma.grad()) < tolerance);
      CHECK(relativeError(gradients[2], c.beta.grad()) < tolerance);
    }
  }
}

TEST_CASE("gradients of only one result, of another memory order, and none for constants") {
  at::manual_seed(2);
  const Case c = randomCase(6, 4, 3, at::kDouble);
  foldBatchNorm(c.weight, c.gamma, c.beta, c.mean, c.variance).second.sum().backward();
  CHECK(c.weight.grad().abs().max().item<double>() == 0);
  CHECK(c.beta.grad().eq(1).all().item<bool>());

  const Case d = randomCase(6, 4, 3, at::kDouble);
  const Tensor rowMajor = at::randn({6, 4, 3, 3}, at::kDouble);
  foldBatchNorm(d.weight, d.gamma, d.beta, d.mean, d.variance).first.backward(rowMajor);
  const Tensor scale = d.gamma / (d.variance + hd::nn::batchNormEpsilon).sqrt();
  CHECK(relativeError(d.weight.grad(), rowMajor * scale.view({-1, 1, 1, 1})) < 1e-6);

  const auto constants =
      foldBatchNorm(c.weight.detach(), c.gamma.detach(), c.beta.detach(), c.mean, c.variance);
  CHECK_FALSE(constants.first.requires_grad());
}

TEST_CASE("results do not depend on the number of threads") {
  at::manual_seed(3);
  const int threads = at::get_num_threads();
  const Case c = randomCase(70, 65, 3, at::kFloat);
  Tensor gamma[2];
  for (int i = 0; i < 2; ++i) {
    at::set_num_threads(i == 0 ? 1 : 4);
    c.gamma.mutable_grad() = Tensor();
    foldBatchNorm(c.weight, c.gamma, c.beta, c.mean, c.variance).first.square().sum().backward();
    gamma[i] = c.gamma.grad().clone();
  }
  at::set_num_threads(threads);
  CHECK(at::equal(gamma[0], gamma[1]));
}

TEST_CASE("mixed types and gaps in memory are refused") {
  const Case c = randomCase(4, 2, 1, at::kFloat);
  CHECK(support::codeOf([&] {
          foldBatchNorm(c.weight, c.gamma.to(at::kDouble), c.beta, c.mean, c.variance);
        }) == "HD_INTERNAL");
  const Tensor gaps = at::zeros({4, 4, 1, 1}).slice(1, 0, 2);
  CHECK(support::codeOf([&] { foldBatchNorm(gaps, c.gamma, c.beta, c.mean, c.variance); }) == "HD_INTERNAL");
}
