// mmdet's multiclass NMS on given boxes and scores; the clustered and voting kinds wait for localization
// distillation.
#include <ATen/ATen.h>

#include "golden.h"
#include "ops/nms.h"
#include "tensors.h"

namespace {

using hd::Value;
using torch::Tensor;

void checkGreedy(const Value& file, const Value& c, golden::Checker& check) {
  const Tensor boxes = golden::tensorOf(c.at("boxes")), scores = golden::tensorOf(c.at("scores"));
  const Tensor pairs = scores.gt(c.at("score_thr").asNumber()).nonzero();  // box, class
  const Tensor labels = pairs.select(1, 1), place = pairs.select(1, 0);
  const Tensor candidates = boxes.index_select(0, place),
               confidence = scores.masked_select(scores.gt(c.at("score_thr").asNumber()));
  const Tensor keep = hd::ops::batchedNms(candidates, confidence, labels, c.at("iou_threshold").asNumber(),
                                          c.at("max_num").asInt());
  const auto expected = golden::dataOf(c.at("dets"));
  const auto expectedLabels = c.numbers("labels");
  if (!check.equal(keep.numel(), expectedLabels.size(), "detections")) return;
  for (int64_t d = 0; d < keep.numel(); ++d) {
    const int64_t index = keep[d].item<int64_t>();
    check.equal(labels[index].item<int64_t>(), expectedLabels[static_cast<size_t>(d)],
                hd::concat("label of detection ", d));
    for (int64_t s = 0; s < 4; ++s) {
      check.close(candidates[index][s].item<double>(), expected[static_cast<size_t>(5 * d + s)],
                  golden::toleranceOf(file.at("tolerance").at("boxes")), hd::concat("box of detection ", d));
    }
    check.close(confidence[index].item<double>(), expected[static_cast<size_t>(5 * d + 4)],
                golden::toleranceOf(file.at("tolerance").at("scores")), hd::concat("score of detection ", d));
  }
}

}  // namespace

GOLDEN("ld/nms", file, check) {
  for (const Value& c : file.at("cases").asArray()) {
    const std::string kind = c.get("type", c.at("op").asString().c_str());
    if (kind == "nms") {
      checkGreedy(file, c, check);
    } else {
      check.skip(kind + ": comes with localization distillation");
    }
  }
}
