// torchvision's ResNets: stage outputs with both batch norms, one training step, the state_dict.
#include <ATen/ATen.h>

#include "network.h"

namespace {

using golden::Checker;
using golden::checkTensor;
using golden::Graph;
using golden::Mode;
using hd::Value;

std::string original(const std::string& name) {
  return name.substr(std::string("backbone.").size());
}

struct Classifier {
  torch::Tensor weight = torch::zeros({1000, 512}), bias = torch::zeros({1000});
};

std::unique_ptr<Graph> build(const std::string& backbone, const std::string& norm, const Value& formula) {
  auto graph = std::make_unique<Graph>(1);
  hd::nn::backboneRegistry().get(backbone)(*graph, "image",
                                           Value::Object{{"norm", norm}, {"frozenStages", -1}});
  golden::fillByFormula(*graph, formula, original);
  return graph;
}

const std::vector<std::string> stages = {"backbone.stem", "backbone.layer1", "backbone.layer2",
                                         "backbone.layer3", "backbone.layer4"};

void checkNetwork(const std::string& backbone, const Value& file, Checker& check) {
  const Value& tolerance = file.at("tolerance");
  const auto images = golden::tensorOf(file.at("inputs").at("images"));
  for (const Value& c : file.at("cases").asArray()) {
    const std::string kind = c.at("case").asString();
    const bool frozen = kind.find("Frozen") != std::string::npos,
               training = kind.find("train") != std::string::npos;
    auto graph = build(backbone, training ? "train" : frozen ? "frozen" : "eval", file.at("formula"));
    const auto& entries = file.at("state_dict").asArray();
    Classifier fc;
    std::vector<int64_t> shape;
    for (const Value& side : entries[entries.size() - 2].asArray()[1].asArray())
      shape.push_back(side.asInt());
    fc.weight = torch::zeros(shape);
    golden::fillParameter(fc.weight, "fc.weight", file.at("formula"));
    golden::fillParameter(fc.bias, "fc.bias", file.at("formula"));
    const Value body(Value::Array(entries.begin(), entries.end() - 2));
    golden::checkStateDict(check, *graph, body, original, true);

    if (training) {
      fc.weight.set_requires_grad(true);
      fc.bias.set_requires_grad(true);
      const auto out = graph->run(images, {"backbone.layer4"}, Mode::train)[0];
      const auto scores = at::linear(out.mean({2, 3}), fc.weight, fc.bias);
      checkTensor(check, scores, c.at("output"), tolerance.at("l2, mean, values"), kind + " output");
      scores.backward(golden::tensorOf(file.at("inputs").at(c.at("grad_output").asString())));
      golden::checkGradients(check, *graph, c.at("gradients"), tolerance.at("gradients"), original,
                             {{"fc.weight", fc.weight}, {"fc.bias", fc.bias}});
      for (const auto& [name, expected] : c.at("buffers_after").asObject()) {
        checkTensor(check, graph->parameters().find("backbone." + name)->master, expected,
                    tolerance.at("l2, mean, values"), name);
      }
      continue;
    }
    const int64_t classifier = fc.weight.numel() + fc.bias.numel();
    check.equal(golden::countElements(*graph, [](const auto& p) { return p.trainable; }) + classifier,
                c.at("parameters").asInt(), kind + " parameters");
    check.equal(
        golden::countElements(*graph, [&](const auto& p) { return !frozen || !golden::isCounter(p.name); }) +
            classifier,
        c.at("state_dict_elements").asInt(), kind + " elements");
    for (const Mode mode : {Mode::train, Mode::frozen, Mode::plan}) {
      const auto outputs = graph->run(images, stages, mode);
      const Value& expected = c.at("outputs");
      for (size_t i = 0; i < stages.size(); ++i) {
        checkTensor(check, outputs[i], expected.at(original(stages[i])), tolerance.at("l2, mean, values"),
                    kind + " " + stages[i]);
      }
      const auto pooled = outputs.back().mean({2, 3});
      checkTensor(check, pooled, expected.at("avgpool"), tolerance.at("l2, mean, values"), kind + " avgpool");
      checkTensor(check, at::linear(pooled, fc.weight, fc.bias), expected.at("fc"),
                  tolerance.at("l2, mean, values"), kind + " fc");
    }
  }
}

GOLDEN("backbones/resnet18", file, check) {
  checkNetwork("resnet18", file, check);
}
GOLDEN("backbones/resnet50", file, check) {
  checkNetwork("resnet50", file, check);
}

}  // namespace
