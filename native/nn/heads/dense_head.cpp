#include "nn/heads/dense_head.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "nn/layers/conv.h"

namespace hd::nn {
namespace {

constexpr double initialDeviation = 0.01, initialProbability = 0.01, initialScale = 1;

/// Losses and decoding read fp32 (or fp64), whatever the network computes in.
Tensor asLogits(const Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x;
}

ConvOptions headConv(const std::string& name, int64_t in, int64_t out) {
  ConvOptions options;
  options.conv = name;
  options.in = in;
  options.out = out;
  options.geometry = {.kernel = 3, .padding = 1};
  options.initial = normal(0, initialDeviation);
  return options;
}

/// A convolution to logits, all levels; with scales, each level's result times its own learned scalar.
class Predictor final : public Layer {
 public:
  Predictor(ParameterStore& store, const ConvOptions& options) : conv_(store, options) {}
  void addScale(Parameter& scale) { scales_.push_back(&scale); }

  Tensors forward(const Tensors& levels, Mode mode) override {
    Tensors out = conv_.forward(levels, mode);
    for (size_t l = 0; l < out.size(); ++l) {
      out[l] = asLogits(out[l]);
      if (scales_.empty()) continue;
      const Tensor& scale = scales_[l]->working;
      out[l] = out[l] * asLogits(mode == Mode::train ? scale : scale.detach());
    }
    return out;
  }
  std::vector<Parameter*> parameters() const override {
    std::vector<Parameter*> all = conv_.parameters();
    all.insert(all.end(), scales_.begin(), scales_.end());
    return all;
  }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    return conv_.multiplyAdds(shapes);
  }

 private:
  ConvUnit conv_;
  std::vector<Parameter*> scales_;
};

/// Maps of all levels → their qualities.
class QualityLayer final : public Layer {
 public:
  QualityLayer(ParameterStore& store, int64_t statistics) {
    constexpr int64_t hidden = 64;
    const auto conv = [&](const std::string& name, int64_t in, int64_t out) {
      parameters_.push_back(&store.parameter(name + ".weight", {out, in, 1, 1}, normal(0, initialDeviation)));
      parameters_.push_back(&store.parameter(name + ".bias", {out}, constant(0)));
      parameters_.back()->isBias = true;
    };
    conv("bbox_head.reg_conf.0", statistics, hidden);
    conv("bbox_head.reg_conf.2", hidden, 1);
  }

  Tensors forward(const Tensors& levels, Mode mode) override {
    std::vector<Tensor> weights;
    for (const Parameter* parameter : parameters_) {
      const Tensor weight = asLogits(parameter->working);
      weights.push_back(mode == Mode::train ? weight : weight.detach());
    }
    Tensors out;
    for (const Tensor& reg : levels)
      out.push_back(distributionQuality(reg, weights[0], weights[1], weights[2], weights[3]));
    return out;
  }
  std::vector<Parameter*> parameters() const override { return parameters_; }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& shapes) const override {
    int64_t weights = 0, cells = 0;
    for (const Parameter* parameter : parameters_)
      weights += parameter->isBias ? 0 : parameter->master.numel();
    for (const auto& shape : shapes) cells += shape[0] * shape[2] * shape[3];
    return weights * cells;
  }

 private:
  std::vector<Parameter*> parameters_;
};

/// Class logits of all levels, then qualities → σ(logits) · quality.
class ScoreLayer final : public Layer {
 public:
  Tensors forward(const Tensors& inputs, Mode) override {
    const size_t levels = inputs.size() / 2;
    Tensors out;
    for (size_t l = 0; l < levels; ++l) out.push_back(inputs[l].sigmoid() * inputs[levels + l]);
    return out;
  }
  std::vector<Parameter*> parameters() const override { return {}; }
};

}  // namespace

