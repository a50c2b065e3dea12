#include "nn/networks.h"

#include "native/nn/support.h"

using namespace hd::nn;
using hd::Value;
using support::codeOf;
using support::relativeError;

namespace {

Value section(const char* backbone, int classes, Value::Object more = {}) {
  Value model(Value::Object{{"backbone", backbone}, {"classes", classes}});
  for (auto& [key, value] : more) model.set(key, value);
  return model;
}

std::vector<std::string> maps() {
  std::vector<std::string> names;
  for (const char* kind : {"head.cls", "head.reg"}) {
    for (int l = 3; l <= 7; ++l) names.push_back(std::string(kind) + ".p" + std::to_string(l));
  }
  return names;
}

int64_t count(Graph& graph, const std::string& prefix) {
  int64_t total = 0;
  for (const Parameter& p : graph.parameters().all()) {
    if (!p.buffer && p.name.compare(0, prefix.size(), prefix) == 0) total += p.master.numel();
  }
  return total;
}

Tensor pixels(int64_t n, int64_t h, int64_t w) {
  return at::randint(0, 256, {n, h, w, 3}, at::kByte);
}

}  // namespace

TEST_CASE("parameter counts are those of the originals") {
  const struct {
    const char* backbone;
    int64_t total, neck;
  } known[] = {{"resnet18", 19420889, 3180544},
               {"resnet34", 29529049, 3180544},
               {"resnet50", 32440537, 3868672},
               {"resnet101", 51432665, 3868672}};
  for (const auto& expected : known) {
    auto graph = buildDense(section(expected.backbone, 80), 1);
    CHECK(count(*graph, "") == expected.total);
    CHECK(count(*graph, "neck.") == expected.neck);
    CHECK(count(*graph, "bbox_head.") == 5063833);
  }
  auto voc = buildDense(section("resnet18", 20, {{"norm", "eval"}, {"frozenStages", 1}}), 1);
  CHECK(count(*voc, "bbox_head.") == 4925533);
  int64_t frozen = 0;
  for (const Parameter& p : voc->parameters().all()) frozen += p.buffer || p.trainable ? 0 : p.master.numel();
  CHECK(frozen == 157504);
}

TEST_CASE("a plan of the whole network equals mode frozen and eager evaluation") {
  at::manual_seed(1);
  for (const char* backbone : {"resnet18", "resnet50"}) {
    CAPTURE(backbone);
    auto graph = buildDense(section(backbone, 5, {{"norm", "eval"}}), 7);
    support::scramble(graph->parameters());
    const auto image = pixels(1, 96, 128);
    const at::NoGradGuard guard;
    const Tensors eager = graph->run(image, maps(), Mode::train),
                  plan = graph->run(image, maps(), Mode::plan),
                  frozen = graph->run(image, maps(), Mode::frozen);
    REQUIRE(plan.size() == 10);
    for (size_t i = 0; i < plan.size(); ++i) {
      CHECK(relativeError(plan[i], eager[i]) < 1e-5);
      CHECK(relativeError(frozen[i], eager[i]) < 1e-5);
    }
    CHECK(plan[0].sizes() == at::IntArrayRef({1, 5, 12, 16}));
    CHECK(plan[9].sizes() == at::IntArrayRef({1, 68, 1, 1}));
  }
}

TEST_CASE("one training step reaches every trainable parameter; frozen stages build no graph") {
  at::manual_seed(2);
  auto graph = buildDense(section("resnet18", 3, {{"norm", "eval"}, {"frozenStages", 1}}), 7);
  support::scramble(graph->parameters());
  auto wanted = maps();
  wanted.push_back("backbone.layer1");
  const Tensors out = graph->run(pixels(1, 64, 64), wanted, Mode::train);
  CHECK_FALSE(out.back().requires_grad());
  Tensor total = at::zeros({});
  for (size_t i = 0; i < 10; ++i) total = total + out[i].square().sum();
  total.backward();
  for (const Parameter& p : graph->parameters().all()) {
    CAPTURE(p.name);
    CHECK(p.working.grad().defined() == p.trainable);
  }
}

