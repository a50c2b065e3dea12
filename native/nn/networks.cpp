#include "nn/networks.h"

#include "core/error.h"
#include "nn/backbones/backbone.h"
#include "nn/heads/dense_head.h"
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

std::string detectorOf(const Value& model) {
  return model.get("detector", "gfl");
}

FpnOptions neckFrom(const Value& model) {
  const std::string detector = detectorOf(model);
  FpnOptions options;
  options.channels = atLeast(model, "neckChannels", options.channels, 1);
  options.extra =
      extraLevelsFrom(model.get("extraConvs", detector == "retinanet" ? "on_input" : "on_output"));
  options.reluBeforeExtra = model.get("reluBeforeExtra", detector == "fcos");
  return options;
}

/// What differs by detector: names of the originals' parameters, norm, biases, anchors.
DenseHeadOptions familyOf(const std::string& detector) {
  DenseHeadOptions options;
  if (detector == "gflv2") {
    options.quality = true;
  } else if (detector == "atss") {
    options.cls = "atss_cls";
    options.reg = "atss_reg";
    options.centerness = "atss_centerness";
  } else if (detector == "fcos") {
    options.cls = "conv_cls";
    options.reg = "conv_reg";
    options.centerness = "conv_centerness";
    options.towerBias = true;
  } else if (detector == "retinanet") {
    // The original's distribution head calls its predictors so.
    options.cls = "atss_cls";
    options.reg = "atss_reg";
    options.anchors = 9;
    options.groupNorm = false;
    options.towerBias = true;
    options.scales = false;
  }
  return options;
}

DenseHeadOptions headFrom(const Value& model, int64_t neckChannels) {
  DenseHeadOptions options = familyOf(detectorOf(model));
  options.classes = atLeast(model, "classes", model.at("classes").asInt(), 1);
  options.convs = atLeast(model, "headConvs", options.convs, 0);
  options.channels = options.convs == 0 ? neckChannels : atLeast(model, "headChannels", options.channels, 1);
  options.regMax = atLeast(model, "regMax", options.regMax, 1);
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
  if (options.convs > 0 && options.groupNorm && options.channels % 32 != 0) {
    throw Error("HD_RECIPE_VALUE",
                concat("expected a multiple of 32 (group normalisation) for model.headChannels but received ",
                       options.channels),
                "model.headChannels");
  }
  return options;
}

}  // namespace

std::unique_ptr<Graph> buildDense(const Value& model, uint64_t seed) {
  const NormaliseOptions pixels = normaliseFrom(model);
  const FpnOptions neck = neckFrom(model);
  const DenseHeadOptions head = headFrom(model, neck.channels);
  auto graph = std::make_unique<Graph>(seed);
  graph->add({"normalise"}, std::make_unique<Normalise>(graph->parameters(), pixels), {"image", "valid"},
             {"(pixel - mean) / std, padding 0"});
  const Features features =
      backboneRegistry().get(model.at("backbone").asString())(*graph, "normalise", model);
  addDenseHead(*graph, addFpn(*graph, features, neck), head);
  graph->parameters().setWorking(torch::kFloat);
  return graph;
}

}  // namespace hd::nn
