// ResNeXt and Res2Net: shapes, freezing, and plans against autograd. Values: test/golden/nn.
#include "io/safetensors.h"
#include "native/nn/support.h"
#include "nn/backbones/backbone.h"
#include "nn/weights.h"

using namespace hd::nn;
using hd::Value;
using support::relativeError;

namespace {

struct Built {
  std::unique_ptr<Graph> graph = std::make_unique<Graph>(3);
  Features features;
  explicit Built(const std::string& name, Value options = Value::Object{{"norm", "eval"}}) {
    features = backboneRegistry().get(name)(*graph, "image", options);
    graph->parameters().setWorking(at::kFloat);
  }
  Parameter& at(const std::string& name) { return *graph->parameters().find(name); }
};

const char* const kNames[] = {"resnext50_32x4d", "res2net50_26w_4s"};

}  // namespace

TEST_CASE("stages have the shapes of ResNet-50, whatever the picture's size") {
  for (const char* name : kNames) {
    CAPTURE(name);
    Built net(name);
    CHECK(net.features.channels == std::vector<int64_t>{256, 512, 1024, 2048});
    CHECK(net.features.strides == std::vector<int64_t>{4, 8, 16, 32});
    const auto out = net.graph->run(at::randn({2, 3, 70, 45}), net.features.taps, Mode::plan);
    const int64_t sides[][2] = {{18, 12}, {9, 6}, {5, 3}, {3, 2}};
    for (size_t stage = 0; stage < 4; ++stage) {
      CHECK(out[stage].sizes() ==
            at::IntArrayRef({2, net.features.channels[stage], sides[stage][0], sides[stage][1]}));
    }
  }
}

TEST_CASE("plans and autograd agree, also with norms that learn") {
  for (const char* name : kNames) {
    CAPTURE(name);
    Built net(name);
    support::scramble(net.graph->parameters());
    const auto x = at::randn({1, 3, 64, 64});
    const auto planned = net.graph->run(x, net.features.taps, Mode::plan);
    const auto trained = net.graph->run(x, net.features.taps, Mode::train);
    for (size_t stage = 0; stage < 4; ++stage) CHECK(relativeError(planned[stage], trained[stage]) < 1e-4);
    CHECK(trained[3].requires_grad());
  }
}

TEST_CASE("groups and splits decide the shapes of the middle convolutions") {
  Built wide("resnext101_64x4d"), next("resnext50_32x4d"), split("res2net50_26w_4s");
  CHECK(wide.at("backbone.layer1.0.conv2.weight").master.sizes() == at::IntArrayRef({256, 4, 3, 3}));
  CHECK(next.at("backbone.layer4.2.conv2.weight").master.sizes() == at::IntArrayRef({1024, 32, 3, 3}));
  CHECK(split.at("backbone.layer1.0.convs.2.weight").master.sizes() == at::IntArrayRef({26, 26, 3, 3}));
  CHECK(split.at("backbone.layer3.0.downsample.1.weight").master.sizes() ==
        at::IntArrayRef({1024, 512, 1, 1}));
  CHECK(split.graph->parameters().find("backbone.layer3.1.downsample.1.weight") == nullptr);
  CHECK(split.at("backbone.stem.6.weight").master.sizes() == at::IntArrayRef({64, 32, 3, 3}));
}

TEST_CASE("the first block of a stage does not chain its splits, the others do") {
  Built net("res2net50_26w_4s");
  support::scramble(net.graph->parameters());
  const auto x = at::randn({1, 3, 64, 64});
  // A change of the first split's convolution reaches the second only through the chain.
  const auto reaches = [&](const std::string& block) {
    const auto before = net.graph->run(x, {block}, Mode::plan)[0].clone();
    at::NoGradGuard guard;
    net.at(block + ".convs.0.weight").master.mul_(2);
    // Only what the later splits carry may differ once the first part's way into conv3 is closed.
    net.at(block + ".conv3.weight")
        .master.slice(1, 0, net.at(block + ".convs.0.weight").master.size(0))
        .zero_();
    net.graph->parameters().touch();
    const auto closed = net.graph->run(x, {block}, Mode::plan)[0].clone();
    net.at(block + ".convs.0.weight").master.mul_(0.25);
    net.graph->parameters().touch();
    const auto again = net.graph->run(x, {block}, Mode::plan)[0];
    CHECK(!at::equal(before, closed));
    return !at::equal(closed, again);
  };
  CHECK_FALSE(reaches("backbone.layer2.0"));
  CHECK(reaches("backbone.layer2.1"));
}

