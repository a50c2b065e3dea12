#include "nn/layers/conv.h"

#include "native/nn/support.h"
#include "nn/layers/fold.h"
#include "ops/winograd.h"

using namespace hd::nn;
using support::channelsLast;
using support::codeOf;
using support::relativeError;

namespace {

ConvOptions unit(Norm norm, bool relu, ConvGeometry geometry = {.kernel = 3, .padding = 1}) {
  ConvOptions options;
  options.conv = "conv";
  options.norm = "bn";
  options.in = 12;
  options.out = 32;
  options.geometry = geometry;
  options.normKind = norm;
  options.relu = relu;
  options.bias = norm == Norm::none;
  return options;
}

constexpr Norm every[] = {Norm::none, Norm::batchTrain, Norm::batchEval, Norm::batchFrozen, Norm::group};
bool isBatch(Norm norm) {
  return norm != Norm::none && norm != Norm::group;
}

/// The unfused chain of ATen calls.
Tensor eager(ParameterStore& store, const ConvOptions& options, const Tensor& x, bool training,
             const Tensor& residual = {}) {
  const auto get = [&](const char* name) {
    return store.find(name) != nullptr ? store.find(name)->working : Tensor();
  };
  Tensor y = convolution(x, get("conv.weight"), get("conv.bias"), options.geometry);
  if (options.normKind == Norm::group) y = at::group_norm(y, 32, get("bn.weight"), get("bn.bias"), 1e-5);
  if (isBatch(options.normKind)) {
    y = at::batch_norm(y, get("bn.weight"), get("bn.bias"),
                       get("bn.running_mean").to(y.scalar_type()).clone(),
                       get("bn.running_var").to(y.scalar_type()).clone(), training, 0.1, 1e-5, false);
  }
  if (residual.defined()) y = y + residual;
  return options.relu ? y.relu() : y;
}

}  // namespace

TEST_CASE("every kind of unit equals its eager chain in all modes") {
  at::manual_seed(1);
  for (const Norm norm : every) {
    for (const bool relu : {false, true}) {
      for (const ConvGeometry geometry :
           {ConvGeometry{}, {.kernel = 3, .padding = 1}, {.kernel = 3, .stride = 2, .padding = 1}}) {
        CAPTURE(static_cast<int>(norm));
        ParameterStore store(4);
        const ConvOptions options = unit(norm, relu, geometry);
        ConvUnit conv(store, options);
        support::scramble(store);
        const Tensor x = channelsLast(at::randn({2, 12, 11, 14}));
        const Tensor expected = eager(store, options, x, false);
        for (const Mode mode : {Mode::plan, Mode::frozen})
          CHECK(relativeError(conv.forward(x, mode), expected) < 1e-5);
        CHECK(conv.forward(x, Mode::plan).is_contiguous(at::MemoryFormat::ChannelsLast));
        CHECK(conv.outputShape(x.sizes().vec()) == expected.sizes().vec());
        const Tensor trained = eager(store, options, x, norm == Norm::batchTrain);
        CHECK(relativeError(conv.forward(x, Mode::train), trained) < 1e-5);
      }
    }
  }
}

TEST_CASE("a residual is added before the ReLU in all modes") {
  at::manual_seed(2);
  for (const Norm norm : {Norm::none, Norm::batchTrain, Norm::batchEval}) {
    ParameterStore store(4);
    const ConvOptions options = unit(norm, true);
    ConvUnit conv(store, options);
    support::scramble(store);
    const Tensor x = channelsLast(at::randn({2, 12, 9, 9})),
                 residual = channelsLast(at::randn({2, 32, 9, 9}));
    const Tensor kept = residual.clone();
    for (const Mode mode : {Mode::plan, Mode::frozen}) {
      CHECK(relativeError(conv.forward(x, mode, residual), eager(store, options, x, false, residual)) < 1e-5);
    }
    CHECK(relativeError(conv.forward(x, Mode::train, residual),
                        eager(store, options, x, norm == Norm::batchTrain, residual)) < 1e-5);
    CHECK(at::equal(residual, kept));
  }
}

