// mmdet's ResNet, ResNeXt and Res2Net (frozen_stages 1, norm_eval) and FPN variants.
#include <ATen/ATen.h>

#include "network.h"
#include "nn/necks/fpn.h"

namespace {

using golden::Checker;
using golden::checkTensor;
using golden::Graph;
using golden::Mode;
using hd::Value;

std::string withoutPart(const std::string& name) {
  return name.substr(name.find('.') + 1);
}

void checkBackbone(const Value& file, const Value& c, Checker& check) {
  const std::string model = c.at("model").asString(), name = model.substr(0, model.find(' '));
  const bool caffe = model.find("caffe") != std::string::npos;
  Graph graph(1);
  const auto features = hd::nn::backboneRegistry().get(name)(
      graph, "image",
      Value::Object{{"norm", "eval"}, {"frozenStages", 1}, {"style", caffe ? "caffe" : "pytorch"}});
  check.equal(golden::countElements(graph, [](const auto& p) { return !p.buffer; }),
              c.at("parameters").asInt(), model + " parameters");
  check.equal(static_cast<int64_t>(graph.parameters().all().size()), c.at("state_dict_entries").asInt(),
              model + " entries");
  if (c.find("outputs") == nullptr) return;
  golden::checkStateDict(check, graph, c.at("first_keys"), withoutPart, true, /*mayBeLonger=*/true);
  golden::fillByFormula(graph, c.at("formula"), withoutPart);
  int64_t fixed = 0;
  for (const auto& parameter : graph.parameters().all()) fixed += !parameter.buffer && !parameter.trainable;
  check.equal(fixed, c.at("parameters_without_gradient").asInt(), model + " parameters without gradient");
  const auto images = golden::tensorOf(file.at("inputs").at("images"));
  for (const Mode mode : {Mode::train, Mode::plan}) {
    const auto outputs = graph.run(images, features.taps, mode);
    for (size_t i = 0; i < outputs.size(); ++i) {
      checkTensor(check, outputs[i], c.at("outputs").asArray()[i], file.at("tolerance"),
                  hd::concat(model, " layer", i + 1));
    }
  }
  int64_t moved = 0;
  for (const auto& parameter : graph.parameters().all()) {
    if (golden::isCounter(parameter.name)) moved += parameter.master.item<int64_t>();
  }
  check.equal(moved, c.at("batch_norms_in_train_mode_after_train()").asInt(), model + " norms in train mode");
}

void checkPyramid(const Value& file, const Value& c, Checker& check) {
  Graph graph(1);
  hd::nn::Features features;
  hd::nn::Tensors feed;
  for (const std::string& input : c.strings("inputs")) {
    feed.push_back(golden::tensorOf(file.at("inputs").at(input)));
    features.taps.push_back(input);
    features.channels.push_back(feed.back().size(1));
    features.strides.push_back(int64_t{2} << features.taps.size());
  }
  graph.add(features.taps, std::make_unique<golden::Feed>(feed), {});
  hd::nn::FpnOptions options;
  options.channels = c.at("out_channels").asInt();
  options.startLevel = static_cast<size_t>(c.at("start_level").asInt());
  options.levels = static_cast<size_t>(c.at("num_outs").asInt());
  const Value& extra = c.at("add_extra_convs");
  options.extra = hd::nn::extraLevelsFrom(extra.isString() ? extra.asString() : "max_pool");
  options.reluBeforeExtra = c.at("relu_before_extra_convs").asBool();
  const auto levels = hd::nn::addFpn(graph, features, options);
  std::vector<std::string> names;
  for (const auto& parameter : graph.parameters().all()) names.push_back(withoutPart(parameter.name));
  check.equal(names, c.strings("keys"), "keys");
  golden::fillByFormula(graph, c.at("formula"), withoutPart);
  for (const Mode mode : {Mode::train, Mode::plan}) {
    const auto outputs = graph.run(torch::zeros({1}), levels.taps, mode);
    for (size_t i = 0; i < outputs.size(); ++i) {
      checkTensor(check, outputs[i], c.at("outputs").asArray()[i], file.at("tolerance"),
                  hd::concat("FPN ", hd::printJson(extra), " ", levels.taps[i]));
    }
  }
}

GOLDEN("ld/backbones", file, check) {
  for (const Value& c : file.at("cases").asArray()) {
    const std::string model = c.at("model").asString();
    if (model == "FPN") {
      checkPyramid(file, c, check);
    } else {
      checkBackbone(file, c, check);
    }
  }
}

}  // namespace
