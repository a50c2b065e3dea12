// mmdet's GFocalHead (v2): forward on given features, losses, gradients, detections. The cases of the LD head
// on it are read by golden/distill.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "gfl_case.h"
#include "head_case.h"
#include "nn/heads/dense_head.h"

namespace {

using golden::Checker;
using golden::Head;
using hd::Value;
using torch::Tensor;

struct Outputs {
  std::vector<Tensor> logits, reg, scores;
};

Outputs forward(const Value& file, const Head& head, size_t levels) {
  Outputs out;
  for (size_t l = 0; l < levels; ++l) {
    const Tensor feature = golden::tensorOf(file.at("inputs").at(hd::concat("feat", l)));
    out.logits.push_back(head.convolve(head.tower(feature, "cls_convs"), "gfl_cls"));
    out.reg.push_back(head.convolve(head.tower(feature, "reg_convs"), "gfl_reg") *
                      head.at(hd::concat("scales.", l, ".scale")));
    const Tensor quality =
        hd::nn::distributionQuality(out.reg[l], head.at("reg_conf.0.weight"), head.at("reg_conf.0.bias"),
                                    head.at("reg_conf.2.weight"), head.at("reg_conf.2.bias"));
    out.scores.push_back(out.logits[l].sigmoid() * quality);
  }
  return out;
}

}  // namespace

GOLDEN("ld/gflv2_head", file, check) {
  auto options = golden::gflOptions(file.at("config"));
  options.jointScores = true;
  const auto size = golden::listOf<int64_t>(file, "image_hw");
  const Head head(file);
  const Outputs out = forward(file, head, options.strides.size());
  const Value* first = nullptr;  // the case that holds the objects of the others
  const golden::Tolerance losses = golden::toleranceOf(file.at("tolerance").at("losses"));
  for (const Value& c : file.at("cases").asArray()) {
    const std::string name = c.at("case").asString();
    if (name.rfind("LDv2Head", 0) == 0) continue;
    if (c.find("gt_bboxes") != nullptr) first = &c;
    hd::require(first != nullptr, "the first case holds the objects");
    const hd::Batch batch = golden::batchOf(check, options, size[0], size[1], file.at("img_metas"),
                                            first->at("gt_bboxes"), first->at("gt_labels"));
    if (name.find("get_bboxes") != std::string::npos) {
      golden::checkHeadDetections(file, c, options, out.scores, out.reg, batch, check);
      continue;
    }
    check.equal(out.scores[0].size(1), c.at("cls_out_channels").asInt(), "class channels");
    const auto compare = [&](const char* key, const std::vector<Tensor>& maps) {
      for (size_t l = 0; l < maps.size(); ++l)
        checkTensor(check, maps[l], c.at(key).asArray()[l], file.at("tolerance").at("tensors"),
                    hd::concat(key, l));
    };
    compare("cls_scores", out.scores);
    compare("bbox_preds", out.reg);
    compare("class_logits", out.logits);
    const auto assignment = assignGfl(options, batch);
    const auto scales = golden::scalesOf(options, out.scores, *assignment);
    const auto sums = gflSums(options, out.scores, out.reg, *assignment);
    golden::checkLevelLosses(check, c.at("losses_per_level"), sums, scales, losses, name);
    const Tensor total = golden::totalLoss(sums, scales);
    check.close(total.item<double>(), c.at("total").asNumber(), losses, name + " total");
    torch::autograd::backward({total}, {}, /*retain_graph=*/true);
    for (const auto& [parameter, norm] : c.at("grad_l2").asObject()) {
      check.close(head.at(parameter).grad().norm().item<double>(), norm.asNumber(),
                  golden::toleranceOf(file.at("tolerance").at("gradients")),
                  name + " gradient of " + parameter);
    }
  }
}