TEST_CASE("large 3×3 convolutions of a plan equal the eager chain to 1e-5, whatever follows them") {
  at::manual_seed(11);
  for (const Norm norm : {Norm::none, Norm::batchEval, Norm::group}) {
    for (const bool residual : {false, true}) {
      if (residual && norm == Norm::group) continue;
      CAPTURE(static_cast<int>(norm));
      CAPTURE(residual);
      ParameterStore store(4);
      ConvOptions options = unit(norm, true);
      options.in = options.out = 64;
      ConvUnit conv(store, options);
      support::scramble(store);
      const Tensor x = channelsLast(at::randn({2, 64, 23, 30})),
                   sum = channelsLast(at::randn({2, 64, 23, 30}));
      REQUIRE(hd::ops::prefersWinograd({x}, store.find("conv.weight")->working));
      const Tensor given = residual ? sum : Tensor();
      CHECK(relativeError(conv.forward(x, Mode::plan, given), eager(store, options, x, false, given)) < 1e-5);
      // Another version of the weights is noticed.
      support::scramble(store);
      store.touch();
      CHECK(relativeError(conv.forward(x, Mode::plan, given), eager(store, options, x, false, given)) < 1e-5);
    }
  }
}

TEST_CASE("gradients of folded running statistics equal the unfolded chain in double") {
  at::manual_seed(3);
  for (const Norm norm : {Norm::batchEval, Norm::batchFrozen, Norm::batchTrain}) {
    for (const bool summed : {false, true}) {
      ParameterStore store(4);
      const ConvOptions options = unit(norm, true);
      ConvUnit conv(store, options);
      store.setWorking(at::kDouble);
      support::scramble(store);
      const Tensor x = channelsLast(at::randn({2, 12, 7, 8}, at::kDouble)).requires_grad_();
      const Tensor residual = summed ? at::randn({2, 32, 7, 8}, at::kDouble).requires_grad_() : Tensor();
      const Tensor g = at::randn({2, 32, 7, 8}, at::kDouble);
      std::vector<Tensor> leaves;
      leaves.push_back(x);
      if (summed) leaves.push_back(residual);
      for (Parameter* p : conv.parameters()) {
        if (p->trainable) leaves.push_back(p->working);
      }
      CHECK(leaves.size() == (norm == Norm::batchFrozen ? 2u : 4u) + summed);
      eager(store, options, x, norm == Norm::batchTrain, residual).backward(g);
      std::vector<Tensor> expected;
      for (const Tensor& leaf : leaves) {
        expected.push_back(leaf.grad().clone());
        leaf.mutable_grad() = Tensor();
      }
      conv.forward(x, Mode::train, residual).backward(g);
      for (size_t i = 0; i < leaves.size(); ++i) CHECK(relativeError(leaves[i].grad(), expected[i]) < 1e-8);
    }
  }
}

TEST_CASE("batch statistics move the buffers as at::batch_norm does, and only with gradients on") {
  at::manual_seed(4);
  ParameterStore store(4);
  const ConvOptions options = unit(Norm::batchTrain, false);
  ConvUnit conv(store, options);
  CHECK(conv.updatesStatistics());
  Tensor mean = at::zeros({32}), variance = at::ones({32});
  for (int step = 1; step <= 3; ++step) {
    const Tensor x = channelsLast(at::randn({4, 12, 6, 6}));
    const auto version = store.version();
    const Tensor y = conv.forward(x, Mode::train);
    at::batch_norm(convolution(x, store.find("conv.weight")->working, {}, options.geometry), {}, {}, mean,
                   variance, true, 0.1, 1e-5, false);
    CHECK(relativeError(store.find("bn.running_mean")->master, mean) < 1e-6);
    CHECK(relativeError(store.find("bn.running_var")->master, variance) < 1e-6);
    CHECK(store.find("bn.num_batches_tracked")->master.item<int64_t>() == step);
    CHECK(store.version() > version);
    const at::NoGradGuard guard;
    CHECK(relativeError(conv.forward(x, Mode::train), y) < 1e-6);
    CHECK(store.find("bn.num_batches_tracked")->master.item<int64_t>() == step);
    CHECK(relativeError(store.find("bn.running_mean")->master, mean) < 1e-6);
  }
  ParameterStore other(4);
  for (const Norm norm : {Norm::batchEval, Norm::batchFrozen}) {
    ConvOptions fixed = unit(norm, false);
    fixed.conv = fixed.norm = norm == Norm::batchEval ? "a" : "b";
    fixed.conv += ".conv";
    ConvUnit layer(other, fixed);
    CHECK_FALSE(layer.updatesStatistics());
    layer.forward(at::randn({2, 12, 6, 6}), Mode::train);
    CHECK(other.find(fixed.norm + ".running_mean")->master.eq(0).all().item<bool>());
  }
}

TEST_CASE("a frozen unit trains nothing and keeps its running statistics, whatever its norm") {
  ParameterStore store(4);
  ConvOptions options = unit(Norm::batchTrain, true);
  options.trainable = false;
  ConvUnit conv(store, options);
  support::scramble(store);
  CHECK_FALSE(conv.updatesStatistics());
  for (const Parameter* p : conv.parameters()) CHECK_FALSE(p->trainable);
  const Tensor x = at::randn({2, 12, 6, 6});
  const Tensor y = conv.forward(x, Mode::train);
  CHECK_FALSE(y.requires_grad());
  CHECK(relativeError(y, eager(store, options, x, false)) < 1e-5);
}

