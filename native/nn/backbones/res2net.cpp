// Res2Net v1d, 26w 4s (Gao et al. 2019, arXiv 1904.01169; v1d: He et al. 2019, arXiv 1812.01187, a stem of
// three 3×3 convolutions and average pooling before the shortcut's 1×1), with the parameter names of mmdet.
#include <ATen/ATen.h>

#include <algorithm>

#include "nn/backbones/residual.h"

namespace hd::nn {
namespace {

constexpr int64_t scales = 4, baseWidth = 26;

class DeepStem final : public Layer {
 public:
  DeepStem(ParameterStore& store, const ResidualOptions& options) {
    const auto conv = [&](int position, int64_t in, int64_t out, int64_t stride) {
      convs_.push_back(
          &units_.add(store, options.unit(0, "backbone.stem." + std::to_string(position),
                                          "backbone.stem." + std::to_string(position + 1), in, out,
                                          {.kernel = 3, .stride = stride, .padding = 1}, true)));
    };
    conv(0, 3, 32, 2);
    conv(3, 32, 32, 1);
    conv(6, 32, 64, 1);
  }

  Tensors forward(const Tensors& inputs, Mode mode) override {
    Tensor x = inputs[0];
    for (ConvUnit* conv : convs_) x = conv->forward(x, mode);
    return {at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1})};
  }
  std::vector<Parameter*> parameters() const override { return units_.parameters(); }
  bool updatesStatistics() const override { return units_.updateStatistics(); }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    int64_t total = 0;
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
};

/// A bottleneck whose middle is a chain: of the four splits of the channels each of the first three goes
/// through a 3×3 convolution of its own, together with what the one before gave (not in the first block of a
/// stage); the last is passed on, or pooled where the block strides.
class Res2Block final : public Layer {
 public:
  Res2Block(ParameterStore& store, const ResidualOptions& options, const BlockPlace& place)
      : stride_(place.stride), first_(place.first) {
    width_ = place.planes * baseWidth / 64;
    const int64_t out = 4 * place.planes;
    const auto unit = [&](const std::string& conv, const std::string& norm, int64_t from, int64_t to,
                          ConvGeometry geometry, bool relu) {
      return options.unit(place.stage, place.name + conv, place.name + norm, from, to, geometry, relu);
    };
    reduce_ = &units_.add(store, unit(".conv1", ".bn1", place.in, width_ * scales, {}, true));
    ConvOptions expand = unit(".conv3", ".bn3", width_ * scales, out, {}, true);
    if (options.zeroInitResidual) expand.initialNormWeight = 0;
    expand_ = &units_.add(store, expand);
    if (place.stride != 1 || place.in != out)
      shortcut_ = &units_.add(store, unit(".downsample.1", ".downsample.2", place.in, out, {}, false));
    for (int64_t scale = 0; scale + 1 < scales; ++scale) {
      const std::string index = "." + std::to_string(scale);
      ConvOptions middle = unit(".convs" + index, ".bns" + index, width_, width_,
                                {.kernel = 3, .stride = stride_, .padding = 1}, true);
      middle.deformable = options.deformable[static_cast<size_t>(place.stage)];
      middle_.push_back(&units_.add(store, middle));
    }
  }

  Tensors forward(const Tensors& inputs, Mode mode) override {
    const auto splits = reduce_->forward(inputs[0], mode).split(width_, 1);
    Tensors parts;
    for (size_t scale = 0; scale < middle_.size(); ++scale) {
      const Tensor x = scale == 0 || first_ ? splits[scale] : parts.back() + splits[scale];
      parts.push_back(middle_[scale]->forward(x.contiguous(at::MemoryFormat::ChannelsLast), mode));
    }
    parts.push_back(stride_ == 1 ? splits.back()
                                 : at::avg_pool2d(splits.back(), {3, 3}, {stride_, stride_}, {1, 1}));
    Tensor shortcut = inputs[0];
    if (shortcut_ != nullptr) {
      if (stride_ != 1) {
        shortcut = at::avg_pool2d(shortcut, {stride_, stride_}, {stride_, stride_}, {0, 0},
                                  /*ceil_mode=*/true, /*count_include_pad=*/false);
      }
      shortcut = shortcut_->forward(shortcut, mode);
    }
    return {expand_->forward(at::cat(parts, 1), mode, shortcut)};
  }
  std::vector<Parameter*> parameters() const override { return units_.parameters(); }
  bool updatesStatistics() const override { return units_.updateStatistics(); }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    std::vector<int64_t> split = reduce_->outputShape(shapes[0]);
    split[1] = width_;
    std::vector<int64_t> joined = middle_[0]->outputShape(split);
    joined[1] = width_ * scales;
    int64_t total = reduce_->multiplyAdds({shapes[0]}) + expand_->multiplyAdds({joined});
    for (const ConvUnit* conv : middle_) total += conv->multiplyAdds({split});
    if (shortcut_ != nullptr)
      total += shortcut_->multiplyAdds({{joined[0], shapes[0][1], joined[2], joined[3]}});
    return total;
  }

 private:
  int64_t stride_, width_ = 0;
  bool first_;
  UnitList units_;
  ConvUnit *reduce_ = nullptr, *expand_ = nullptr, *shortcut_ = nullptr;
  std::vector<ConvUnit*> middle_;
};

BackboneFactory depth(std::array<int, 4> blocks) {
  return [=](Graph& graph, const std::string& input, const Value& model) {
    const auto options = ResidualOptions::from(model);
    ParameterStore& store = graph.parameters();
    graph.add({"backbone.stem"}, std::make_unique<DeepStem>(store, options), {input},
              {"after ReLU and max pooling"});
    return addStages(graph, "backbone.stem", 64, blocks, 4, [&](const BlockPlace& place) {
      return std::make_unique<Res2Block>(store, options, place);
    });
  };
}

HD_REGISTER_BACKBONE(res2net50, "res2net50_26w_4s", depth({3, 4, 6, 3}));
HD_REGISTER_BACKBONE(res2net101, "res2net101_26w_4s", depth({3, 4, 23, 3}));

}  // namespace
}  // namespace hd::nn
