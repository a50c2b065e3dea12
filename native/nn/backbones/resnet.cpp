// ResNet (He et al. 2015) with the parameter names of torchvision and mmdet.
//
// Members of `model`: norm train|eval|frozen [train]; frozenStages [−1]: 0 freezes the stem, n the stem and
// layer1…n; style pytorch|caffe [pytorch]: which convolution of a bottleneck strides, the 3×3 or the first
// 1×1; zeroInitResidual [true]: γ of the last norm of a block starts at 0 (Goyal et al. 2017).
#include <ATen/ATen.h>

#include <array>

#include "core/error.h"
#include "nn/backbones/backbone.h"
#include "nn/layers/conv.h"

namespace hd::nn {

Registry<BackboneFactory>& backboneRegistry() {
  static Registry<BackboneFactory> registry("backbone");
  return registry;
}

namespace {

struct ResNetOptions {
  Norm norm = Norm::batchTrain;
  int64_t frozenStages = -1;
  bool strideOnFirst = false;  // caffe style
  bool zeroInitResidual = true;
};

ResNetOptions optionsFrom(const Value& model) {
  ResNetOptions options;
  options.norm = batchNormFrom(model.get("norm", "train"));
  options.frozenStages = model.get("frozenStages", int64_t{-1});
  if (options.frozenStages < -1 || options.frozenStages > 4) {
    throw Error(
        "HD_RECIPE_VALUE",
        concat("expected -1 (nothing) to 4 for model.frozenStages but received ", options.frozenStages),
        "model.frozenStages");
  }
  const std::string style = model.get("style", "pytorch");
  if (style != "pytorch" && style != "caffe") {
    throw Error("HD_RECIPE_VALUE",
                concat("expected pytorch or caffe for model.style but received '", style, "'"),
                "model.style");
  }
  options.strideOnFirst = style == "caffe";
  options.zeroInitResidual = model.get("zeroInitResidual", true);
  return options;
}

/// A convolution without bias and its batch norm, with stage number for freezing (0: stem).
ConvOptions withNorm(const ResNetOptions& resnet, int64_t stage, std::string conv, std::string norm,
                     int64_t in, int64_t out, ConvGeometry geometry, bool relu) {
  ConvOptions options;
  options.conv = std::move(conv);
  options.norm = std::move(norm);
  options.in = in;
  options.out = out;
  options.geometry = geometry;
  options.normKind = resnet.norm;
  options.relu = relu;
  options.trainable = stage > resnet.frozenStages;
  return options;
}

class Stem final : public Layer {
 public:
  Stem(ParameterStore& store, const ResNetOptions& options)
      : conv_(store, withNorm(options, 0, "backbone.conv1", "backbone.bn1", 3, 64,
                              {.kernel = 7, .stride = 2, .padding = 3}, true)) {}

  Tensors forward(const Tensors& inputs, Mode mode) override {
    return {at::max_pool2d(conv_.forward(inputs[0], mode), {3, 3}, {2, 2}, {1, 1})};
  }
  std::vector<Parameter*> parameters() const override { return conv_.parameters(); }
  bool updatesStatistics() const override { return conv_.updatesStatistics(); }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    return conv_.multiplyAdds(shapes);
  }

 private:
  ConvUnit conv_;
};

/// relu(convs(x) + shortcut(x)): two 3×3 convolutions (basic) or 1×1, 3×3, 1×1 (bottleneck).
class ResidualBlock final : public Layer {
 public:
  ResidualBlock(ParameterStore& store, const ResNetOptions& options, int64_t stage, const std::string& prefix,
                int64_t in, int64_t planes, int64_t stride, bool bottleneck) {
    const int64_t out = bottleneck ? 4 * planes : planes;
    const auto conv = [&](int number, int64_t from, int64_t to, ConvGeometry geometry, bool last) {
      const std::string digit = std::to_string(number);
      ConvOptions unit = withNorm(options, stage, prefix + ".conv" + digit, prefix + ".bn" + digit, from, to,
                                  geometry, true);
      if (last && options.zeroInitResidual) unit.initialNormWeight = 0;
      convs_.push_back(std::make_unique<ConvUnit>(store, unit));
    };
    if (bottleneck) {
      const int64_t first = options.strideOnFirst ? stride : 1;
      conv(1, in, planes, {.stride = first}, false);
      conv(2, planes, planes, {.kernel = 3, .stride = stride / first, .padding = 1}, false);
      conv(3, planes, out, {}, true);
    } else {
      conv(1, in, planes, {.kernel = 3, .stride = stride, .padding = 1}, false);
      conv(2, planes, out, {.kernel = 3, .padding = 1}, true);
    }
    if (stride != 1 || in != out) {
      shortcut_ = std::make_unique<ConvUnit>(
          store, withNorm(options, stage, prefix + ".downsample.0", prefix + ".downsample.1", in, out,
                          {.stride = stride}, false));
    }
  }