TEST_CASE("mode frozen passes the gradient to the input and none to parameters") {
  at::manual_seed(5);
  for (const Norm norm : every) {
    ParameterStore store(4);
    const ConvOptions options = unit(norm, true);
    ConvUnit conv(store, options);
    support::scramble(store);
    const Tensor x = channelsLast(at::randn({1, 12, 6, 6})).requires_grad_(), g = at::randn({1, 32, 6, 6});
    conv.forward(x, Mode::frozen).backward(g);
    const Tensor gradient = x.grad().clone();
    for (const Parameter* p : conv.parameters()) CHECK_FALSE(p->working.grad().defined());
    x.mutable_grad() = Tensor();
    eager(store, options, x, false).backward(g);
    CHECK(relativeError(gradient, x.grad()) < 1e-5);
  }
}

TEST_CASE("a plan refuses inputs that need gradients and follows the version of the store") {
  at::manual_seed(6);
  ParameterStore store(4);
  const ConvOptions options = unit(Norm::batchEval, true);
  ConvUnit conv(store, options);
  const Tensor x = channelsLast(at::randn({1, 12, 8, 8}));
  CHECK(codeOf([&] { conv.forward(x.clone().requires_grad_(), Mode::plan); }) == "HD_INTERNAL");
  const Tensor before = conv.forward(x, Mode::plan);
  {
    const at::NoGradGuard guard;
    store.find("conv.weight")->master.mul_(2);
    store.find("bn.running_var")->master.fill_(3);
  }
  CHECK(at::equal(conv.forward(x, Mode::plan), before));  // nobody said that anything changed
  store.touchTrainable();
  CHECK(relativeError(conv.forward(x, Mode::plan), eager(store, options, x, false)) < 1e-5);
}

TEST_CASE("a layer without trainable tensors keeps its prepared weights through optimiser steps") {
  ParameterStore store(4);
  ConvOptions options = unit(Norm::none, false);
  options.trainable = false;
  ConvUnit conv(store, options);
  const Tensor x = channelsLast(at::randn({1, 12, 8, 8}));
  const Tensor before = conv.forward(x, Mode::plan);
  store.find("conv.weight")->master.mul_(2);
  store.touchTrainable();
  CHECK(at::equal(conv.forward(x, Mode::plan), before));
  store.touch();
  CHECK_FALSE(at::equal(conv.forward(x, Mode::plan), before));
}

TEST_CASE("levels share the weights, and their gradients add up") {
  at::manual_seed(7);
  ParameterStore store(4);
  const ConvOptions options = unit(Norm::group, true);
  ConvUnit conv(store, options);
  support::scramble(store);
  Tensors levels;
  for (const int64_t side : {9, 5, 3, 2, 1}) levels.push_back(channelsLast(at::randn({2, 12, side, side})));
  for (const Mode mode : {Mode::train, Mode::frozen, Mode::plan}) {
    const Tensors out = conv.forward(levels, mode);
    REQUIRE(out.size() == 5);
    // A group of one pixel and few channels has next to no variance, so its norm magnifies rounding.
    for (size_t l = 0; l < 5; ++l)
      CHECK(relativeError(out[l], eager(store, options, levels[l], false)) < (l < 4 ? 1e-5 : 2e-4));
  }
  Tensor total = at::zeros({}), expected = at::zeros({});
  for (const Tensor& y : conv.forward(levels, Mode::train)) total = total + y.square().sum();
  total.backward();
  const Tensor gradient = store.find("conv.weight")->working.grad().clone();
  store.find("conv.weight")->working.mutable_grad() = Tensor();
  for (const Tensor& x : levels) expected = expected + eager(store, options, x, false).square().sum();
  expected.backward();
  CHECK(relativeError(gradient, store.find("conv.weight")->working.grad()) < 1e-5);
}

