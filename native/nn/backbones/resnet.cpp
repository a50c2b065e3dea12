// ResNet (He et al. 2015, arXiv 1512.03385) and ResNeXt (Xie et al. 2017, arXiv 1611.05431: grouped 3×3
// convolutions), with the parameter names of torchvision and mmdet.
#include <ATen/ATen.h>

#include "nn/backbones/residual.h"

namespace hd::nn {
namespace {

/// Width of a bottleneck's 3×3 convolution: floor(planes · base / 64) · groups.
struct Cardinality {
  int64_t groups = 1, base = 64;
};

class Stem final : public Layer {
 public:
  Stem(ParameterStore& store, const ResidualOptions& options)
      : conv_(store, options.unit(0, "backbone.conv1", "backbone.bn1", 3, 64,
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
  ResidualBlock(ParameterStore& store, const ResidualOptions& options, const BlockPlace& place,
                bool bottleneck, Cardinality cardinality) {
    const int64_t out = bottleneck ? 4 * place.planes : place.planes, stride = place.stride;
    const auto conv = [&](int number, int64_t from, int64_t to, ConvGeometry geometry, bool last) {
      const std::string digit = std::to_string(number);
      ConvOptions unit = options.unit(place.stage, place.name + ".conv" + digit, place.name + ".bn" + digit,
                                      from, to, geometry, true);
      if (last && options.zeroInitResidual) unit.initialNormWeight = 0;
      if (bottleneck && number == 2) unit.deformable = options.deformable[static_cast<size_t>(place.stage)];
      convs_.push_back(&units_.add(store, unit));
    };
    if (bottleneck) {
      const int64_t first = options.strideOnFirst ? stride : 1;
      const int64_t width = place.planes * cardinality.base / 64 * cardinality.groups;
      conv(1, place.in, width, {.stride = first}, false);
      conv(2, width, width,
           {.kernel = 3, .stride = stride / first, .padding = 1, .groups = cardinality.groups}, false);
      conv(3, width, out, {}, true);
    } else {
      conv(1, place.in, place.planes, {.kernel = 3, .stride = stride, .padding = 1}, false);
      conv(2, place.planes, out, {.kernel = 3, .padding = 1}, true);
    }
    if (stride != 1 || place.in != out) {
      shortcut_ = &units_.add(
          store, options.unit(place.stage, place.name + ".downsample.0", place.name + ".downsample.1",
                              place.in, out, {.stride = stride}, false));
    }
  }

  Tensors forward(const Tensors& inputs, Mode mode) override {
    const Tensor shortcut = shortcut_ != nullptr ? shortcut_->forward(inputs[0], mode) : inputs[0];
    Tensor x = inputs[0];
    for (size_t i = 0; i + 1 < convs_.size(); ++i) x = convs_[i]->forward(x, mode);
    return {convs_.back()->forward(x, mode, shortcut)};
  }

  std::vector<Parameter*> parameters() const override { return units_.parameters(); }
  bool updatesStatistics() const override { return units_.updateStatistics(); }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    int64_t total = shortcut_ != nullptr ? shortcut_->multiplyAdds(shapes) : 0;
    std::vector<int64_t> shape = shapes[0];
    for (const ConvUnit* conv : convs_) {
      total += conv->multiplyAdds({shape});
      shape = conv->outputShape(shape);
    }
    return total;
  }

 private:
  UnitList units_;
  std::vector<ConvUnit*> convs_;
  ConvUnit* shortcut_ = nullptr;
};

BackboneFactory depth(std::array<int, 4> blocks, bool bottleneck, Cardinality cardinality = {}) {
  return [=](Graph& graph, const std::string& input, const Value& model) {
    const auto options = ResidualOptions::from(model);
    ParameterStore& store = graph.parameters();
    graph.add({"backbone.stem"}, std::make_unique<Stem>(store, options), {input},
              {"after ReLU and max pooling"});
    return addStages(graph, "backbone.stem", 64, blocks, bottleneck ? 4 : 1, [&](const BlockPlace& place) {
      return std::make_unique<ResidualBlock>(store, options, place, bottleneck, cardinality);
    });
  };
}

HD_REGISTER_BACKBONE(resnet18, "resnet18", depth({2, 2, 2, 2}, false));
HD_REGISTER_BACKBONE(resnet34, "resnet34", depth({3, 4, 6, 3}, false));
HD_REGISTER_BACKBONE(resnet50, "resnet50", depth({3, 4, 6, 3}, true));
HD_REGISTER_BACKBONE(resnet101, "resnet101", depth({3, 4, 23, 3}, true));
HD_REGISTER_BACKBONE(resnet152, "resnet152", depth({3, 8, 36, 3}, true));
HD_REGISTER_BACKBONE(resnext50, "resnext50_32x4d", depth({3, 4, 6, 3}, true, {32, 4}));
HD_REGISTER_BACKBONE(resnext101, "resnext101_32x4d", depth({3, 4, 23, 3}, true, {32, 4}));
HD_REGISTER_BACKBONE(resnext101_64, "resnext101_64x4d", depth({3, 4, 23, 3}, true, {64, 4}));

}  // namespace
}  // namespace hd::nn