Tensor distributionQuality(const Tensor& reg, const Tensor& firstWeight, const Tensor& firstBias,
                           const Tensor& secondWeight, const Tensor& secondBias) {
  constexpr int64_t largest = 4;
  const int64_t images = reg.size(0), height = reg.size(2), width = reg.size(3);
  const Tensor probabilities =
      reg.permute({0, 2, 3, 1}).reshape({images * height * width, 4, reg.size(1) / 4}).softmax(2);
  const Tensor top = std::get<0>(probabilities.topk(largest, 2));
  const Tensor statistics = at::cat({top, top.mean(2, true)}, 2).flatten(1);
  const Tensor hidden = at::linear(statistics, firstWeight.flatten(1), firstBias).relu();
  return at::linear(hidden, secondWeight.flatten(1), secondBias)
      .sigmoid()
      .reshape({images, height, width, 1})
      .permute({0, 3, 1, 2});
}

void addDenseHead(Graph& graph, const Features& levels, const DenseHeadOptions& options) {
  ParameterStore& store = graph.parameters();
  std::vector<std::string> suffixes;
  for (const std::string& tap : levels.taps)
    suffixes.push_back(tap.substr(tap.rfind('.')));  // neck.p3: logits carry ".p3"
  const auto named = [&](const std::string& name) {
    std::vector<std::string> taps;
    for (const std::string& suffix : suffixes) taps.push_back(name + suffix);
    return taps;
  };
  const auto tower = [&](const std::string& name) {
    std::vector<std::string> inputs = levels.taps;
    for (int64_t i = 0; i < options.convs; ++i) {
      ConvOptions unit = headConv(concat("bbox_head.", name, ".", i, ".conv"),
                                  i == 0 ? levels.channels[0] : options.channels, options.channels);
      if (options.groupNorm) {
        unit.norm = concat("bbox_head.", name, ".", i, ".gn");
        unit.normKind = Norm::group;
      }
      unit.bias = options.towerBias;
      unit.relu = true;
      const auto outputs = named(concat("head.", name, ".", i));
      graph.add(outputs, std::make_unique<ConvUnit>(store, unit), inputs,
                {options.groupNorm ? "after group norm and ReLU" : "after ReLU"});
      inputs = outputs;
    }
    return inputs;
  };
  const auto clsFeatures = tower("cls_convs"), regFeatures = tower("reg_convs");

  ConvOptions cls = headConv("bbox_head." + options.cls, options.channels, options.anchors * options.classes);
  cls.bias = true;
  cls.initialBias = -std::log((1 - initialProbability) / initialProbability);
  graph.add(named("head.cls"), std::make_unique<Predictor>(store, cls), clsFeatures,
            {"class logits before the sigmoid"});

  ConvOptions reg =
      headConv("bbox_head." + options.reg, options.channels, options.anchors * 4 * (options.regMax + 1));
  reg.bias = true;
  auto distributions = std::make_unique<Predictor>(store, reg);
  for (size_t l = 0; l < levels.taps.size() && options.scales; ++l) {
    distributions->addScale(
        store.parameter(concat("bbox_head.scales.", l, ".scale"), {}, constant(initialScale)));
  }
  graph.add(
      named("head.reg"), std::move(distributions), regFeatures,
      {"logits of the four side distributions before the softmax, side-major, times the level's scale"});
  if (!options.centerness.empty()) {
    ConvOptions centre = headConv("bbox_head." + options.centerness, options.channels, options.anchors);
    centre.bias = true;
    graph.add(named("head.centerness"), std::make_unique<Predictor>(store, centre), regFeatures,
              {"logits of how central a point is in its box"});
  }
  if (options.quality) {
    constexpr int64_t statisticsPerSide = 5;
    const auto sides = named("head.reg"), quality = named("head.quality");
    graph.add(quality, std::make_unique<QualityLayer>(store, 4 * statisticsPerSide), sides,
              {"estimated quality of the box, 0-1"});
    auto both = named("head.cls");
    both.insert(both.end(), quality.begin(), quality.end());
    graph.add(named("head.score"), std::make_unique<ScoreLayer>(), both, {"class scores times quality, 0-1"});
  }
  store.buffer("bbox_head.integral.project",
               at::linspace(0, static_cast<double>(options.regMax), options.regMax + 1));
}

}  // namespace hd::nn
