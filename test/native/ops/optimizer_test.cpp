// The fused optimiser step against plain double-precision formulas and ATen's fused step, and the gradient
// scans.
#include "ops/optimizer.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "reference.h"

namespace {

using namespace reference;
using hd::ops::StepOptions;
using hd::ops::StepTensors;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Sizes around the vector width, the block and the chunk of the kernels.
const std::vector<int64_t> kSizes{1, 7, 33, 512, 513, 16384, 40001};

struct Setup {
  StepTensors tensors;
  StepOptions options;

  explicit Setup(uint64_t seed, at::ScalarType gradientType = at::kFloat, bool average = false,
                 bool working = false) {
    hd::Random random(seed, "optimizer test", 0, 0);
    for (const int64_t size : kSizes) {
      const Tensor weight = uniform(random, {size}, -1, 1, at::kFloat);
      tensors.master.push_back(weight);
      tensors.gradient.push_back(uniform(random, {size}, -0.5, 0.5, gradientType));
      tensors.momentum.push_back(at::zeros({size}));
      tensors.secondMoment.push_back(at::zeros({size}));
      if (average) tensors.average.push_back(weight.clone());
      if (working) tensors.working.push_back(at::zeros({size}, at::kBFloat16));
      options.lr.push_back(0.01 * static_cast<double>(1 + options.lr.size()));
      options.weightDecay.push_back(options.lr.size() % 2 == 0 ? 0 : 1e-2);
    }
  }

  void freshGradients(uint64_t step) {
    hd::Random random(step, "gradients", 0, 0);
    for (Tensor& gradient : tensors.gradient)
      gradient = uniform(random, gradient.sizes(), -0.5, 0.5, gradient.scalar_type());
  }
  std::vector<Tensor> all() const {
    std::vector<Tensor> out;
    for (const auto* list :
         {&tensors.master, &tensors.momentum, &tensors.secondMoment, &tensors.average, &tensors.working}) {
      for (const Tensor& tensor : *list) out.push_back(tensor.clone());
    }
    return out;
  }
};

std::vector<Tensor> doubles(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> out;
  for (const Tensor& tensor : tensors) out.push_back(tensor.to(at::kDouble));
  return out;
}

bool allNear(const std::vector<Tensor>& actual, const std::vector<Tensor>& expected, double rtol,
             double atol) {
  if (actual.size() != expected.size()) return false;
  for (size_t i = 0; i < actual.size(); ++i) {
    if (!near(actual[i], expected[i], rtol, atol)) return false;
  }
  return true;
}

TEST_CASE("SGD follows torch.optim.SGD step by step") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const double momentum : {0.0, 0.9}) {
      for (const bool nesterov : {false, true}) {
        if (nesterov && momentum == 0) continue;
        CAPTURE(momentum);
        CAPTURE(nesterov);
        Setup setup(1, type);
        if (momentum == 0) setup.tensors.momentum.clear();
        setup.options.gradientScale = 0.7;
        auto weights = doubles(setup.tensors.master);
        auto buffers = doubles(setup.tensors.master);
        for (Tensor& buffer : buffers) buffer.zero_();
        for (uint64_t step = 1; step <= 4; ++step) {
          setup.freshGradients(step);
          hd::ops::sgdStep(setup.tensors, setup.options, momentum, nesterov);
          for (size_t i = 0; i < weights.size(); ++i) {
            const Tensor g =
                setup.tensors.gradient[i].to(at::kDouble) * 0.7 + setup.options.weightDecay[i] * weights[i];
            buffers[i] = momentum * buffers[i] + g;
            const Tensor direction = momentum == 0 ? g : nesterov ? g + momentum * buffers[i] : buffers[i];
            weights[i] = weights[i] - setup.options.lr[i] * direction;
          }
          CHECK(allNear(setup.tensors.master, weights, 1e-6, 2e-7));
        }
      }
    }
  }
}

