#include "nn/backbones/residual.h"

#include "core/error.h"

namespace hd::nn {

Registry<BackboneFactory>& backboneRegistry() {
  static Registry<BackboneFactory> registry("backbone");
  return registry;
}

ResidualOptions ResidualOptions::from(const Value& model) {
  ResidualOptions options;
  options.norm = batchNormFrom(model.get("norm", "train"));
  options.frozenStages = model.get("frozenStages", int64_t{-1});
  if (options.frozenStages < -1 || options.frozenStages > 4) {
    throw Error(
        "HD_RECIPE_VALUE",
        concat("expected -1 (nothing) to 4 for model.frozenStages but received ", options.frozenStages),
        "model.frozenStages");
  }
  const std::string style = model.get("style", "pytorch");
  if (style != "pytorch" && style != "caffe") {
    throw Error("HD_RECIPE_VALUE",
                concat("expected pytorch or caffe for model.style but received '", style, "'"),
                "model.style");
  }
  options.strideOnFirst = style == "caffe";
  options.zeroInitResidual = model.get("zeroInitResidual", true);
  if (const Value* deformable = model.find("deformable"); deformable != nullptr && !deformable->isNull()) {
    const int64_t version = deformable->get("version", int64_t{1});
    if (version != 1 && version != 2) {
      throw Error("HD_RECIPE_VALUE",
                  concat("expected 1 or 2 for model.deformable.version but received ", version),
                  "model.deformable.version");
    }
    for (const double stage : deformable->numbers("stages")) {
      if (stage < 1 || stage > 4) {
        throw Error("HD_RECIPE_VALUE",
                    concat("expected stages from 1 to 4 for model.deformable.stages but received ", stage),
                    "model.deformable.stages");
      }
      options.deformable[static_cast<size_t>(stage)] = version;
    }
  }
  return options;
}

ConvOptions ResidualOptions::unit(int64_t stage, std::string conv, std::string norm, int64_t in, int64_t out,
                                  ConvGeometry geometry, bool relu) const {
  ConvOptions options;
  options.conv = std::move(conv);
  options.norm = std::move(norm);
  options.in = in;
  options.out = out;
  options.geometry = geometry;
  options.normKind = this->norm;
  options.relu = relu;
  options.trainable = stage > frozenStages;
  return options;
}

Features addStages(Graph& graph, std::string tap, int64_t channels, const std::array<int, 4>& blocks,
                   int64_t expansion, const MakeBlock& make) {
  Features features;
  for (int64_t stage = 1; stage <= 4; ++stage) {
    const std::string layer = "backbone.layer" + std::to_string(stage);
    const int64_t planes = int64_t{32} << stage;
    for (int block = 0; block < blocks[static_cast<size_t>(stage - 1)]; ++block) {
      const std::string name = layer + "." + std::to_string(block);
      graph.add({name}, make({stage, name, channels, planes, stage > 1 && block == 0 ? 2 : 1, block == 0}),
                {tap}, {"after the residual sum and ReLU"});
      channels = expansion * planes;
      tap = name;
    }
    graph.alias(layer, tap);
    features.taps.push_back(layer);
    features.channels.push_back(channels);
    features.strides.push_back(int64_t{2} << stage);
  }
  return features;
}

}  // namespace hd::nn
