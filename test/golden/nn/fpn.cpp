// Pyramids: torchvision's FeaturePyramidNetwork alone and on ResNets.
#include "nn/necks/fpn.h"

#include <ATen/ATen.h>

#include "network.h"

namespace {

using golden::Checker;
using golden::checkTensor;
using golden::Graph;
using golden::Mode;
using hd::Value;
using hd::nn::ExtraLevels;

/// "neck.lateral_convs.0.conv.weight" → "inner_blocks.0.0.weight"; outputs beyond `inner` levels are p6, p7.
std::string pyramidName(const std::string& name, size_t inner) {
  const size_t number = name.find("convs.") + 6, end = name.find('.', number);
  const std::string index = name.substr(number, end - number), member = name.substr(name.rfind('.'));
  if (name.find("lateral") != std::string::npos) return "inner_blocks." + index + ".0" + member;
  const size_t level = std::stoul(index);
  if (level < inner) return "layer_blocks." + index + ".0" + member;
  return "extra_blocks.p" + std::to_string(6 + level - inner) + member;
}

std::string detectionName(const std::string& name) {
  if (name.rfind("backbone.", 0) == 0) return "body." + name.substr(9);
  return "fpn." + pyramidName(name, 4);
}

GOLDEN("backbones/fpn", file, check) {
  const auto channels = file.numbers("in_channels");
  for (const Value& c : file.at("cases").asArray()) {
    const std::string extra = c.at("extra_blocks").asString();
    Graph graph(1);
    hd::nn::Features features;
    hd::nn::Tensors feed;
    for (size_t i = 0; i < channels.size(); ++i) {
      features.taps.push_back(hd::concat("c", i));
      features.channels.push_back(static_cast<int64_t>(channels[i]));
      features.strides.push_back(int64_t{4} << i);
      feed.push_back(golden::tensorOf(file.at("inputs").at(hd::concat("feat", i))));
    }
    graph.add(features.taps, std::make_unique<golden::Feed>(feed), {});
    hd::nn::FpnOptions options;
    options.startLevel = 0;
    options.channels = golden::shapeOf(c.at("outputs").at("c0"))[1];
    options.levels = c.at("outputs").asObject().size();
    options.extra = extra.find("MaxPool") != std::string::npos ? ExtraLevels::maxPool
                    : extra.find("on C") != std::string::npos  ? ExtraLevels::onInput
                                                               : ExtraLevels::onOutput;
    options.reluBeforeExtra = true;
    const auto levels = hd::nn::addFpn(graph, features, options);
    const auto rename = [&](const std::string& name) { return pyramidName(name, channels.size()); };
    golden::fillByFormula(graph, file.at("formula"), rename);
    golden::checkStateDict(check, graph, c.at("state_dict"), rename, true);
    for (const Mode mode : {Mode::train, Mode::plan}) {
      const auto outputs = graph.run(torch::zeros({1}), levels.taps, mode);
      size_t i = 0;
      for (const auto& [name, expected] : c.at("outputs").asObject()) {
        checkTensor(check, outputs[i++], expected, file.at("tolerance"), extra + " " + name);
      }
    }
  }
}

std::unique_ptr<Graph> detectionBackbone(const std::string& name, int64_t frozenStages,
                                         std::vector<std::string>& taps) {
  auto graph = std::make_unique<Graph>(1);
  const auto features = hd::nn::backboneRegistry().get(name)(
      *graph, "image", Value::Object{{"norm", "frozen"}, {"frozenStages", frozenStages}});
  hd::nn::FpnOptions options;
  options.startLevel = 0;
  options.extra = ExtraLevels::maxPool;
  taps = hd::nn::addFpn(*graph, features, options).taps;
  return graph;
}

/// Convolutions of the body that stay fixed; batch norms are no parameters in the original.
std::vector<std::string> frozenWeights(Graph& graph) {
  std::vector<std::string> names;
  for (const auto& parameter : graph.parameters().all()) {
    if (!parameter.trainable && parameter.master.dim() == 4) names.push_back(detectionName(parameter.name));
  }
  return names;
}

void checkDetectionBackbone(const Value& file, Checker& check) {
  const Value& tolerance = file.at("tolerance");
  const std::string name = file.at("config").at("backbone_name").asString();
  const int64_t usual = 4 - file.at("config").at("trainable_layers").asInt();
  const auto images = golden::tensorOf(file.at("inputs").at("images"));
  for (const Value& c : file.at("cases").asArray()) {
    const std::string kind = c.at("case").asString();
    std::vector<std::string> taps;
    if (kind == "frozen set") {
      auto graph = detectionBackbone(name, 4 - c.at("trainable_layers").asInt(), taps);
      const auto frozen = frozenWeights(*graph);
      check.equal(static_cast<int64_t>(frozen.size()), c.at("frozen_tensors").asInt(), kind);
      if (!c.at("last_frozen").isNull()) {
        // The original orders a block's shortcut last, and so does the store.
        check.equal(frozen.empty() ? "" : frozen.back(), c.at("last_frozen").asString(), kind);
      }
      continue;
    }
    auto graph = detectionBackbone(name, usual, taps);
    golden::fillByFormula(*graph, file.at("formula"), detectionName);
    if (kind == "eval") {
      golden::checkStateDict(check, *graph, file.at("state_dict"), detectionName, false);
      check.equal(golden::countElements(*graph, [](const auto& p) { return !p.buffer && !p.isNorm; }),
                  c.at("parameters").asInt(), "parameters");
      check.equal(golden::countElements(*graph, [](const auto& p) { return !golden::isCounter(p.name); }),
                  c.at("state_dict_elements").asInt(), "elements");
      for (const Mode mode : {Mode::train, Mode::plan}) {
        const auto outputs = graph->run(images, taps, mode);
        size_t i = 0;
        for (const auto& [level, expected] : c.at("outputs").asObject()) {
          checkTensor(check, outputs[i++], expected, tolerance.at("l2, mean, values"), "level " + level);
        }
      }
      continue;
    }
    const auto outputs = graph->run(images, taps, Mode::train);
    torch::Tensor total = torch::zeros({});
    const std::vector<std::string> levels = {"0", "1", "2", "3", "pool"};
    for (size_t i = 0; i < levels.size(); ++i) {
      total = total + (outputs[i] * golden::tensorOf(file.at("inputs").at("grad_" + levels[i]))).sum();
    }
    total.backward();
    int64_t trainable = 0;
    for (const auto& parameter : graph->parameters().all()) trainable += parameter.trainable;
    check.equal(trainable, c.at("trainable_count").asInt(), "trainable parameters");
    check.equal(frozenWeights(*graph), c.strings("frozen_parameters"), "frozen parameters");
    golden::checkGradients(check, *graph, c.at("gradients"), tolerance.at("gradients"), detectionName);
  }
}

GOLDEN("backbones/resnet18_fpn", file, check) {
  checkDetectionBackbone(file, check);
}
GOLDEN("backbones/resnet50_fpn", file, check) {
  checkDetectionBackbone(file, check);
}

}  // namespace