TEST_CASE("AdamW follows torch.optim.AdamW step by step") {
  const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    Setup setup(2, type);
    auto weights = doubles(setup.tensors.master);
    std::vector<Tensor> first, second;
    for (const Tensor& weight : weights) {
      first.push_back(at::zeros_like(weight));
      second.push_back(at::zeros_like(weight));
    }
    for (int64_t step = 1; step <= 5; ++step) {
      setup.freshGradients(static_cast<uint64_t>(step));
      hd::ops::adamwStep(setup.tensors, setup.options, beta1, beta2, eps, step);
      for (size_t i = 0; i < weights.size(); ++i) {
        const Tensor g = setup.tensors.gradient[i].to(at::kDouble);
        weights[i] = weights[i] * (1 - setup.options.lr[i] * setup.options.weightDecay[i]);
        first[i] = beta1 * first[i] + (1 - beta1) * g;
        second[i] = beta2 * second[i] + (1 - beta2) * g * g;
        const Tensor corrected = first[i] / (1 - std::pow(beta1, step));
        const Tensor deviation = (second[i] / (1 - std::pow(beta2, step))).sqrt() + eps;
        weights[i] = weights[i] - setup.options.lr[i] * corrected / deviation;
      }
      CHECK(allNear(setup.tensors.master, weights, 1e-5, 1e-6));
      CHECK(allNear(setup.tensors.momentum, first, 1e-5, 1e-7));
      CHECK(allNear(setup.tensors.secondMoment, second, 1e-5, 1e-8));
    }
  }
}

TEST_CASE("equals ATen's fused steps") {
  Setup ours(3), theirs(3);
  ours.options.lr.assign(kSizes.size(), 0.05);
  ours.options.weightDecay.assign(kSizes.size(), 1e-4);
  for (int step = 0; step < 3; ++step) {
    hd::ops::sgdStep(ours.tensors, ours.options, 0.9, true);
    at::_fused_sgd_(theirs.tensors.master, theirs.tensors.gradient, theirs.tensors.momentum, 1e-4, 0.9, 0.05,
                    0, true, false, step == 0);
    CHECK(allNear(ours.tensors.master, theirs.tensors.master, 1e-6, 1e-7));
  }
  Setup a(4), b(4);
  a.options.lr.assign(kSizes.size(), 0.01);
  a.options.weightDecay.assign(kSizes.size(), 0.05);
  std::vector<Tensor> counts;
  for (size_t i = 0; i < kSizes.size(); ++i) counts.push_back(at::zeros({}));
  for (int64_t step = 1; step <= 3; ++step) {
    hd::ops::adamwStep(a.tensors, a.options, 0.9, 0.999, 1e-8, step);
    for (Tensor& count : counts) count += 1;
    at::_fused_adamw_(b.tensors.master, b.tensors.gradient, b.tensors.momentum, b.tensors.secondMoment, {},
                      counts, 0.01, 0.9, 0.999, 0.05, 1e-8, false, false);
    CHECK(allNear(a.tensors.master, b.tensors.master, 1e-5, 1e-6));
  }
}

TEST_CASE("average and working copy follow the new weights") {
  Setup setup(5, at::kBFloat16, true, true);
  setup.options.averageDecay = 0.9998;
  const auto before = doubles(setup.tensors.average);
  hd::ops::sgdStep(setup.tensors, setup.options, 0.9, false);
  for (size_t i = 0; i < kSizes.size(); ++i) {
    CHECK(sameBits(setup.tensors.working[i], setup.tensors.master[i].to(at::kBFloat16)));
    const Tensor expected = 0.9998 * before[i] + (1 - 0.9998) * setup.tensors.master[i].to(at::kDouble);
    CHECK(near(setup.tensors.average[i], expected, 1e-6, 1e-8));
  }
  hd::ops::adamwStep(setup.tensors, setup.options, 0.9, 0.999, 1e-8, 1);
  for (size_t i = 0; i < kSizes.size(); ++i) {
    CHECK(sameBits(setup.tensors.working[i], setup.tensors.master[i].to(at::kBFloat16)));
  }
}

