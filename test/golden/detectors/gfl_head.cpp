// mmdet's GFLHead: forward on given features, losses, gradients, detections.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "gfl_case.h"
#include "head_case.h"

namespace {

using golden::Checker;
using golden::Head;
using hd::Value;
using torch::Tensor;

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
      golden::checkHeadDetections(file, c, options, out.cls, out.reg, batch, check);
      continue;
    }
    auto used = options;
    if (name.find("CIoU") != std::string::npos) used.boxLoss = "ciou";
    if (name == "second image without objects") {
      batch.images[1].boxes.clear();
      batch.images[1].labels.clear();
    }
    const auto assignment = assignGfl(used, batch);
    const auto scales = golden::scalesOf(used, out.cls, *assignment);
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
