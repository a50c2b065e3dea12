#include "native/nn/support.h"
#include "nn/backbones/backbone.h"

using namespace hd::nn;
using hd::Value;
using support::codeOf;
using support::relativeError;

namespace {

std::unique_ptr<Graph> build(const std::string& name, Value model, Features* features = nullptr) {
  auto graph = std::make_unique<Graph>(3);
  const Features found = backboneRegistry().get(name)(*graph, "image", model);
  if (features != nullptr) *features = found;
  graph->parameters().setWorking(at::kFloat);
  return graph;
}

Value options(const char* norm, int frozenStages) {
  return Value::Object{{"norm", norm}, {"frozenStages", frozenStages}};
}

const std::vector<std::string> stages = {"backbone.layer1", "backbone.layer2", "backbone.layer3",
                                         "backbone.layer4"};

}  // namespace

TEST_CASE("the registry knows the five depths and their relatives, and says so for others") {
  CHECK(backboneRegistry().names() == std::vector<std::string>{"res2net101_26w_4s", "res2net50_26w_4s",
                                                               "resnet101", "resnet152", "resnet18",
                                                               "resnet34", "resnet50", "resnext101_32x4d",
                                                               "resnext101_64x4d", "resnext50_32x4d"});
  CHECK(codeOf([] { backboneRegistry().get("resnet19"); }) == "HD_UNKNOWN_PART");
}

TEST_CASE("shapes, strides, taps and aliases") {
  Features features;
  auto graph = build("resnet50", options("eval", -1), &features);
  CHECK(features.taps == stages);
  CHECK(features.channels == std::vector<int64_t>{256, 512, 1024, 2048});
  CHECK(features.strides == std::vector<int64_t>{4, 8, 16, 32});
  CHECK(graph->has("backbone.layer3.5"));
  CHECK_FALSE(graph->has("backbone.layer3.6"));
  const auto out =
      graph->run(at::randn({1, 3, 70, 45}), {"backbone.layer2", "backbone.layer2.3"}, Mode::plan);
  CHECK(out[0].sizes() == at::IntArrayRef({1, 512, 9, 6}));
  CHECK(out[0].is_contiguous(at::MemoryFormat::ChannelsLast));
  CHECK(at::equal(out[0], out[1]));
}

TEST_CASE("initialisation from scratch: He by fan out, norms 1 and 0, the last norm of a block 0") {
  auto graph = build("resnet18", options("train", -1));
  auto& store = graph->parameters();
  const auto weight = store.find("backbone.layer3.1.conv1.weight")->master;
  CHECK(weight.std().item<double>() == doctest::Approx(std::sqrt(2.0 / (256 * 9))).epsilon(0.02));
  CHECK(store.find("backbone.layer3.1.bn1.weight")->master.eq(1).all().item<bool>());
  CHECK(store.find("backbone.layer3.1.bn2.weight")->master.eq(0).all().item<bool>());
  CHECK(store.find("backbone.layer3.0.downsample.1.weight")->master.eq(1).all().item<bool>());
  CHECK(store.find("backbone.bn1.bias")->master.eq(0).all().item<bool>());
  auto plain = build("resnet50", Value::Object{{"zeroInitResidual", false}});
  CHECK(plain->parameters().find("backbone.layer1.0.bn3.weight")->master.eq(1).all().item<bool>());
}

TEST_CASE("frozen stages hold their parameters and statistics; the others move") {
  at::manual_seed(1);
  for (const int frozen : {-1, 0, 2, 4}) {
    auto graph = build("resnet18", options("train", frozen));
    support::scramble(graph->parameters());
    const auto out = graph->run(at::randn({2, 3, 33, 33}), {"backbone.layer4"}, Mode::train)[0];
    CHECK(out.requires_grad() == (frozen < 4));
    if (frozen < 4) out.sum().backward();
    for (const Parameter& p : graph->parameters().all()) {
      const bool stem = p.name.find("layer") == std::string::npos;
      const int stage = stem ? 0 : p.name[std::string("backbone.layer").size()] - '0';
      CAPTURE(p.name);
      CHECK(p.trainable == (!p.buffer && stage > frozen));
      CHECK(p.working.grad().defined() == p.trainable);
      if (p.name.find("tracked") != std::string::npos)
        CHECK(p.master.item<int64_t>() == (stage > frozen ? 1 : 0));
    }
  }
}

TEST_CASE("the planned prefix gives what autograd gives") {
  at::manual_seed(2);
  auto graph = build("resnet18", options("eval", 1)), free = build("resnet18", options("eval", -1));
  support::scramble(graph->parameters());
  support::scramble(free->parameters());
  const auto x = at::randn({1, 3, 64, 48});
  const auto a = graph->run(x, {"backbone.layer1", "backbone.layer3"}, Mode::train);
  const auto b = free->run(x, {"backbone.layer1", "backbone.layer3"}, Mode::train);
  CHECK_FALSE(a[0].requires_grad());
  CHECK(b[0].requires_grad());
  CHECK(relativeError(a[0], b[0]) < 1e-5);
  CHECK(relativeError(a[1], b[1]) < 1e-5);
  a[1].sum().backward();
  b[1].sum().backward();
  const char* name = "backbone.layer2.0.conv1.weight";
  CHECK(relativeError(graph->parameters().find(name)->working.grad(),
                      free->parameters().find(name)->working.grad()) < 1e-4);
}

TEST_CASE("mode frozen passes the gradient to the image") {
  at::manual_seed(3);
  auto graph = build("resnet18", options("train", -1));
  support::scramble(graph->parameters());
  const auto x = at::randn({1, 3, 32, 32}).requires_grad_();
  graph->run(x, {"backbone.layer2"}, Mode::frozen)[0].sum().backward();
  CHECK(x.grad().abs().sum().item<double>() > 0);
  for (const Parameter& p : graph->parameters().all()) {
    CHECK_FALSE(p.working.grad().defined());
    if (p.name.find("tracked") != std::string::npos) CHECK(p.master.item<int64_t>() == 0);
  }
}

TEST_CASE("wrong options are refused") {
  CHECK(codeOf([] { build("resnet18", options("batch", 0)); }) == "HD_RECIPE_VALUE");
  CHECK(codeOf([] { build("resnet18", options("eval", 5)); }) == "HD_RECIPE_VALUE");
  CHECK(codeOf([] { build("resnet18", Value::Object{{"style", "tensorflow"}}); }) == "HD_RECIPE_VALUE");
}