TEST_CASE(
    "many small bfloat16 gradients move the float32 weights although a bfloat16 weight would not move") {
  StepTensors tensors;
  tensors.master = {at::ones({64})};
  tensors.gradient = {at::full({64}, 1e-3, at::kBFloat16)};
  tensors.working = {at::ones({64}, at::kBFloat16)};
  StepOptions options;
  options.lr = {1};
  options.weightDecay = {0};
  for (int i = 0; i < 20; ++i) hd::ops::sgdStep(tensors, options, 0, false);
  CHECK(near(tensors.master[0], at::full({64}, 0.98), 1e-4, 0));
  CHECK(near(tensors.working[0], at::full({64}, 0.98), 4e-3, 0));
}

TEST_CASE("a gate that is set, or NaN, changes nothing; one of 0 does not hinder") {
  for (const Tensor& gate :
       {at::ones({}, at::kBool), at::full({1}, 3, at::kLong), at::full({}, kNan), at::full({}, -0.5)}) {
    Setup setup(6, at::kFloat, true, true);
    setup.options.gate = gate;
    const auto before = setup.all();
    hd::ops::sgdStep(setup.tensors, setup.options, 0.9, true);
    hd::ops::adamwStep(setup.tensors, setup.options, 0.9, 0.999, 1e-8, 1);
    const auto after = setup.all();
    for (size_t i = 0; i < before.size(); ++i) CHECK(sameBits(before[i], after[i]));
  }
  for (const Tensor& gate : {at::zeros({}, at::kBool), at::zeros({1}), Tensor()}) {
    Setup setup(6);
    setup.options.gate = gate;
    const Tensor before = setup.tensors.master[2].clone();
    hd::ops::sgdStep(setup.tensors, setup.options, 0.9, true);
    CHECK_FALSE(sameBits(before, setup.tensors.master[2]));
  }
}

TEST_CASE("channels_last weights; gradients of another order are put in place") {
  hd::Random random(7, "optimizer test", 0, 0);
  const Tensor weight = uniform(random, {8, 5, 3, 3}, -1, 1, at::kFloat),
               gradient = uniform(random, {8, 5, 3, 3}, -1, 1, at::kFloat);
  StepOptions options;
  options.lr = {0.1};
  options.weightDecay = {0.01};
  std::vector<Tensor> results;
  for (const auto order : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const auto gradientOrder : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      StepTensors tensors;
      tensors.master = {weight.clone(order)};
      tensors.gradient = {gradient.clone(gradientOrder)};
      tensors.momentum = {at::zeros_like(tensors.master[0])};
      hd::ops::sgdStep(tensors, options, 0.9, false);
      hd::ops::sgdStep(tensors, options, 0.9, false);
      results.push_back(tensors.master[0]);
    }
  }
  for (const Tensor& result : results) CHECK(sameBits(result, results[0]));
}

TEST_CASE("the number of threads changes no bit") {
  CHECK(sameOnAnyThreadCount([&] {
    Setup setup(8, at::kBFloat16, true, true);
    setup.options.averageDecay = 0.99;
    hd::ops::sgdStep(setup.tensors, setup.options, 0.9, true);
    hd::ops::adamwStep(setup.tensors, setup.options, 0.9, 0.999, 1e-8, 2);
    auto out = setup.all();
    out.push_back(at::full({}, hd::ops::gradientNorm(setup.tensors.gradient), at::kDouble));
    return out;
  }));
}

TEST_CASE("a refused step leaves every tensor as it was") {
  const auto refused = [](const std::function<void(Setup&)>& spoil) {
    Setup setup(9, at::kFloat, true, true);
    spoil(setup);
    const auto before = setup.all();
    CHECK_THROWS_AS(hd::ops::sgdStep(setup.tensors, setup.options, 0.9, false), hd::Error);
    CHECK_THROWS_AS(hd::ops::adamwStep(setup.tensors, setup.options, 0.9, 0.999, 1e-8, 1), hd::Error);
    const auto after = setup.all();
    for (size_t i = 0; i < before.size(); ++i) CHECK(sameBits(before[i], after[i]));
  };
  refused([](Setup& s) { s.tensors.gradient.back() = at::zeros({3}); });
  refused([](Setup& s) { s.tensors.gradient.back() = s.tensors.gradient.back().to(at::kDouble); });
  refused([](Setup& s) { s.tensors.gradient.pop_back(); });
  refused([](Setup& s) { s.tensors.momentum.pop_back(); });
  refused([](Setup& s) { s.tensors.momentum.back() = at::zeros({40001}, at::kBFloat16); });
  refused([](Setup& s) { s.tensors.average.back() = at::zeros({40002}); });
  refused([](Setup& s) { s.tensors.working.back() = at::zeros({40001}); });
  refused([](Setup& s) { s.tensors.working.pop_back(); });
  refused([](Setup& s) { s.tensors.master.back() = at::zeros({80002}).slice(0, 0, 80002, 2); });
  refused([](Setup& s) { s.tensors.master.back() = s.tensors.master.back().to(at::kDouble); });
  refused([](Setup& s) { s.options.lr.pop_back(); });
  refused([](Setup& s) { s.options.weightDecay.push_back(0); });
  refused([](Setup& s) { s.options.gate = at::zeros({2}); });
}