  Tensors forward(const Tensors& inputs, Mode mode) override {
    const Tensor shortcut = shortcut_ ? shortcut_->forward(inputs[0], mode) : inputs[0];
    Tensor x = inputs[0];
    for (size_t i = 0; i + 1 < convs_.size(); ++i) x = convs_[i]->forward(x, mode);
    return {convs_.back()->forward(x, mode, shortcut)};
  }

  std::vector<Parameter*> parameters() const override {
    std::vector<Parameter*> all;
    for (const ConvUnit* unit : units()) {
      for (Parameter* parameter : unit->parameters()) all.push_back(parameter);
    }
    return all;
  }
  bool updatesStatistics() const override { return convs_[0]->updatesStatistics(); }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    int64_t total = shortcut_ ? shortcut_->multiplyAdds(shapes) : 0;
    std::vector<int64_t> shape = shapes[0];
    for (const auto& conv : convs_) {
      total += conv->multiplyAdds({shape});
      shape = conv->outputShape(shape);
    }
    return total;
  }

 private:
  std::vector<const ConvUnit*> units() const {
    std::vector<const ConvUnit*> all;
    for (const auto& conv : convs_) all.push_back(conv.get());
    if (shortcut_) all.push_back(shortcut_.get());
    return all;
  }

  std::vector<std::unique_ptr<ConvUnit>> convs_;
  std::unique_ptr<ConvUnit> shortcut_;
};

Features resnet(Graph& graph, const std::string& input, const Value& model, const std::array<int, 4>& blocks,
                bool bottleneck) {
  const ResNetOptions options = optionsFrom(model);
  ParameterStore& store = graph.parameters();
  graph.add({"backbone.stem"}, std::make_unique<Stem>(store, options), {input},
            {"after ReLU and max pooling"});
  Features features;
  std::string tap = "backbone.stem";
  int64_t channels = 64;
  for (int64_t stage = 1; stage <= 4; ++stage) {
    const std::string layer = "backbone.layer" + std::to_string(stage);
    const int64_t planes = int64_t{32} << stage;
    for (int block = 0; block < blocks[static_cast<size_t>(stage - 1)]; ++block) {
      const std::string name = layer + "." + std::to_string(block);
      graph.add({name},
                std::make_unique<ResidualBlock>(store, options, stage, name, channels, planes,
                                                stage > 1 && block == 0 ? 2 : 1, bottleneck),
                {tap}, {"after the residual sum and ReLU"});
      channels = bottleneck ? 4 * planes : planes;
      tap = name;
    }
    graph.alias(layer, tap);
    features.taps.push_back(layer);
    features.channels.push_back(channels);
    features.strides.push_back(int64_t{2} << stage);
  }
  return features;
}

BackboneFactory depth(std::array<int, 4> blocks, bool bottleneck) {
  return [=](Graph& graph, const std::string& input, const Value& model) {
    return resnet(graph, input, model, blocks, bottleneck);
  };
}

HD_REGISTER_BACKBONE(resnet18, "resnet18", depth({2, 2, 2, 2}, false));
HD_REGISTER_BACKBONE(resnet34, "resnet34", depth({3, 4, 6, 3}, false));
HD_REGISTER_BACKBONE(resnet50, "resnet50", depth({3, 4, 6, 3}, true));
HD_REGISTER_BACKBONE(resnet101, "resnet101", depth({3, 4, 23, 3}, true));
HD_REGISTER_BACKBONE(resnet152, "resnet152", depth({3, 8, 36, 3}, true));

}  // namespace
}  // namespace hd::nn
