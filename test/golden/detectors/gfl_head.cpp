// mmdet's GFLHead: forward on given features, losses, gradients, detections. The fixture's head is a small
// one with few norm groups, so it is written out here; hdtrain's own head is read by ld/detector.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdio>
#include <map>

#include "gfl_case.h"

namespace {

using golden::Checker;
using hd::Value;
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
      golden::fillParameter(tensor, name, file.at("formula"));
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

struct Outputs {
  std::vector<Tensor> cls, reg;
};

Outputs forward(const Value& file, const Head& head, size_t levels) {
  Outputs out;
  for (size_t l = 0; l < levels; ++l) {
    const Tensor feature = golden::tensorOf(file.at("inputs").at(hd::concat("feat", l)));
    out.cls.push_back(head.convolve(head.tower(feature, "cls_convs"), "gfl_cls"));
    out.reg.push_back(head.convolve(head.tower(feature, "reg_convs"), "gfl_reg") *
                      head.at(hd::concat("scales.", l, ".scale")));
  }
  return out;
}

void checkForward(const Value& file, const Value& c, const Outputs& out, Checker& check) {
  for (size_t l = 0; l < out.cls.size(); ++l) {
    checkTensor(check, out.cls[l], c.at("cls_scores").asArray()[l], file.at("tolerance").at("tensors"),
                hd::concat("cls ", l));
    checkTensor(check, out.reg[l], c.at("bbox_preds").asArray()[l], file.at("tolerance").at("tensors"),
                hd::concat("reg ", l));
  }
}

void checkDetect(const Value& file, const Value& c, const hd::detectors::GflOptions& options,
                 const Outputs& out, hd::Batch batch, Checker& check) {
  const bool rescale = c.at("rescale").asBool();
  for (size_t i = 0; i < batch.images.size() && rescale; ++i) {
    const auto scale = golden::listOf<float>(file.at("img_metas").asArray()[i], "scale_factor");
    batch.images[i].scaleX = scale[0];
    batch.images[i].scaleY = scale[1];
  }
  const auto detections =
      hd::detectors::detectGfl(options, out.cls, out.reg, batch,
                               {c.at("score_thr").asNumber(), c.at("nms_pre").asInt(),
                                c.at("iou_threshold").asNumber(), c.at("max_per_img").asInt()});
  for (size_t i = 0; i < detections.size(); ++i) {
    const Value& expected = c.at("detections").asArray()[i];
    const auto rows = golden::dataOf(expected.at("boxes_scores"));
    const auto labels = golden::listOf<int64_t>(expected, "labels");
    std::vector<golden::Found> found;
    for (size_t d = 0; d < labels.size(); ++d) {
      const auto row = rows.begin() + static_cast<int64_t>(5 * d);
      found.push_back({{row, row + 4}, row[4], labels[d]});
    }
    golden::checkDetections(check, detections[i], found, c.at("stable_order").asArray()[i].asBool(),
                            golden::toleranceOf(file.at("tolerance").at("boxes")),
                            golden::toleranceOf(file.at("tolerance").at("scores")),
                            hd::concat("detections, rescale ", rescale, ", image ", i));
  }
}

}  // namespace

GOLDEN("ld/gfl_head", file, check) {
  const auto options = golden::gflOptions(file.at("config"));
  const auto size = golden::listOf<int64_t>(file, "image_hw");
  const Head head(file);
  const Value* first = nullptr;  // the case that holds the objects of the others
  const golden::Tolerance losses = golden::toleranceOf(file.at("tolerance").at("losses"));
  for (const Value& c : file.at("cases").asArray()) {
    const std::string name = c.at("case").asString();
    if (c.find("gt_bboxes") != nullptr) first = &c;
    hd::require(first != nullptr, "the first case holds the objects");
    hd::Batch batch = golden::batchOf(check, options, size[0], size[1], file.at("img_metas"),
                                      first->at("gt_bboxes"), first->at("gt_labels"));
    const Outputs out = forward(file, head, options.strides.size());
    if (c.find("cls_scores") != nullptr) checkForward(file, c, out, check);
    if (name == "get_bboxes") {
      if (c.at("nms_type").asString() == "nms") {
        checkDetect(file, c, options, out, batch, check);
      } else {
        check.skip(c.at("nms_type").asString() + ": comes with localization distillation");
      }
      continue;
    }
    auto used = options;
    if (name.find("CIoU") != std::string::npos) used.boxLoss = "ciou";
    if (name == "second image without objects") {
      batch.images[1].boxes.clear();
      batch.images[1].labels.clear();
    }
    const auto assignment = assignGfl(used, batch);
    const auto scales = golden::scalesOf(out.cls, *assignment);
    const auto sums = gflSums(used, out.cls, out.reg, *assignment);
    golden::checkLevelLosses(check, c.at("losses_per_level"), sums, scales, losses, name);
    const Tensor total = golden::totalLoss(sums, scales);
    check.close(total.item<double>(), c.at("total").asNumber(), losses, name + " total");
    if (c.find("grad_l2") == nullptr) continue;
    total.backward();
    for (const auto& [parameter, norm] : c.at("grad_l2").asObject()) {
      check.close(head.at(parameter).grad().norm().item<double>(), norm.asNumber(),
                  golden::toleranceOf(file.at("tolerance").at("gradients")),
                  name + " gradient of " + parameter);
    }
  }
}
