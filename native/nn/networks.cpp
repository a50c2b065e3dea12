#include "nn/networks.h"

#include "core/error.h"
#include "nn/backbones/backbone.h"
#include "nn/heads/gfl_head.h"
#include "nn/layers/normalise.h"
#include "nn/necks/fpn.h"

namespace hd::nn {
namespace {

/// An integer member of at least `least`.
int64_t atLeast(const Value& model, const char* key, int64_t fallback, int64_t least) {
  const int64_t value = model.get(key, fallback);
  if (value < least) {
    throw Error("HD_RECIPE_VALUE", concat("expected an integer of at least ", least, " for model.", key, " but received ", value),
                concat("model.", key));
  }
  return value;
}

std::array<double, 3> threeNumbers(const Value& model, const char* key, const std::array<double, 3>& fallback) {
  const Value* member = model.find(key);
  if (member == nullptr || member->isNull()) return fallback;
  const Value::Array& values = member->asArray();
  if (values.size() != 3) {
    throw Error("HD_RECIPE_VALUE", concat("expected three numbers for model.", key, " but received ", values.size()),
                concat("model.", key));
  }
  return {values[0].asNumber(), values[1].asNumber(), values[2].asNumber()};
}

NormaliseOptions normaliseFrom(const Value& model) {
  NormaliseOptions options;
  options.mean = threeNumbers(model, "mean", options.mean);
  options.deviation = threeNumbers(model, "std", options.deviation);
  const std::string order = model.get("channelOrder", "rgb");
  if (order != "rgb" && order != "bgr") {
    throw Error("HD_RECIPE_VALUE", concat("expected rgb or bgr for model.channelOrder but received '", order, "'"),
                "model.channelOrder");
  }
  options.bgr = order == "bgr";
  for (const double deviation : options.deviation) {
    if (!(deviation > 0)) {
      throw Error("HD_RECIPE_VALUE", concat("expected positive numbers for model.std but received ", deviation), "model.std");
    }
  }
  return options;
}

}  // namespace

std::unique_ptr<Graph> buildGfl(const Value& model, uint64_t seed) {
  auto graph = std::make_unique<Graph>(seed);
  graph->add({"normalise"}, std::make_unique<Normalise>(graph->parameters(), normaliseFrom(model)), {"image", "valid"},
             {"(pixel - mean) / std, padding 0"});
  const Features features = backboneRegistry().get(model.at("backbone").asString())(*graph, "normalise", model);
  FpnOptions neck;
  neck.channels = atLeast(model, "neckChannels", neck.channels, 1);
  neck.extra = extraLevelsFrom(model.get("extraConvs", "on_output"));
  neck.reluBeforeExtra = model.get("reluBeforeExtra", false);
  const Features levels = addFpn(*graph, features, neck);
  GflHeadOptions head;
  head.classes = atLeast(model, "classes", model.at("classes").asInt(), 1);
  head.convs = atLeast(model, "headConvs", head.convs, 0);
  head.channels = head.convs == 0 ? neck.channels : atLeast(model, "headChannels", head.channels, 1);
  head.regMax = atLeast(model, "regMax", head.regMax, 1);
  if (head.convs > 0 && head.channels % 32 != 0) {
    throw Error("HD_RECIPE_VALUE",
                concat("expected a multiple of 32 (group normalisation) for model.headChannels but received ", head.channels),
                "model.headChannels");
  }
  addGflHead(*graph, levels, head);
  graph->parameters().setWorking(torch::kFloat);
  return graph;
}

}  // namespace hd::nn