TEST_CASE("AdamW needs its moments and counts from 1; SGD needs momentum buffers for a momentum") {
  Setup setup(10);
  CHECK_THROWS_AS(hd::ops::adamwStep(setup.tensors, setup.options, 0.9, 0.999, 1e-8, 0), hd::Error);
  setup.tensors.secondMoment.clear();
  CHECK_THROWS_AS(hd::ops::adamwStep(setup.tensors, setup.options, 0.9, 0.999, 1e-8, 1), hd::Error);
  setup.tensors.momentum.clear();
  CHECK_THROWS_AS(hd::ops::sgdStep(setup.tensors, setup.options, 0.9, false), hd::Error);
  CHECK_NOTHROW(hd::ops::sgdStep(setup.tensors, setup.options, 0, false));
}

TEST_CASE("no parameters at all") {
  CHECK_NOTHROW(hd::ops::sgdStep({}, {}, 0.9, true));
  CHECK_NOTHROW(hd::ops::adamwStep({}, {}, 0.9, 0.999, 1e-8, 1));
  CHECK(hd::ops::gradientNorm({}) == 0);
  CHECK(hd::ops::firstNonfinite({}) == -1);
}

TEST_CASE("gradientNorm is the norm of everything together") {
  hd::Random random(11, "optimizer test", 0, 0);
  std::vector<Tensor> tensors;
  double squares = 0;
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const int64_t size : {0, 1, 5, 100, 30000}) {
      tensors.push_back(uniform(random, {size}, -2, 2, type));
      squares += tensors.back().to(at::kDouble).pow(2).sum().item<double>();
    }
  }
  CHECK(hd::ops::gradientNorm(tensors) == doctest::Approx(std::sqrt(squares)).epsilon(1e-12));
  const Tensor wide = uniform(random, {20, 30}, -1, 1, at::kFloat);
  CHECK(hd::ops::gradientNorm({wide.slice(1, 0, 30, 3)}) ==
        doctest::Approx(wide.slice(1, 0, 30, 3).norm().item<double>()).epsilon(1e-6));
  // Squares beyond the largest float do not overflow.
  CHECK(hd::ops::gradientNorm({at::full({4}, 3e38f)}) == doctest::Approx(6e38).epsilon(1e-6));
  CHECK_THROWS_AS(hd::ops::gradientNorm({at::zeros({2}, at::kLong)}), hd::Error);
}

TEST_CASE("firstNonfinite finds the first tensor with a NaN or an infinity, wherever in it") {
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const float bad : {kNan, kInfinity, -kInfinity}) {
      for (const int64_t at : {0, 31, 32, 50, 16383, 16384, 39999}) {
        std::vector<Tensor> tensors{at::ones({3}, type), at::zeros({0}, type), at::full({40000}, 3e38f, type),
                                    at::ones({5}, type)};
        CHECK(hd::ops::firstNonfinite(tensors) == -1);
        tensors[2][at] = bad;
        tensors[3][0] = kNan;
        CHECK(hd::ops::firstNonfinite(tensors) == 2);
        CHECK_FALSE(std::isfinite(hd::ops::gradientNorm(tensors)));
      }
    }
  }
}

}  // namespace
