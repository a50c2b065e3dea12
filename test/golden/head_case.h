// What the fixtures of whole heads share. Their heads are small ones with few norm groups, so they are
// written out here; hdtrain's own head is read by ld/detector.
#pragma once

#include <ATen/ATen.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "gfl_case.h"

namespace golden {

using torch::Tensor;

struct Head {
  std::map<std::string, Tensor> parameters;
  int64_t convs, groups;

  Head(const Value& file) {
    const Value& config = file.at("config");
    convs = config.at("stacked_convs").asInt();
    long read = 0;
    hd::require(std::sscanf(config.at("norm").asString().c_str(), "GN with %ld groups", &read) == 1,
                "the head's norm");
    groups = read;
    for (const Value& entry : file.at("state_dict").asArray()) {
      std::vector<int64_t> shape;
      for (const Value& side : entry.asArray()[1].asArray()) shape.push_back(side.asInt());
      const std::string name = entry.asArray()[0].asString();
      Tensor tensor = at::empty(shape);
      fillParameter(tensor, name, file.at("formula"));
      parameters[name] = tensor.requires_grad_();
    }
  }

  const Tensor& at(const std::string& name) const { return parameters.at(name); }

  Tensor convolve(const Tensor& x, const std::string& name) const {
    return at::conv2d(x, at(name + ".weight"),
                      parameters.count(name + ".bias") ? at(name + ".bias") : Tensor(), 1, 1);
  }

  Tensor tower(Tensor x, const std::string& name) const {
    for (int64_t i = 0; i < convs; ++i) {
      const std::string unit = hd::concat(name, ".", i);
      x = at::group_norm(convolve(x, unit + ".conv"), groups, at(unit + ".gn.weight"), at(unit + ".gn.bias"))
              .relu();
    }
    return x;
  }
};

/// `cls`: class maps, as detectDense takes them.
inline void checkHeadDetections(const Value& file, const Value& c, const GflOptions& options,
                                const std::vector<torch::Tensor>& cls, const std::vector<torch::Tensor>& reg,
                                hd::Batch batch, Checker& check) {
  const bool rescale = c.at("rescale").asBool();
  for (size_t i = 0; i < batch.images.size() && rescale; ++i) {
    const auto scale = listOf<float>(file.at("img_metas").asArray()[i], "scale_factor");
    batch.images[i].scaleX = scale[0];
    batch.images[i].scaleY = scale[1];
  }
  hd::detectors::PostProcess postProcess{c.at("score_thr").asNumber(),
                                         c.at("nms_pre").asInt(),
                                         c.at("iou_threshold").asNumber(),
                                         c.at("max_per_img").asInt(),
                                         {}};
  const std::string kind = c.at("nms_type").asString();
  if (kind == "voting_cluster_diounms") {
    postProcess.suppression.overlap.distance = true;
    postProcess.suppression.voting = hd::ops::SuppressionOptions::Voting::score;
  } else {
    check.equal(kind, std::string("nms"), "kind of suppression");
  }
  const auto detections = hd::detectors::detectDense(options, cls, reg, {}, batch, postProcess);
  for (size_t i = 0; i < detections.size(); ++i) {
    const Value& expected = c.at("detections").asArray()[i];
    const auto rows = dataOf(expected.at("boxes_scores"));
    const auto labels = listOf<int64_t>(expected, "labels");
    std::vector<Found> found;
    for (size_t d = 0; d < labels.size(); ++d) {
      const auto row = rows.begin() + static_cast<int64_t>(5 * d);
      found.push_back({{row, row + 4}, row[4], labels[d]});
    }
    const Value* stable = c.find("stable_order");
    checkDetections(check, detections[i], found, stable == nullptr || stable->asArray()[i].asBool(),
                    toleranceOf(file.at("tolerance").at("boxes")),
                    toleranceOf(file.at("tolerance").at("scores")),
                    hd::concat(kind, " detections, rescale ", rescale, ", image ", i));
  }
}

}  // namespace golden
