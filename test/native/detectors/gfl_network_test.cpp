// The registered "gfl" family as the engine sees it: network, taps, normalisers, loss terms, detections.
#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <set>

#include "core/error.h"
#include "detectors/detector.h"
#include "native/detectors/gfl_fixture.h"

using namespace hd::detectors;
using hd::Value;
using torch::Tensor;

namespace {

Value model(const char* preset = "robust") {
  return hd::parseJson(hd::concat(
      R"({"detector":"gfl","backbone":"resnet18","classes":2,"norm":"eval","zeroInitResidual":false,"headConvs":1,)",
      R"("preset":")", preset, R"("})"));
}

std::unique_ptr<Detector> build(const Value& section) {
  return detectorRegistry().get("gfl")(section, 3);
}

hd::Batch scene() {
  return fixture::batchOf(64, 64,
                          {fixture::image(64, 64, {4, 6, 40, 50}, {1}), fixture::image(60, 50, {}, {})});
}

Tensor pixels() {
  Tensor image = at::empty({2, 64, 64, 3}, at::kByte);
  uint8_t* values = image.data_ptr<uint8_t>();
  hd::Random random(1, "pixels", 0, 0);
  for (int64_t i = 0; i < image.numel(); ++i) values[i] = static_cast<uint8_t>(random.below(256));
  return image;
}

Tensor weighted(const std::vector<LossTerm>& terms) {
  Tensor sum = at::zeros({});
  for (const LossTerm& term : terms) sum = sum + term.value * term.weight;
  return sum;
}

}  // namespace

TEST_CASE("a step of the registered detector gives three terms and gradients to every reached parameter") {
  const auto detector = build(model());
  CHECK(detector->classes() == 2);
  CHECK(detector->divisor() == 32);
  CHECK(detector->lossTaps().size() == 10);
  CHECK(detector->lossTaps().front() == "head.cls.p3");
  CHECK(detector->lossTaps().back() == "head.reg.p7");
  hd::nn::Graph& graph = detector->graph();
  graph.parameters().setWorking(at::kFloat);
  const hd::Batch batch = scene();
  const auto assignment = detector->assign(batch);
  CHECK(assignment->images == 2);
  CHECK(assignment->positives > 0);
  const auto outputs = graph.run(pixels(), detector->lossTaps(), hd::nn::Mode::train);
  REQUIRE(detector->hasPredictionNormalisers());
  const auto terms = detector->losses(outputs, *assignment, assignment->normalisers,
                                      detector->predictionNormalisers(outputs, *assignment));
  REQUIRE(terms.size() == 3);
  CHECK(terms[0].name == "cls");
  CHECK(terms[1].name == "box");
  CHECK(terms[2].name == "dfl");
  CHECK(terms[0].weight == 1.0);
  CHECK(terms[1].weight == 2.0);
  CHECK(terms[2].weight == 0.25);
  weighted(terms).backward();
  // Levels without positives leave their scale untouched; every other trainable tensor moves.
  std::set<std::string> still;
  for (const hd::nn::Parameter* parameter : graph.reached(detector->lossTaps())) {
    if (parameter->buffer || !parameter->trainable) continue;
    const Tensor& gradient = parameter->working.grad();
    REQUIRE(gradient.defined());
    CHECK(gradient.isfinite().all().item<bool>());
    if (gradient.abs().max().item<float>() == 0) still.insert(parameter->name);
  }
  for (const std::string& name : still) {
    CAPTURE(name);
    CHECK(name.find("bbox_head.scales.") == 0);
  }
}

TEST_CASE("the released preset normalises each micro-batch by itself and averages over micro-batches") {
  const auto robust = build(model()), released = build(model("released"));
  const hd::Batch batch = scene();
  const auto assignment = robust->assign(batch);
  const auto outputs = robust->graph().run(pixels(), robust->detectTaps(), hd::nn::Mode::plan);
  const auto own = robust->losses(outputs, *assignment, assignment->normalisers,
                                  robust->predictionNormalisers(outputs, *assignment));
  CHECK_FALSE(released->hasPredictionNormalisers());
  CHECK(released->predictionNormalisers(outputs, *assignment).empty());
  // As one of four micro-batches of a global batch with far more positives.
  const auto quarter = released->losses(outputs, *assignment, {1000, 4}, {});
  for (size_t t = 0; t < 3; ++t) {
    CHECK(quarter[t].value.item<double>() * 4 == doctest::Approx(own[t].value.item<double>()).epsilon(1e-6));
  }
}

TEST_CASE("detections of the network stay inside each original picture") {
  const auto detector = build(model());
  hd::Batch batch = scene();
  batch.images[1].scaleX = batch.images[1].scaleY = 0.5f;
  const auto outputs = detector->graph().run(pixels(), detector->detectTaps(), hd::nn::Mode::plan);
  const auto found = detector->detect(outputs, batch, {0.001, 50, 0.6, 20});
  REQUIRE(found.size() == 2);
  const float limits[2][2] = {{64, 64}, {120, 100}};
  for (size_t i = 0; i < 2; ++i) {
    REQUIRE(found[i].size() > 0);
    CHECK(found[i].size() <= 20);
    CHECK(found[i].boxes.size() == 4 * found[i].scores.size());
    for (int64_t d = 0; d < found[i].size(); ++d) {
      const float* box = &found[i].boxes[4 * d];
      CHECK(box[0] >= 0);
      CHECK(box[1] >= 0);
      CHECK(box[2] <= limits[i][0]);
      CHECK(box[3] <= limits[i][1]);
      CHECK(box[0] <= box[2]);
      CHECK(found[i].labels[d] >= 0);
      CHECK(found[i].labels[d] < 2);
      if (d > 0) CHECK(found[i].scores[d] <= found[i].scores[d - 1]);
    }
  }
}

TEST_CASE("options out of range are refused") {
  const auto with = [](const char* members) {
    return hd::parseJson(hd::concat(R"({"backbone":"resnet18",)", members, "}"));
  };
  for (const char* wrong : {R"("classes":0)", R"("classes":2,"regMax":0)", R"("classes":2,"boxLoss":"l1")",
                            R"("classes":2,"preset":"published")", R"("classes":2,"assignerCandidates":0)",
                            R"("classes":"two")"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(GflOptions::from(with(wrong)), hd::Error);
  }
  CHECK_THROWS_AS(GflOptions::from(with(R"("regMax":16)")), hd::Error);  // classes is missing
  CHECK(GflOptions::from(with(R"("classes":2,"boxLoss":"ciou")")).boxLoss == "ciou");
}

TEST_CASE("a foreign assignment and a wrong number of maps are refused") {
  const auto detector = build(model());
  const struct : Assignment {
  } foreign;
  const auto outputs = detector->graph().run(pixels(), detector->detectTaps(), hd::nn::Mode::plan);
  CHECK_THROWS_AS(detector->losses(outputs, foreign, {1, 1}, {1}), hd::Error);
  CHECK_THROWS_AS(detector->detect({outputs[0]}, scene(), {}), hd::Error);
}
