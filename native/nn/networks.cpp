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
    throw Error(
        "HD_RECIPE_VALUE",
        concat("expected an integer of at least ", least, " for model.", key, " but received ", value),
        concat("model.", key));
  }
  return value;
}

std::array<double, 3> threeNumbers(const Value& model, const char* key,
                                   const std::array<double, 3>& fallback) {
  const Value* member = model.find(key);
  if (member == nullptr || member->isNull()) return fallback;
  const Value::Array& values = member->asArray();
  if (values.size() != 3) {
    throw Error("HD_RECIPE_VALUE",
                concat("expected three numbers for model.", key, " but received ", values.size()),
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
    throw Error("HD_RECIPE_VALUE",
                concat("expected rgb or bgr for model.channelOrder but received '", order, "'"),
                "model.channelOrder");
  }
  options.bgr = order == "bgr";
  for (const double deviation : options.deviation) {
    if (!(deviation > 0)) {
      throw Error("HD_RECIPE_VALUE",
                  concat("expected positive numbers for model.std but received ", deviation), "model.std");
    }
  }
  return options;
}

FpnOptions neckFrom(const Value& model) {
  FpnOptions options;
  options.channels = atLeast(model, "neckChannels", options.channels, 1);
  options.extra = extraLevelsFrom(model.get("extraConvs", "on_output"));
  options.reluBeforeExtra = model.get("reluBeforeExtra", false);
  return options;
}

GflHeadOptions headFrom(const Value& model, int64_t neckChannels) {
  GflHeadOptions options;
  options.classes = atLeast(model, "classes", model.at("classes").asInt(), 1);
  options.convs = atLeast(model, "headConvs", options.convs, 0);
  options.channels = options.convs == 0 ? neckChannels : atLeast(model, "headChannels", options.channels, 1);
  options.regMax = atLeast(model, "regMax", options.regMax, 1);
  options.quality = model.get("detector", "gfl") == std::string("gflv2");
  // The published configuration leaves a spare column, which learns nothing but 0.
  if (options.quality && model.get("preset", "robust") == std::string("released")) ++options.classes;
  if (options.quality && options.regMax < 3) {
    throw Error(
        "HD_RECIPE_VALUE",
        concat("expected at least 3 for model.regMax of gflv2, whose quality reads the four largest of "
               "regMax + 1 probabilities, but received ",
               options.regMax),
        "model.regMax");
  }
  if (options.convs > 0 && options.channels % 32 != 0) {
    throw Error("HD_RECIPE_VALUE",
                concat("expected a multiple of 32 (group normalisation) for model.headChannels but received ",
                       options.channels),
                "model.headChannels");
  }
  return options;
}

}  // namespace

std::unique_ptr<Graph> buildGfl(const Value& model, uint64_t seed) {
  const NormaliseOptions pixels = normaliseFrom(model);
  const FpnOptions neck = neckFrom(model);
  const GflHeadOptions head = headFrom(model, neck.channels);
  auto graph = std::make_unique<Graph>(seed);
  graph->add({"normalise"}, std::make_unique<Normalise>(graph->parameters(), pixels), {"image", "valid"},
             {"(pixel - mean) / std, padding 0"});
  const Features features =
      backboneRegistry().get(model.at("backbone").asString())(*graph, "normalise", model);
  addGflHead(*graph, addFpn(*graph, features, neck), head);
  graph->parameters().setWorking(torch::kFloat);
  return graph;
}

}  // namespace hd::nn