TEST_CASE("frozen stages hold everything below them") {
  for (const char* name : kNames) {
    CAPTURE(name);
    Built net(name, Value::Object{{"norm", "train"}, {"frozenStages", 1}});
    for (const Parameter& parameter : net.graph->parameters().all()) {
      if (parameter.buffer) continue;
      const bool low = parameter.name.find("layer") == std::string::npos ||
                       parameter.name.find("layer1.") != std::string::npos;
      CHECK(parameter.trainable == !low);
    }
  }
}

TEST_CASE("deformable stages have offsets, and the published number of parameters more") {
  const auto elements = [](const Built& net) {
    int64_t total = 0;
    for (const Parameter& parameter : net.graph->parameters().all())
      total += parameter.buffer ? 0 : parameter.master.numel();
    return total;
  };
  const Value deformable = Value::Object{{"stages", Value::Array{2, 3, 4}}, {"version", 1}};
  Built plain("resnet101"), bent("resnet101", Value::Object{{"norm", "eval"}, {"deformable", deformable}});
  CHECK(elements(bent) - elements(plain) == 1286172);
  CHECK(bent.graph->parameters().find("backbone.layer1.0.conv2.conv_offset.weight") == nullptr);
  CHECK(bent.at("backbone.layer2.0.conv2.conv_offset.weight").master.sizes() ==
        at::IntArrayRef({18, 128, 3, 3}));
  const auto x = at::randn({1, 3, 64, 64});
  CHECK(relativeError(bent.graph->run(x, {"backbone.layer4"}, Mode::plan)[0],
                      bent.graph->run(x, {"backbone.layer4"}, Mode::train)[0]) < 1e-4);
  CHECK(support::codeOf([] {
          Built("resnet50", Value::Object{{"deformable", Value::Object{{"stages", Value::Array{5}}}}});
        }) == "HD_RECIPE_VALUE");
  CHECK(support::codeOf([] {
          Built("resnet50",
                Value::Object{{"deformable", Value::Object{{"stages", Value::Array{2}}, {"version", 3}}}});
        }) == "HD_RECIPE_VALUE");
}

namespace {

/// The weights of a backbone under the names that a classifier's file has: without "backbone.".
hd::io::TensorFile classifierOf(Built& net) {
  hd::io::TensorFile file;
  for (Parameter& parameter : net.graph->parameters().all()) {
    hd::io::TensorView view;
    view.name = parameter.name.substr(std::string("backbone.").size());
    view.dtype = parameter.master.scalar_type() == at::kLong ? hd::io::DType::i64 : hd::io::DType::f32;
    view.shape = parameter.master.sizes().vec();
    view.data = static_cast<const uint8_t*>(parameter.master.const_data_ptr());
    view.bytes = parameter.master.nbytes();
    file.tensors.push_back(view);
  }
  return file;
}

}  // namespace

TEST_CASE("a plain classifier starts a deformable backbone, whose offsets stay a regular grid") {
  const Value deformable = Value::Object{{"stages", Value::Array{3, 4}}, {"version", 2}};
  for (const char* name : {"resnet50", "res2net50_26w_4s"}) {
    CAPTURE(name);
    Built plain(name), bent(name, Value::Object{{"norm", "eval"}, {"deformable", deformable}});
    support::scramble(plain.graph->parameters());
    const auto report =
        loadWeights(bent.graph->parameters(), classifierOf(plain), MatchMode::backbone, "plain");
    CHECK(report.matched.size() == plain.graph->parameters().all().size());
    for (const Parameter& parameter : bent.graph->parameters().all()) {
      if (parameter.name.find("conv_offset") != std::string::npos)
        CHECK(!parameter.master.any().item<bool>());
    }
    CHECK(at::equal(bent.at("backbone.layer4.0.conv1.weight").master,
                    plain.at("backbone.layer4.0.conv1.weight").master));
    CHECK(support::codeOf([&] {
            loadWeights(bent.graph->parameters(), classifierOf(plain), MatchMode::strict, "plain");
          }) == "HD_WEIGHTS_MISMATCH");
    // The other way round nothing is dropped in silence.
    CHECK(support::codeOf([&] {
            loadWeights(plain.graph->parameters(), classifierOf(bent), MatchMode::backbone, "bent");
          }) == "HD_WEIGHTS_MISMATCH");
  }
}