TEST_CASE("bf16 on maps of one column under a stride: every tap has a gradient, in memory that held NaN") {
  ParameterStore store(4);
  ConvUnit conv(store, unit(Norm::none, false, {.kernel = 3, .stride = 2, .padding = 1}));
  store.setWorking(at::kBFloat16);
  const Tensor weight = store.find("conv.weight")->working;
  for (int64_t round = 0; round < 40; ++round) {
    for (const int64_t share : {1, 2, 4}) at::full({weight.numel() * share / 2}, std::nan(""));
    const Tensor x = channelsLast(at::ones({4, 12, 1 + round % 8, 1})).to(at::kBFloat16);
    weight.mutable_grad() = Tensor();
    conv.forward(x, Mode::train).to(at::kFloat).sum().backward();
    const Tensor gradient = weight.grad().to(at::kFloat);
    CHECK(at::isfinite(gradient).all().item<bool>());
    // Only the middle column of taps sees the pixels.
    CHECK(gradient.sum().item<float>() == gradient.select(3, 1).sum().item<float>());
  }
}

TEST_CASE("bf16 gradients are those of fp32 on maps of any small size") {
  at::manual_seed(3);
  const std::vector<ConvGeometry> geometries{{.kernel = 1, .stride = 2},
                                             {.kernel = 3, .padding = 1},
                                             {.kernel = 3, .stride = 2, .padding = 1},
                                             {.kernel = 3, .stride = 2, .padding = 1, .groups = 4},
                                             {.kernel = 3, .padding = 2, .dilation = 2},
                                             {.kernel = 7, .stride = 2, .padding = 3}};
  for (const ConvGeometry& geometry : geometries) {
    ParameterStore fineStore(4), coarseStore(4);
    const ConvOptions options = unit(Norm::none, false, geometry);
    ConvUnit fine(fineStore, options), coarse(coarseStore, options);
    coarseStore.setWorking(at::kBFloat16);
    {
      const at::NoGradGuard guard;
      fineStore.find("conv.weight")->master.copy_(coarseStore.find("conv.weight")->working);
    }
    for (const int64_t height : {1, 2, 5, 8}) {
      for (const int64_t width : {1, 2, 3, 8}) {
        CAPTURE(geometry.kernel);
        CAPTURE(geometry.stride);
        CAPTURE(height);
        CAPTURE(width);
        const Tensor x = channelsLast(at::randn({2, 12, height, width})).to(at::kBFloat16);
        const auto gradients = [&](ConvUnit& conv, ParameterStore& store, at::ScalarType type) {
          const Tensor leaf = x.to(type).clone().requires_grad_(),
                       weight = store.find("conv.weight")->working;
          weight.mutable_grad() = Tensor();
          conv.forward(leaf, Mode::train).to(at::kFloat).sum().backward();
          return std::pair{leaf.grad().to(at::kFloat), weight.grad().to(at::kFloat)};
        };
        const auto expected = gradients(fine, fineStore, at::kFloat);
        const auto found = gradients(coarse, coarseStore, at::kBFloat16);
        CHECK(relativeError(found.first, expected.first) < 0.02);
        CHECK(relativeError(found.second, expected.second) < 0.02);
      }
    }
  }
}

TEST_CASE("bf16 works in every kind of unit, forward and backward") {
  at::manual_seed(8);
  for (const Norm norm : every) {
    CAPTURE(static_cast<int>(norm));
    ParameterStore store(4);
    const ConvOptions options = unit(norm, true);
    ConvUnit conv(store, options);
    support::scramble(store);
    const Tensor x = channelsLast(at::randn({2, 12, 8, 8}));
    const Tensor expected = eager(store, options, x, norm == Norm::batchTrain),
                 fixed = eager(store, options, x, false);
    store.setWorking(at::kBFloat16);
    const Tensor low = x.to(at::kBFloat16);
    const Tensor y = conv.forward(low, Mode::train);
    CHECK(support::hasType(y, at::kBFloat16));
    CHECK(relativeError(y, expected) < 4e-2);
    y.sum().backward();
    CHECK(support::hasType(store.find("conv.weight")->working.grad(), at::kBFloat16));
    if (norm == Norm::batchTrain) continue;  // its statistics have moved
    CHECK(relativeError(conv.forward(low, Mode::plan), fixed) < 4e-2);
  }
}

TEST_CASE("a deformable unit starts as a plain one and agrees with itself in all modes") {
  at::manual_seed(12);
  for (const int64_t version : {1, 2}) {
    for (const Norm norm : {Norm::none, Norm::batchEval, Norm::group}) {
      CAPTURE(version);
      CAPTURE(static_cast<int>(norm));
      ParameterStore store(4);
      ConvOptions options = unit(norm, true, {.kernel = 3, .stride = 2, .padding = 1});
      options.deformable = version;
      ConvUnit conv(store, options);
      const Parameter* offsets = store.find("conv.conv_offset.weight");
      REQUIRE(offsets != nullptr);
      CHECK(offsets->master.sizes() == at::IntArrayRef({version == 1 ? 18 : 27, 12, 3, 3}));
      const Tensor x = channelsLast(at::randn({2, 12, 11, 14}));
      if (version == 1)
        CHECK(relativeError(conv.forward(x, Mode::train), eager(store, options, x, false)) < 1e-5);
      support::scramble(store);
      const Tensor trained = conv.forward(x, Mode::train);
      for (const Mode mode : {Mode::plan, Mode::frozen})
        CHECK(relativeError(conv.forward(x, mode), trained) < 1e-5);
      trained.sum().backward();
      CHECK(offsets->working.grad().abs().max().item<double>() > 0);
      CHECK(conv.parameters().size() == (norm == Norm::none ? 4u : norm == Norm::group ? 5u : 8u));
    }
  }
}

