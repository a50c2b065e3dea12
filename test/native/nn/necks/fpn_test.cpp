#include "nn/necks/fpn.h"

#include "native/nn/support.h"
#include "nn/layers/packed.h"

using namespace hd::nn;
using support::codeOf;
using support::relativeError;

namespace {

struct Feed final : Layer {
  explicit Feed(Tensors given) : tensors(std::move(given)) {}
  Tensors forward(const Tensors&, Mode) override { return tensors; }
  std::vector<Parameter*> parameters() const override { return {}; }
  Tensors tensors;
};

struct Pyramid {
  explicit Pyramid(const FpnOptions& options) {
    at::manual_seed(1);
    const int64_t channels[] = {4, 8, 12, 16}, heights[] = {40, 20, 10, 5}, widths[] = {52, 26, 13, 7};
    Features features;
    for (int i = 0; i < 4; ++i) {
      inputs.push_back(support::channelsLast(at::randn({2, channels[i], heights[i], widths[i]})));
      features.taps.push_back("c" + std::to_string(i + 2));
      features.channels.push_back(channels[i]);
      features.strides.push_back(int64_t{4} << i);
    }
    graph.add(features.taps, std::make_unique<Feed>(inputs), {});
    out = addFpn(graph, features, options);
    support::scramble(graph.parameters());
  }
  Tensor conv(const std::string& name, const Tensor& x, ConvGeometry geometry) {
    return convolution(x, graph.parameters().find(name + ".weight")->working,
                       graph.parameters().find(name + ".bias")->working, geometry);
  }
  Graph graph{5};
  Tensors inputs;
  Features out;
};

FpnOptions small(ExtraLevels extra, bool relu) {
  FpnOptions options;
  options.channels = 24;
  options.extra = extra;
  options.reluBeforeExtra = relu;
  return options;
}

}  // namespace

TEST_CASE("every form equals the written-out pyramid, in training and as a plan") {
  for (const ExtraLevels extra :
       {ExtraLevels::maxPool, ExtraLevels::onInput, ExtraLevels::onLateral, ExtraLevels::onOutput}) {
    for (const bool relu : {false, true}) {
      Pyramid p(small(extra, relu));
      Tensors inner(3), expected;
      for (int i = 2; i >= 0; --i) {
        inner[i] = p.conv("neck.lateral_convs." + std::to_string(i) + ".conv", p.inputs[i + 1], {});
        if (i < 2) inner[i] = inner[i] + at::upsample_nearest2d(inner[i + 1], inner[i].sizes().slice(2));
      }
      for (int i = 0; i < 3; ++i) {
        expected.push_back(
            p.conv("neck.fpn_convs." + std::to_string(i) + ".conv", inner[i], {.kernel = 3, .padding = 1}));
      }
      for (int i = 3; i < 5; ++i) {
        if (extra == ExtraLevels::maxPool) {
          expected.push_back(expected.back().slice(2, 0, {}, 2).slice(3, 0, {}, 2));
          continue;
        }
        Tensor source = expected.back();
        if (i == 3 && extra == ExtraLevels::onInput) source = p.inputs[3];
        if (i == 3 && extra == ExtraLevels::onLateral) source = inner[2];
        if (i == 4 && relu) source = source.relu();
        expected.push_back(p.conv("neck.fpn_convs." + std::to_string(i) + ".conv", source,
                                  {.kernel = 3, .stride = 2, .padding = 1}));
      }
      for (const Mode mode : {Mode::train, Mode::frozen, Mode::plan}) {
        const Tensors out = p.graph.run(at::zeros({1}), p.out.taps, mode);
        REQUIRE(out.size() == 5);
        for (size_t i = 0; i < 5; ++i) CHECK(relativeError(out[i], expected[i]) < 1e-5);
      }
    }
  }
}

TEST_CASE("names of levels follow their strides, and only what a level needs is reached") {
  Pyramid p(small(ExtraLevels::onOutput, false));
  CHECK(p.out.taps == std::vector<std::string>{"neck.p3", "neck.p4", "neck.p5", "neck.p6", "neck.p7"});
  CHECK(p.out.strides == std::vector<int64_t>{8, 16, 32, 64, 128});
  CHECK(p.out.channels == std::vector<int64_t>(5, 24));
  CHECK(p.graph.reached({"neck.p5"}).size() == 4);  // its lateral and its output convolution
  CHECK(p.graph.reached({"neck.p3"}).size() == 8);
  CHECK(p.graph.has("neck.inner4"));

  FpnOptions all = small(ExtraLevels::maxPool, false);
  all.startLevel = 0;
  CHECK(Pyramid(all).out.taps.front() == "neck.p2");
}

TEST_CASE("biases start at 0 and weights by Xavier") {
  Graph graph(1);
  addFpn(graph, {{"image"}, {64}, {8}}, FpnOptions{.channels = 96, .startLevel = 0, .levels = 1});
  const auto& weight = graph.parameters().find("neck.fpn_convs.0.conv.weight")->master;
  CHECK(weight.std().item<double>() == doctest::Approx(std::sqrt(2.0 / (2 * 96 * 9))).epsilon(0.03));
  CHECK(graph.parameters().find("neck.fpn_convs.0.conv.bias")->master.eq(0).all().item<bool>());
  CHECK(graph.parameters().find("neck.fpn_convs.0.conv.bias")->isBias);
}

TEST_CASE("pyramids without a feature or with too few levels are refused") {
  Graph graph(1);
  const Features one{{"image"}, {3}, {4}}, two{{"image", "valid"}, {3, 3}, {4, 8}};
  CHECK(codeOf([&] { addFpn(graph, one, FpnOptions{.startLevel = 1}); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { addFpn(graph, two, FpnOptions{.startLevel = 0, .levels = 1}); }) == "HD_INTERNAL");
  CHECK(codeOf([] { extraLevelsFrom("on_top"); }) == "HD_RECIPE_VALUE");
  CHECK(extraLevelsFrom("on_lateral") == ExtraLevels::onLateral);
}
