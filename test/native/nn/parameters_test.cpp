#include "nn/parameters.h"

#include "native/nn/support.h"

using namespace hd::nn;
using support::codeOf;

TEST_CASE("initialisation depends on seed and name, not on the order of creation") {
  ParameterStore first(7), second(7), other(8);
  const auto a = first.parameter("a.weight", {8, 4, 3, 3}, kaimingNormalFanOut()).master;
  const auto b = first.parameter("b.weight", {8, 4, 3, 3}, kaimingNormalFanOut()).master;
  const auto b2 = second.parameter("b.weight", {8, 4, 3, 3}, kaimingNormalFanOut()).master;
  const auto a2 = second.parameter("a.weight", {8, 4, 3, 3}, kaimingNormalFanOut()).master;
  CHECK(at::equal(a, a2));
  CHECK(at::equal(b, b2));
  CHECK_FALSE(at::equal(a, b));
  CHECK_FALSE(at::equal(a, other.parameter("a.weight", {8, 4, 3, 3}, kaimingNormalFanOut()).master));
}

TEST_CASE("initialisation does not depend on the number of threads") {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  ParameterStore one(3);
  const auto alone = one.parameter("w", {300, 300}, normal(0, 1)).master.clone();
  at::set_num_threads(3);
  ParameterStore three(3);
  CHECK(at::equal(alone, three.parameter("w", {300, 300}, normal(0, 1)).master));
  at::set_num_threads(threads);
}

TEST_CASE("initialisers have the moments that their names promise") {
  ParameterStore store(5);
  const auto kaiming = store.parameter("k", {128, 32, 3, 3}, kaimingNormalFanOut()).master;
  CHECK(kaiming.std().item<double>() == doctest::Approx(std::sqrt(2.0 / (128 * 9))).epsilon(0.02));
  CHECK(std::abs(kaiming.mean().item<double>()) < 1e-3);
  const auto xavier = store.parameter("x", {64, 96, 3, 3}, xavierUniform()).master;
  const double bound = std::sqrt(6.0 / ((64 + 96) * 9));
  CHECK(xavier.abs().max().item<double>() <= bound);
  CHECK(xavier.std().item<double>() == doctest::Approx(bound / std::sqrt(3.0)).epsilon(0.02));
  const auto shifted = store.parameter("n", {200, 200}, normal(2, 0.5)).master;
  CHECK(shifted.mean().item<double>() == doctest::Approx(2).epsilon(0.01));
  CHECK(shifted.std().item<double>() == doctest::Approx(0.5).epsilon(0.02));
  CHECK(store.parameter("c", {5}, constant(-1.5)).master.eq(-1.5).all().item<bool>());
}

TEST_CASE("weights of convolutions lie in channels_last memory and keep their shape") {
  ParameterStore store(1);
  const auto& weight = store.parameter("w", {8, 4, 3, 3}, normal(0, 1));
  CHECK(weight.master.sizes() == at::IntArrayRef({8, 4, 3, 3}));
  CHECK(weight.master.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST_CASE("names are unique, parameters are found and never move") {
  ParameterStore store(1);
  Parameter* first = &store.parameter("p0", {2}, constant(0));
  for (int i = 1; i < 500; ++i) store.parameter("p" + std::to_string(i), {2}, constant(i));
  CHECK(store.find("p0") == first);
  CHECK(store.find("p499")->master[0].item<double>() == 499);
  CHECK(store.find("nothing") == nullptr);
  CHECK(codeOf([&] { store.parameter("p3", {2}, constant(0)); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { store.buffer("p3", at::zeros({1})); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { store.parameter("vector", {2}, xavierUniform()); }) == "HD_INTERNAL");
}

TEST_CASE("working tensors: the master itself in fp32, low-precision leaves otherwise") {
  ParameterStore store(1);
  Parameter& trained = store.parameter("trained", {4, 3, 1, 1}, normal(0, 1));
  Parameter& frozen = store.parameter("frozen", {4}, constant(1));
  frozen.trainable = false;
  Parameter& statistics = store.buffer("running_mean", at::ones({4}));

  store.setWorking(at::kFloat);
  CHECK(trained.working.is_same(trained.master));
  CHECK(trained.working.requires_grad());
  CHECK_FALSE(frozen.working.requires_grad());

  store.setWorking(at::kBFloat16);
  CHECK((store.workingType() == at::kBFloat16));
  CHECK(support::hasType(trained.working, at::kBFloat16));
  CHECK(trained.working.is_leaf());
  CHECK(trained.working.requires_grad());
  CHECK_FALSE(trained.master.requires_grad());
  CHECK(trained.working.is_contiguous(at::MemoryFormat::ChannelsLast));
  CHECK(at::equal(trained.working, trained.master.to(at::kBFloat16)));
  CHECK(support::hasType(statistics.working, at::kFloat));
  CHECK(statistics.working.is_same(statistics.master));

  store.setWorking(at::kFloat);
  CHECK(trained.working.is_same(trained.master));
  CHECK(trained.working.requires_grad());
}

TEST_CASE("versions tell what may have changed") {
  ParameterStore store(1);
  const auto version = store.version(), frozen = store.frozenVersion();
  store.touchTrainable();
  CHECK(store.version() > version);
  CHECK(store.frozenVersion() == frozen);
  store.touch();
  CHECK(store.version() > version + 1);
  CHECK(store.frozenVersion() > frozen);
}
