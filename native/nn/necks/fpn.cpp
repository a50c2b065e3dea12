#include "nn/necks/fpn.h"

#include <ATen/ATen.h>

#include <bit>

#include "core/error.h"
#include "nn/layers/conv.h"

namespace hd::nn {
namespace {

ConvOptions neckConv(const std::string& name, int64_t in, int64_t out, ConvGeometry geometry) {
  ConvOptions options;
  options.conv = name;
  options.in = in;
  options.out = out;
  options.geometry = geometry;
  options.bias = true;
  options.initial = xavierUniform();
  return options;
}

/// lateral(feature) + upsampled(coarser): inputs feature, coarser; or the feature alone on top.
class Lateral final : public Layer {
 public:
  Lateral(ParameterStore& store, const ConvOptions& options) : conv_(store, options) {}

  Tensors forward(const Tensors& inputs, Mode mode) override {
    if (inputs.size() == 1) return conv_.forward(inputs, mode);
    const auto size = inputs[0].sizes().slice(2);
    return {conv_.forward(inputs[0], mode, at::upsample_nearest2d(inputs[1], size))};
  }
  std::vector<Parameter*> parameters() const override { return conv_.parameters(); }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    return conv_.multiplyAdds({shapes[0]});
  }

 private:
  ConvUnit conv_;
};

/// An extra level: relu?(x) through a strided convolution.
class ExtraLevel final : public Layer {
 public:
  ExtraLevel(ParameterStore& store, const ConvOptions& options, bool relu)
      : conv_(store, options), relu_(relu) {}

  Tensors forward(const Tensors& inputs, Mode mode) override {
    return {conv_.forward(relu_ ? at::relu(inputs[0]) : inputs[0], mode)};
  }
  std::vector<Parameter*> parameters() const override { return conv_.parameters(); }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    return conv_.multiplyAdds(shapes);
  }

 private:
  ConvUnit conv_;
  bool relu_;
};

class EverySecondCell final : public Layer {
 public:
  Tensors forward(const Tensors& inputs, Mode) override {
    return {at::max_pool2d(inputs[0], {1, 1}, {2, 2})};
  }
  std::vector<Parameter*> parameters() const override { return {}; }
};

}  // namespace

ExtraLevels extraLevelsFrom(const std::string& name) {
  if (name == "on_input") return ExtraLevels::onInput;
  if (name == "on_lateral") return ExtraLevels::onLateral;
  if (name == "on_output") return ExtraLevels::onOutput;
  if (name == "max_pool") return ExtraLevels::maxPool;
  throw Error(
      "HD_RECIPE_VALUE",
      concat("expected on_input, on_lateral, on_output or max_pool for model.extraConvs but received '", name,
             "'"),
      "model.extraConvs");
}

Features addFpn(Graph& graph, const Features& features, const FpnOptions& options) {
  require(options.startLevel < features.taps.size() &&
              options.startLevel + options.levels >= features.taps.size(),
          "a pyramid needs a backbone feature and a level for each");
  ParameterStore& store = graph.parameters();
  const size_t used = features.taps.size() - options.startLevel;
  const auto level = [&](size_t i) {
    const auto finest = static_cast<uint64_t>(features.strides[options.startLevel]);
    return std::to_string(static_cast<size_t>(std::countr_zero(finest)) + i);
  };
  // Parameters in the order of the originals (lateral 0 first), nodes from the coarsest down.
  std::vector<std::unique_ptr<Lateral>> laterals;
  for (size_t i = 0; i < used; ++i) {
    laterals.push_back(std::make_unique<Lateral>(
        store, neckConv(concat("neck.lateral_convs.", i, ".conv"), features.channels[options.startLevel + i],
                        options.channels, {})));
  }
  for (size_t i = used; i-- > 0;) {
    std::vector<std::string> inputs = {features.taps[options.startLevel + i]};
    if (i + 1 < used) inputs.push_back("neck.inner" + level(i + 1));
    graph.add({"neck.inner" + level(i)}, std::move(laterals[i]), inputs,
              {"lateral plus upsampled coarser level, no activation"});
  }
  Features out;
  const auto addOutput = [&](size_t i, std::unique_ptr<Layer> layer, const std::string& input) {
    const std::string tap = "neck.p" + level(i);
    graph.add({tap}, std::move(layer), {input}, {"no activation"});
    out.taps.push_back(tap);
    out.channels.push_back(options.channels);
    out.strides.push_back(features.strides[options.startLevel] << i);
  };
  const auto outputName = [](size_t i) { return concat("neck.fpn_convs.", i, ".conv"); };
  for (size_t i = 0; i < used; ++i) {
    addOutput(i,
              std::make_unique<ConvUnit>(store, neckConv(outputName(i), options.channels, options.channels,
                                                         {.kernel = 3, .padding = 1})),
              "neck.inner" + level(i));
  }
  for (size_t i = used; i < options.levels; ++i) {
    if (options.extra == ExtraLevels::maxPool) {
      addOutput(i, std::make_unique<EverySecondCell>(), out.taps.back());
      continue;
    }
    std::string input = out.taps.back();
    int64_t channels = options.channels;
    if (i == used && options.extra == ExtraLevels::onInput)
      input = features.taps.back(), channels = features.channels.back();
    if (i == used && options.extra == ExtraLevels::onLateral) input = "neck.inner" + level(used - 1);
    addOutput(i,
              std::make_unique<ExtraLevel>(store,
                                           neckConv(outputName(i), channels, options.channels,
                                                    {.kernel = 3, .stride = 2, .padding = 1}),
                                           options.reluBeforeExtra && i > used),
              input);
  }
  return out;
}

}  // namespace hd::nn
