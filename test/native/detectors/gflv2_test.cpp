// GFL v2: what its head adds, scores as products, the spare column of the published configuration.
#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>

#include "core/error.h"
#include "detectors/gfl.h"
#include "gfl_fixture.h"
#include "nn/heads/dense_head.h"
#include "nn/networks.h"
#include "nn/run_batch.h"

namespace {

using hd::Value;
using namespace hd::detectors;

Value model(const char* detector, const char* preset = "robust") {
  return hd::parseJson(hd::concat(
      R"({"detector":")", detector, R"(","preset":")", preset,
      R"(","backbone":"resnet18","classes":3,"headConvs":1,"neckChannels":32,"headChannels":32,"norm":"eval"})"));
}

int64_t elements(hd::nn::Graph& graph) {
  int64_t total = 0;
  for (const auto& parameter : graph.parameters().all())
    total += parameter.buffer ? 0 : parameter.master.numel();
  return total;
}

std::unique_ptr<Detector> make(const Value& of) {
  return detectorRegistry().get(of.at("detector").asString())(of, 3);
}

struct Pictures {
  std::vector<uint8_t> pixels = std::vector<uint8_t>(2 * 64 * 64 * 3, 90);
  hd::Batch batch;
  explicit Pictures(bool empty = false) {
    batch.pixels = pixels.data();
    batch.count = 2;
    batch.height = batch.width = 64;
    for (int i = 0; i < 2; ++i)
      batch.images.push_back(empty ? fixture::image(64, 64, {}, {})
                                   : fixture::image(64, 64, {8, 8, 44, 48}, {i}));
  }
};

}  // namespace

TEST_CASE("the head has the published number of parameters more") {
  const Value wide = hd::parseJson(R"({"detector":"gfl","backbone":"resnet18","classes":80})");
  Value second = wide;
  second.set("detector", "gflv2");
  Value released = second;
  released.set("preset", "released");
  const auto first = hd::nn::buildDense(wide, 1), robust = hd::nn::buildDense(second, 1),
             asReleased = hd::nn::buildDense(released, 1);
  CHECK(elements(*first) == 19420889);
  CHECK(elements(*robust) - elements(*first) == 1409);
  CHECK(elements(*asReleased) - elements(*first) == 3714);
  const auto* weight = robust->parameters().find("bbox_head.reg_conf.0.weight");
  REQUIRE(weight != nullptr);
  CHECK(weight->master.sizes() == at::IntArrayRef({64, 20, 1, 1}));
}

TEST_CASE("the published statistics of a distribution's shape") {
  // Cell (0, 0) of the formula scene, level 0: four largest probabilities of a side and their mean.
  const Tensor k = at::arange(68, at::kDouble);
  const Tensor reg = (1.2 * (0.37 * k).cos()).reshape({1, 68, 1, 1});
  Tensor pick = at::zeros({20, 20, 1, 1}, at::kDouble);
  for (int64_t i = 0; i < 20; ++i) pick[i][i] = 1;
  const auto check = [&](int64_t first, const std::array<double, 5>& expected) {
    for (int64_t i = 0; i < 5; ++i) {
      Tensor one = at::zeros({1, 20, 1, 1}, at::kDouble);
      one[0][first + i] = 1;
      const Tensor quality = hd::nn::distributionQuality(reg, pick, at::zeros({20}, at::kDouble), one,
                                                         at::zeros({1}, at::kDouble));
      CHECK(quality.logit().item<double>() ==
            doctest::Approx(expected[static_cast<size_t>(i)]).epsilon(1e-5));
    }
  };
  check(0, {.139924, .129389, .129010, .102797, .125280});   // left
  check(10, {.139907, .130128, .128235, .103919, .125547});  // right
}

TEST_CASE("scores are products, and the losses reach the distributions through the quality") {
  const auto detector = make(model("gflv2"));
  detector->graph().parameters().setWorking(at::kFloat);
  const Pictures pictures;
  const auto maps = hd::nn::runBatch(detector->graph(), pictures.batch,
                                     {"head.cls.p3", "head.quality.p3", "head.score.p3", "head.reg.p3"},
                                     hd::nn::Mode::train);
  CHECK(maps[1].size(1) == 1);
  CHECK(at::allclose(maps[2], maps[0].sigmoid() * maps[1]));
  const Tensor slope = torch::autograd::grad({maps[2].sum()}, {maps[3]})[0];
  CHECK(slope.abs().max().item<double>() > 0);
  CHECK(detector->lossTaps().front() == "head.score.p3");
}

TEST_CASE("planned maps equal trained ones, and a step is finite with and without objects") {
  const auto detector = make(model("gflv2"));
  detector->graph().parameters().setWorking(at::kFloat);
  for (const bool empty : {false, true}) {
    const Pictures pictures(empty);
    const auto taps = detector->lossTaps();
    const auto trained = hd::nn::runBatch(detector->graph(), pictures.batch, taps, hd::nn::Mode::train);
    const auto planned = hd::nn::runBatch(detector->graph(), pictures.batch, taps, hd::nn::Mode::plan);
    for (size_t i = 0; i < taps.size(); ++i) CHECK(at::allclose(trained[i], planned[i], 1e-4, 1e-5));
    const auto assignment = detector->assign(pictures.batch);
    const auto sums = detector->predictionNormalisers(trained, *assignment);
    Tensor total = at::zeros({});
    for (const LossTerm& term : detector->losses(trained, *assignment, assignment->normalisers, sums)) {
      CHECK(std::isfinite(term.value.item<double>()));
      if (empty && term.name != "cls") CHECK(term.value.item<double>() == 0);
      total = total + term.value * term.weight;
    }
    torch::autograd::backward({total}, {});
    for (const auto& parameter : detector->graph().parameters().all()) {
      if (parameter.working.grad().defined()) CHECK(parameter.working.grad().isfinite().all().item<bool>());
      parameter.working.mutable_grad() = Tensor();
    }
  }
}

TEST_CASE("the spare class of the published configuration is not a detection") {
  const auto detector = make(model("gflv2", "released"));
  const Pictures pictures;
  hd::nn::Tensors maps;
  for (const int64_t stride : {8, 16, 32, 64, 128}) {
    const int64_t side = (64 + stride - 1) / stride;
    Tensor scores = at::full({2, 4, side, side}, 0.01);
    scores.select(1, 3).fill_(0.9);  // the spare column
    scores.select(1, 1).fill_(0.5);
    maps.push_back(scores);
  }
  for (size_t l = 0; l < 5; ++l) maps.push_back(at::randn({2, 68, maps[l].size(2), maps[l].size(3)}));
  for (const auto& found : detector->detect(maps, pictures.batch, {})) {
    CHECK(found.size() > 0);
    for (const int32_t label : found.labels) CHECK(label == 1);
    for (const float score : found.scores) CHECK(score == doctest::Approx(0.5).epsilon(1e-5));
  }
}

TEST_CASE("fewer bins than the quality reads are refused") {
  Value narrow = model("gflv2");
  narrow.set("regMax", 2);
  try {
    hd::nn::buildDense(narrow, 1);
    FAIL("nothing was thrown");
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_RECIPE_VALUE");
    CHECK(error.where() == "model.regMax");
  }
}