TEST_CASE("padding does not reach the first layer: pixels outside the valid part do not matter") {
  at::manual_seed(3);
  auto graph = buildDense(section("resnet18", 3, {{"norm", "eval"}}), 7);
  const auto image = pixels(2, 48, 48);
  const auto valid = at::tensor(at::ArrayRef<int64_t>({40, 30, 48, 48})).reshape({2, 2});
  auto other = image.clone();
  other[0].slice(0, 40).fill_(255);
  other[0].slice(1, 30).fill_(9);
  const auto a = graph->run(image, maps(), Mode::plan, valid),
             b = graph->run(other, maps(), Mode::plan, valid);
  for (size_t i = 0; i < a.size(); ++i) CHECK(at::equal(a[i], b[i]));
  CHECK_FALSE(at::equal(a[0], graph->run(image, maps(), Mode::plan)[0]));
}

TEST_CASE("the same seed gives the same network whatever was built before") {
  auto first = buildDense(section("resnet18", 3), 7);
  auto second = buildDense(section("resnet18", 4), 7);
  auto third = buildDense(section("resnet18", 3), 8);
  for (const char* name : {"backbone.layer3.0.conv1.weight", "neck.fpn_convs.2.conv.weight",
                           "bbox_head.reg_convs.1.conv.weight"}) {
    const auto value = [&](Graph& graph) { return graph.parameters().find(name)->master; };
    CHECK(at::equal(value(*first), value(*second)));
    CHECK_FALSE(at::equal(value(*first), value(*third)));
  }
}

TEST_CASE("bf16 networks give nearly the same maps") {
  at::manual_seed(4);
  auto graph = buildDense(section("resnet18", 3, {{"norm", "eval"}}), 7);
  support::scramble(graph->parameters());
  const auto image = pixels(1, 64, 64);
  const at::NoGradGuard guard;
  const Tensor exact = graph->run(image, {"neck.p3"}, Mode::plan)[0];
  graph->parameters().setWorking(at::kBFloat16);
  for (const Mode mode : {Mode::plan, Mode::train}) {
    const Tensor low = graph->run(image, {"neck.p3"}, mode)[0];
    CHECK(support::hasType(low, at::kBFloat16));
    CHECK((low - exact).norm().item<double>() < 0.05 * exact.norm().item<double>());
  }
}

TEST_CASE("describe lists taps with strides and the published multiply-adds") {
  auto graph = buildDense(section("resnet18", 80), 1);
  int64_t work = 0;
  const auto taps = graph->describe(320, 320, &work);
  CHECK(taps.front().name == "normalise");
  const auto find = [&](const std::string& name) {
    for (const TapInfo& tap : taps) {
      if (tap.name == name) return tap;
    }
    FAIL("no tap " << name);
    return TapInfo{};
  };
  CHECK(find("backbone.stem").stride == 4);
  CHECK(find("neck.p7").stride == 128);
  CHECK(find("neck.p7").shape == std::vector<int64_t>{1, 256, 3, 3});
  CHECK(find("head.cls.p4").shape == std::vector<int64_t>{1, 80, 20, 20});
  CHECK(find("head.reg.p3").describes.find("scale") != std::string::npos);
  // Towers and predictors are 9·256·(8·256 + 80 + 68) products a cell, on 1600 + 400 + 100 + 25 + 9 cells.
  int64_t head = int64_t{9} * 256 * (8 * 256 + 80 + 68) * 2134;
  CHECK(work > head);
  CHECK(work - head ==
        doctest::Approx(3.7e9 + 1.4e9).epsilon(0.15));  // ResNet-18 without its classifier, and the pyramid
}

TEST_CASE("wrong sections are refused with the path of the member") {
  const auto refused = [](Value::Object more) {
    return codeOf([&] { buildDense(section("resnet18", 3, std::move(more)), 1); });
  };
  CHECK(codeOf([] { buildDense(section("resnet19", 3), 1); }) == "HD_UNKNOWN_PART");
  CHECK(codeOf([] { buildDense(section("resnet18", 0), 1); }) == "HD_RECIPE_VALUE");
  CHECK(refused({{"headChannels", 40}}) == "HD_RECIPE_VALUE");
  CHECK(refused({{"regMax", 0}}) == "HD_RECIPE_VALUE");
  CHECK(refused({{"headConvs", -1}}) == "HD_RECIPE_VALUE");
  CHECK(refused({{"std", Value::Array{1, 0, 1}}}) == "HD_RECIPE_VALUE");
  CHECK(refused({{"mean", Value::Array{1, 2}}}) == "HD_RECIPE_VALUE");
  CHECK(refused({{"channelOrder", "hsv"}}) == "HD_RECIPE_VALUE");
  CHECK(refused({{"extraConvs", "sometimes"}}) == "HD_RECIPE_VALUE");
}
