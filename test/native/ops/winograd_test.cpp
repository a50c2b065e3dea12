// The Winograd convolution against plain convolution in double, and its edges.
#include "ops/winograd.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "ops/cpu/winograd_multiply.h"

namespace {

using at::Tensor;
using Tensors = std::vector<Tensor>;

struct Side {
  int64_t height, width;
};

/// One convolution: arguments, and gradients that arrive at its outputs.
struct Problem {
  Tensors inputs, gradients;
  Tensor weight, bias;
};

Tensor channelsLast(const Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

Problem randomProblem(int64_t batch, int64_t in, int64_t out, const std::vector<Side>& sides, bool bias) {
  Problem problem;
  for (const Side side : sides) {
    problem.inputs.push_back(channelsLast(at::randn({batch, in, side.height, side.width})));
    problem.gradients.push_back(channelsLast(at::randn({batch, out, side.height, side.width})));
  }
  problem.weight = at::randn({out, in, 3, 3}) / std::sqrt(9.0 * static_cast<double>(in));
  if (bias) problem.bias = at::randn({out});
  return problem;
}

/// Outputs, then gradients of weight, bias (if any) and inputs.
struct Results {
  Tensors outputs, gradients;
};

template <class Convolve>
Results differentiate(const Problem& problem, const Convolve& convolve) {
  Tensors leaves = {problem.weight};
  if (problem.bias.defined()) leaves.push_back(problem.bias);
  leaves.insert(leaves.end(), problem.inputs.begin(), problem.inputs.end());
  for (Tensor& leaf : leaves) leaf = leaf.detach().requires_grad_();
  const size_t first = problem.bias.defined() ? 2 : 1;
  const Tensors inputs(leaves.begin() + static_cast<std::ptrdiff_t>(first), leaves.end());
  Results results;
  results.outputs = convolve(inputs, leaves[0], problem.bias.defined() ? leaves[1] : Tensor());
  Tensor loss = at::zeros({}, problem.weight.options());
  for (size_t i = 0; i < inputs.size(); ++i) loss = loss + (results.outputs[i] * problem.gradients[i]).sum();
  loss.backward();
  for (const Tensor& leaf : leaves) results.gradients.push_back(leaf.grad());
  for (Tensor& output : results.outputs) output = output.detach();
  return results;
}

Results winograd(const Problem& problem) {
  return differentiate(problem, [](const Tensors& inputs, const Tensor& weight, const Tensor& bias) {
    return hd::ops::conv3x3(inputs, weight, bias.defined() ? std::optional(bias) : std::nullopt);
  });
}

Results reference(Problem problem) {
  for (Tensors* list : {&problem.inputs, &problem.gradients}) {
    for (Tensor& tensor : *list) tensor = tensor.to(at::kDouble);
  }
  problem.weight = problem.weight.to(at::kDouble);
  if (problem.bias.defined()) problem.bias = problem.bias.to(at::kDouble);
  return differentiate(problem, [](const Tensors& inputs, const Tensor& weight, const Tensor& bias) {
    Tensors outputs;
    for (const Tensor& x : inputs) outputs.push_back(at::conv2d(x, weight, bias, {1, 1}, {1, 1}));
    return outputs;
  });
}

/// Largest and typical difference, relative to the root mean square of `expected`.
struct Difference {
  double largest, typical;
};
Difference difference(const Tensor& actual, const Tensor& expected) {
  REQUIRE(actual.sizes() == expected.sizes());
  if (expected.numel() == 0) return {0, 0};
  const Tensor error = actual.to(at::kDouble) - expected;
  const double scale = expected.square().mean().sqrt().item<double>();
  return {error.abs().max().item<double>() / scale, error.square().mean().sqrt().item<double>() / scale};
}

void checkAgainstReference(const Problem& problem, double tolerance) {
  const Results actual = winograd(problem), expected = reference(problem);
  for (size_t i = 0; i < expected.outputs.size(); ++i) {
    CHECK(difference(actual.outputs[i], expected.outputs[i]).largest < tolerance);
    CHECK(actual.outputs[i].is_contiguous(at::MemoryFormat::ChannelsLast));
  }
  REQUIRE(actual.gradients.size() == expected.gradients.size());
  for (size_t i = 0; i < expected.gradients.size(); ++i) {
    CAPTURE(i);
    CHECK(difference(actual.gradients[i], expected.gradients[i]).largest < tolerance);
  }
}

template <class Call>
std::string codeOf(const Call& call) {
  try {
    call();
  } catch (const hd::Error& error) {
    return error.code();
  }
  return "";
}

bool sameBits(const Results& left, const Results& right) {
  bool same = true;
  for (size_t i = 0; i < left.outputs.size(); ++i)
    same = same && at::equal(left.outputs[i], right.outputs[i]);
  for (size_t i = 0; i < left.gradients.size(); ++i)
    same = same && at::equal(left.gradients[i], right.gradients[i]);
  return same;
}

/// Memory that nobody wrote holds NaN while this lives.
class NanInFreshMemory {
 public:
  NanInFreshMemory() {
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
    at::globalContext().setDeterministicFillUninitializedMemory(true);
  }
  ~NanInFreshMemory() { at::globalContext().setDeterministicAlgorithms(false, false); }
};

}  // namespace

TEST_CASE("every image size from 1×1 to 7×9 has the values and gradients of plain convolution") {
  at::manual_seed(1);
  for (int64_t height = 1; height <= 7; ++height) {
    for (int64_t width = 1; width <= 9; ++width) {
      CAPTURE(height);
      CAPTURE(width);
      checkAgainstReference(randomProblem(2, 5, 19, {{height, width}}, true), 2e-5);
    }
  }
}

TEST_CASE("channel counts around the panel width, with and without bias, several levels at once") {
  at::manual_seed(2);
  const std::vector<Side> levels = {{13, 9}, {7, 5}, {4, 8}, {3, 3}, {1, 1}};
  for (const int64_t in : {1, 8, 15, 16, 17, 40}) {
    for (const int64_t out : {1, 7, 16, 33}) {
      CAPTURE(in);
      CAPTURE(out);
      checkAgainstReference(randomProblem(1 + in % 3, in, out, levels, out % 2 == 1), 3e-5);
    }
  }
}

TEST_CASE("more tiles than one block holds: the blocks' weight gradients add up") {
  at::manual_seed(3);
  checkAgainstReference(randomProblem(2, 64, 72, {{77, 90}, {9, 10}}, true), 5e-5);
}

TEST_CASE("256 channels keep the errors that the header states") {
  at::manual_seed(4);
  const Problem problem = randomProblem(2, 256, 256, {{20, 20}, {10, 10}, {5, 5}}, false);
  const Results actual = winograd(problem), expected = reference(problem);
  Tensors all = actual.outputs, wanted = expected.outputs;
  all.insert(all.end(), actual.gradients.begin(), actual.gradients.end());
  wanted.insert(wanted.end(), expected.gradients.begin(), expected.gradients.end());
  for (size_t i = 0; i < all.size(); ++i) {
    const Difference error = difference(all[i], wanted[i]);
    MESSAGE("tensor ", i, ": largest ", error.largest, ", typical ", error.typical);
    CHECK(error.largest < 2e-5);
    CHECK(error.typical < 2e-6);
  }
}

TEST_CASE("any number of threads gives the same bits") {
  at::manual_seed(5);
  const Problem problem = randomProblem(2, 48, 80, {{41, 39}, {20, 20}, {5, 5}}, true);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Results one = winograd(problem);
  for (const int threads : {2, 3, 5}) {
    CAPTURE(threads);
    at::set_num_threads(threads);
    CHECK(sameBits(one, winograd(problem)));
  }
  at::set_num_threads(before);
}

TEST_CASE("a level has the same bits alone and among others") {
  at::manual_seed(6);
  Problem problem = randomProblem(2, 20, 24, {{10, 11}, {6, 5}}, true);
  const Tensors together = hd::ops::conv3x3(problem.inputs, problem.weight, problem.bias);
  for (size_t level = 0; level < 2; ++level) {
    CHECK(at::equal(hd::ops::conv3x3({problem.inputs[level]}, problem.weight, problem.bias)[0],
                    together[level]));
  }
}

TEST_CASE("layouts of input, weight and arriving gradient do not matter") {
  at::manual_seed(7);
  Problem problem = randomProblem(2, 17, 18, {{9, 6}}, true);
  const Results expected = winograd(problem);
  Problem other = problem;
  other.inputs[0] = other.inputs[0].contiguous();
  other.gradients[0] = other.gradients[0].contiguous();
  other.weight = channelsLast(other.weight);
  CHECK(sameBits(winograd(other), expected));
  other.weight = problem.weight.permute({1, 0, 2, 3}).contiguous().permute({1, 0, 2, 3});
  CHECK(sameBits(winograd(other), expected));
}

TEST_CASE("memory that was never written does not leak into results") {
  at::manual_seed(8);
  const Problem problem = randomProblem(1, 21, 37, {{7, 9}, {5, 5}, {1, 2}}, true);
  const Results expected = winograd(problem);
  const NanInFreshMemory guard;
  REQUIRE(at::empty({4}).isnan().all().item<bool>());
  CHECK(sameBits(winograd(problem), expected));
}

TEST_CASE("a NaN stays in its own image and level") {
  at::manual_seed(9);
  Problem problem = randomProblem(2, 16, 16, {{8, 8}, {4, 4}}, false);
  problem.inputs[0][0][3][7][7] = std::numeric_limits<float>::quiet_NaN();
  const Tensors outputs = hd::ops::conv3x3(problem.inputs, problem.weight, std::nullopt);
  CHECK(outputs[0][0].isnan().any().item<bool>());
  CHECK(outputs[0][0].slice(1, 0, 4).isfinite().all().item<bool>());
  CHECK(outputs[0][1].isfinite().all().item<bool>());
  CHECK(outputs[1].isfinite().all().item<bool>());
}

TEST_CASE("only what needs a gradient gets one, and levels without a loss take no part") {
  at::manual_seed(10);
  const Problem problem = randomProblem(2, 18, 20, {{6, 7}, {3, 4}}, true);
  const Results all = winograd(problem);
  SUBCASE("frozen weight and bias, one input") {
    const Tensor x = problem.inputs[1].detach().requires_grad_();
    const auto y = hd::ops::conv3x3({problem.inputs[0], x}, problem.weight, problem.bias);
    ((y[0] * problem.gradients[0]).sum() + (y[1] * problem.gradients[1]).sum()).backward();
    CHECK(at::equal(x.grad(), all.gradients[3]));
    CHECK(!problem.inputs[0].grad().defined());
  }
  SUBCASE("weight alone") {
    const Tensor weight = problem.weight.detach().requires_grad_();
    const auto y = hd::ops::conv3x3(problem.inputs, weight, problem.bias);
    ((y[0] * problem.gradients[0]).sum() + (y[1] * problem.gradients[1]).sum()).backward();
    CHECK(at::equal(weight.grad(), all.gradients[0]));
  }
  SUBCASE("one level reaches the loss") {
    Problem part = problem;
    part.inputs.erase(part.inputs.begin());
    part.gradients.erase(part.gradients.begin());
    const Results expected = winograd(part);
    const Tensor weight = problem.weight.detach().requires_grad_(),
                 bias = problem.bias.detach().requires_grad_();
    const Tensor unused = problem.inputs[0].detach().requires_grad_();
    const auto y = hd::ops::conv3x3({unused, problem.inputs[1]}, weight, bias);
    (y[1] * problem.gradients[1]).sum().backward();
    CHECK(at::equal(weight.grad(), expected.gradients[0]));
    CHECK(at::equal(bias.grad(), expected.gradients[1]));
    CHECK(!unused.grad().defined());
  }
  SUBCASE("without gradients") {
    CHECK(!hd::ops::conv3x3(problem.inputs, problem.weight, problem.bias)[0].requires_grad());
  }
}

TEST_CASE("a result may be changed in place before backward") {
  at::manual_seed(11);
  const Problem problem = randomProblem(1, 16, 16, {{6, 6}}, true);
  const Tensor weight = problem.weight.detach().requires_grad_();
  Tensor y = hd::ops::conv3x3(problem.inputs, weight, problem.bias)[0];
  y.relu_().sum().backward();
  const Tensor plain = problem.weight.to(at::kDouble).requires_grad_();
  at::conv2d(problem.inputs[0].to(at::kDouble), plain, problem.bias.to(at::kDouble), {1, 1}, {1, 1})
      .relu()
      .sum()
      .backward();
  CHECK(difference(weight.grad(), plain.grad()).largest < 2e-5);
}

TEST_CASE("inputs without images or cells give empty results and zero gradients") {
  const Tensor weight = at::randn({4, 3, 3, 3}).requires_grad_();
  const auto y = hd::ops::conv3x3({at::zeros({0, 3, 5, 5}), at::zeros({2, 3, 0, 4})}, weight, std::nullopt);
  CHECK(y[0].sizes() == at::IntArrayRef({0, 4, 5, 5}));
  CHECK(y[1].sizes() == at::IntArrayRef({2, 4, 0, 4}));
  (y[0].sum() + y[1].sum()).backward();
  CHECK(at::equal(weight.grad(), at::zeros_like(weight)));
  const Tensor x = at::randn({1, 3, 5, 6});
  CHECK(at::equal(hd::ops::conv3x3({at::zeros({0, 3, 5, 5}), x}, weight, std::nullopt)[1],
                  hd::ops::conv3x3({x}, weight, std::nullopt)[0]));
}

TEST_CASE("arguments that do not fit are refused") {
  const Tensor x = at::zeros({1, 4, 6, 6}), weight = at::zeros({8, 4, 3, 3});
  using hd::ops::conv3x3;
  CHECK(codeOf([&] { conv3x3({}, weight, std::nullopt); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { conv3x3({x.to(at::kDouble)}, weight, std::nullopt); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { conv3x3({x}, weight.to(at::kBFloat16), std::nullopt); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { conv3x3({x, at::zeros({1, 5, 6, 6})}, weight, std::nullopt); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { conv3x3({x[0]}, weight, std::nullopt); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { conv3x3({x}, at::zeros({8, 4, 1, 1}), std::nullopt); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { conv3x3({x}, weight, at::zeros({7})); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { conv3x3({x}, weight, at::zeros({8}, at::kDouble)); }) == "HD_INTERNAL");
}

TEST_CASE("a second derivative is refused instead of being lost") {
  const Tensor x = at::randn({1, 4, 6, 6}).requires_grad_(), weight = at::randn({8, 4, 3, 3});
  const auto y = hd::ops::conv3x3({x}, weight, std::nullopt);
  CHECK_THROWS(y[0].square().sum().backward({}, std::nullopt, /*create_graph=*/true));
}

TEST_CASE("without gradient: the bits of conv3x3; residual and ReLU are what ATen makes of them") {
  using hd::ops::conv3x3Plan;
  at::manual_seed(21);
  for (const int64_t channels : {16, 40}) {
    const Problem problem = randomProblem(2, 24, channels, {{9, 13}, {4, 4}, {1, 2}}, true);
    const Tensors plain = hd::ops::conv3x3(problem.inputs, problem.weight, problem.bias);
    const Tensors same = conv3x3Plan(problem.inputs, problem.weight, problem.bias, false, {});
    const Tensors rectified = conv3x3Plan(problem.inputs, problem.weight, problem.bias, true, {});
    for (size_t l = 0; l < plain.size(); ++l) {
      CHECK(at::equal(same[l], plain[l]));
      CHECK(at::equal(rectified[l], plain[l].relu()));
      const Tensor residual = at::randn_like(plain[l]);
      for (const Tensor& given : {residual, residual.contiguous()}) {
        CHECK(at::equal(conv3x3Plan({problem.inputs[l]}, problem.weight, problem.bias, true, given)[0],
                        (plain[l] + residual).relu()));
      }
    }
    const Tensor unbiased = conv3x3Plan({problem.inputs[0]}, problem.weight, std::nullopt, false, {})[0];
    CHECK(difference(unbiased, (plain[0] - problem.bias.view({1, -1, 1, 1})).to(at::kDouble)).largest < 1e-5);
    Tensor broken = problem.inputs[0].clone();
    broken[0].fill_(std::numeric_limits<float>::quiet_NaN());
    CHECK(conv3x3Plan({broken}, problem.weight, problem.bias, true, {})[0][0].isnan().all().item<bool>());
  }
}

TEST_CASE("without gradient: what does not fit, and inputs that need a gradient, are refused") {
  const Tensor weight = at::randn({8, 4, 3, 3}), x = channelsLast(at::randn({1, 4, 5, 5}));
  const auto refused = [&](const Tensors& inputs, const Tensor& residual = {}) {
    return codeOf([&] { hd::ops::conv3x3Plan(inputs, weight, std::nullopt, false, residual); }) ==
           "HD_INTERNAL";
  };
  CHECK(refused({}));
  CHECK(refused({x.to(at::kDouble)}));
  CHECK(refused({at::randn({1, 5, 5, 5})}));
  CHECK(refused({x.clone().requires_grad_()}));
  CHECK(refused({x}, at::zeros({1, 8, 4, 5})));
  CHECK(refused({x, x}, at::zeros({1, 8, 5, 5})));
}

TEST_CASE("prefersWinograd takes large float32 problems alone") {
  const auto prefers = [](int64_t in, int64_t out, const std::vector<Side>& sides,
                          at::ScalarType type = at::kFloat) {
    Tensors inputs;
    for (const Side side : sides) inputs.push_back(at::empty({4, in, side.height, side.width}, type));
    return hd::ops::prefersWinograd(inputs, at::empty({out, in, 3, 3}, type));
  };
  CHECK(prefers(256, 256, {{40, 40}, {20, 20}, {10, 10}, {5, 5}, {3, 3}}));
  CHECK(prefers(64, 64, {{80, 80}}));
  CHECK(prefers(512, 512, {{40, 40}}));
  CHECK(!prefers(512, 512, {{10, 10}}));  // the weight's transform would cost more than it saves
  CHECK(!prefers(256, 256, {{5, 5}}));
  CHECK(!prefers(3, 64, {{160, 160}}));
  CHECK(!prefers(64, 32, {{80, 80}}));
  CHECK(!prefers(256, 256, {{40, 40}}, at::kBFloat16));
  CHECK(!prefers(256, 256, {{40, 40}}, at::kDouble));
  const Tensor x = at::empty({4, 256, 40, 40});
  CHECK(!hd::ops::prefersWinograd({x}, at::empty({256, 256, 1, 1})));
  CHECK(!hd::ops::prefersWinograd({x}, at::empty({256, 128, 3, 3})));
  CHECK(!hd::ops::prefersWinograd({}, at::empty({256, 256, 3, 3})));
}

TEST_CASE("the products at a point equal plain matrix products") {
  using namespace hd::ops::kernel;
  at::manual_seed(12);
  const int64_t tiles = 17, rows = roundUp(tiles, rowGroup), in = 37, out = 49, point = 35;
  struct Matrices : PointMatrices {
    Tensor memory;
    Matrices(int64_t rows, int64_t channels) : PointMatrices{nullptr, rows, channels} {
      memory = at::randn({elements(rows, channels)});
      data = memory.mutable_data_ptr<float>();
    }
    /// As a rows × channels matrix.
    Tensor matrix(int64_t point) const {
      return memory.slice(0, point * stride(), point * stride() + panels() * rows * panelWidth)
          .view({panels(), rows, panelWidth})
          .permute({1, 0, 2})
          .reshape({rows, -1})
          .slice(1, 0, channels)
          .to(at::kDouble);
    }
  };
  const Matrices patches(rows, in), weight(in, out), products(rows, out), sums(roundUp(in, panelWidth), out);
  multiplyTiles(patches, weight, products, point, 0, products.panels());
  CHECK(at::allclose(products.matrix(point), patches.matrix(point).mm(weight.matrix(point)), 1e-4, 1e-4));

  const Tensor before = sums.matrix(point).slice(0, 0, in).clone();
  const auto sum = [&] {
    return patches.matrix(point).slice(0, 0, tiles).t().mm(products.matrix(point).slice(0, 0, tiles));
  };
  multiplyTransposed(patches, products, sums, point, tiles, /*add=*/true, 0, sums.panels());
  CHECK(at::allclose(sums.matrix(point).slice(0, 0, in), before + sum(), 1e-4, 1e-3));
  multiplyTransposed(patches, products, sums, point, tiles, /*add=*/false, 1, 2);
  CHECK(
      at::allclose(sums.matrix(point).slice(0, 0, in).slice(1, 16, 32), sum().slice(1, 16, 32), 1e-4, 1e-3));
}