TEST_CASE("a unit that keeps plans only says the same, holds its weights once, and runs as nothing else") {
  for (const Norm norm : {Norm::none, Norm::batchFrozen, Norm::group}) {
    CAPTURE(static_cast<int>(norm));
    ParameterStore loose(4), tight(4);
    ConvOptions options = unit(norm, true);
    options.trainable = false;
    ConvUnit usual(loose, options), kept(tight, options);
    for (ParameterStore* store : {&loose, &tight}) store->setWorking(at::kFloat);
    const Tensor original = tight.find("conv.weight")->master;
    tight.keepPlansOnly();
    const at::NoGradGuard guard;
    for (const int64_t side : {9, 16}) {  // two shapes: prepared once
      const Tensor x = channelsLast(at::randn({2, 12, side, side}));
      CHECK(at::equal(kept.forward(x, Mode::plan), usual.forward(x, Mode::plan)));
    }
    const Parameter& weight = *tight.find("conv.weight");
    CHECK(weight.master.is_same(weight.working));
    CHECK((weight.master.data_ptr() == original.data_ptr()) == !isBatch(norm));
    tight.touch();  // nothing to make it from again: it keeps what it has
    const Tensor x = channelsLast(at::randn({1, 12, 9, 9}));
    CHECK(at::equal(kept.forward(x, Mode::plan), usual.forward(x, Mode::plan)));
    CHECK(codeOf([&] { kept.forward(x, Mode::frozen); }) == "HD_INTERNAL");
    CHECK(codeOf([&] { kept.forward(x, Mode::train); }) == "HD_INTERNAL");
  }
}

TEST_CASE("a unit that keeps a bf16 plan holds bf16 weights and is as exact as they are") {
  for (const Norm norm : {Norm::none, Norm::batchFrozen, Norm::group}) {
    for (const int64_t deformable : {0, 1, 2}) {
      CAPTURE(static_cast<int>(norm));
      CAPTURE(deformable);
      ParameterStore exactStore(4), coarseStore(4);
      ConvOptions options = unit(norm, true);
      options.trainable = false;
      options.deformable = deformable;
      ConvUnit exact(exactStore, options), coarse(coarseStore, options);
      for (ParameterStore* store : {&exactStore, &coarseStore}) store->setWorking(at::kFloat);
      coarseStore.keepPlansOnly(at::kBFloat16);
      const at::NoGradGuard guard;
      const Tensor x = channelsLast(at::randn({2, 12, 16, 16}).to(at::kBFloat16));
      const Tensor y = coarse.forward(x, Mode::plan);
      CHECK((y.scalar_type() == at::kBFloat16));
      CHECK(relativeError(y.to(at::kFloat), exact.forward(x.to(at::kFloat), Mode::plan)) < 0.02);
      CHECK((coarseStore.find("conv.weight")->working.scalar_type() == at::kBFloat16));
    }
  }
}

TEST_CASE("multiply-adds count every product of the window") {
  ParameterStore store(4);
  ConvOptions options = unit(Norm::none, false, {.kernel = 3, .stride = 2, .padding = 1, .groups = 4});
  ConvUnit conv(store, options);
  CHECK(conv.multiplyAdds({{2, 12, 9, 8}, {1, 12, 1, 1}}) == (2 * 5 * 4 + 1) * 32 * 3 * 9);
}

TEST_CASE("impossible units are refused") {
  ParameterStore store(4);
  ConvOptions biased = unit(Norm::batchEval, false);
  biased.bias = true;
  CHECK(codeOf([&] { ConvUnit(store, biased); }) == "HD_INTERNAL");
  ConvOptions channels = unit(Norm::group, false);
  channels.out = 40;
  CHECK(codeOf([&] { ConvUnit(store, channels); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { ConvUnit(store, unit(Norm::none, false, {.groups = 5})); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { batchNormFrom("sync"); }) == "HD_RECIPE_VALUE");
  CHECK(batchNormFrom("eval") == Norm::batchEval);
}
