#include "nn/heads/gfl_head.h"

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

}  // namespace

void addGflHead(Graph& graph, const Features& levels, const GflHeadOptions& options) {
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
      unit.norm = concat("bbox_head.", name, ".", i, ".gn");
      unit.normKind = Norm::group;
      unit.relu = true;
      const auto outputs = named(concat("head.", name, ".", i));
      graph.add(outputs, std::make_unique<ConvUnit>(store, unit), inputs, {"after group norm and ReLU"});
      inputs = outputs;
    }
    return inputs;
  };
  const auto clsFeatures = tower("cls_convs"), regFeatures = tower("reg_convs");

  ConvOptions cls = headConv("bbox_head.gfl_cls", options.channels, options.classes);
  cls.bias = true;
  cls.initialBias = -std::log((1 - initialProbability) / initialProbability);
  graph.add(named("head.cls"), std::make_unique<Predictor>(store, cls), clsFeatures,
            {"class logits before the sigmoid"});

  ConvOptions reg = headConv("bbox_head.gfl_reg", options.channels, 4 * (options.regMax + 1));
  reg.bias = true;
  auto distributions = std::make_unique<Predictor>(store, reg);
  for (size_t l = 0; l < levels.taps.size(); ++l) {
    distributions->addScale(
        store.parameter(concat("bbox_head.scales.", l, ".scale"), {}, constant(initialScale)));
  }
  graph.add(
      named("head.reg"), std::move(distributions), regFeatures,
      {"logits of the four side distributions before the softmax, side-major, times the level's scale"});
  store.buffer("bbox_head.integral.project",
               at::linspace(0, static_cast<double>(options.regMax), options.regMax + 1));
}

}  // namespace hd::nn
