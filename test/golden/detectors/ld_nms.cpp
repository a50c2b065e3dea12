// mmdet's multiclass NMS on given boxes and scores: greedy, Cluster-DIoU-NMS with score voting, PAA voting.
#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "golden.h"
#include "ops/cpu/suppression.h"
#include "tensors.h"

namespace {

using hd::Value;
using hd::ops::SuppressionOptions;
using torch::Tensor;

/// `dets` rows are x1, y1, x2, y2, score. `byLabel`: the file lists them class by class, and within one in
/// the order of the score.
void checkSuppression(const Value& file, const Value& c, golden::Checker& check, SuppressionOptions options,
                      const char* detsKey, const char* labelsKey, bool byLabel) {
  const Tensor boxes = golden::tensorOf(c.at("boxes")).contiguous(),
               scores = golden::tensorOf(c.at("scores"));
  const Tensor pairs = scores.gt(c.at("score_thr").asNumber()).nonzero();  // box, class
  const Tensor labels = pairs.select(1, 1).to(at::kInt).contiguous();
  const Tensor candidates = boxes.index_select(0, pairs.select(1, 0)).contiguous();
  const Tensor confidence = scores.masked_select(scores.gt(c.at("score_thr").asNumber())).contiguous();
  options.threshold = c.at("iou_threshold").asNumber();
  options.limit = c.get("max_num", int64_t{-1});
  const auto found = hd::ops::suppress(candidates.data_ptr<float>(), confidence.data_ptr<float>(),
                                       labels.data_ptr<int32_t>(), labels.numel(), options);
  const auto expected = golden::dataOf(c.at(detsKey));
  const auto expectedLabels = c.numbers(labelsKey);
  if (!check.equal(found.index.size(), expectedLabels.size(), "detections")) return;
  std::vector<size_t> order(found.index.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto labelOf = [&](size_t d) { return labels.data_ptr<int32_t>()[found.index[d]]; };
  if (byLabel)
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return labelOf(a) < labelOf(b); });
  for (size_t d = 0; d < order.size(); ++d) {
    const size_t own = order[d];
    check.equal(labelOf(own), expectedLabels[d], hd::concat("label of detection ", d));
    for (size_t side = 0; side < 4; ++side) {
      check.close(double{found.boxes[4 * own + side]}, expected[5 * d + side],
                  golden::toleranceOf(file.at("tolerance").at("boxes")), hd::concat("box of detection ", d));
    }
    check.close(double{found.scores[own]}, expected[5 * d + 4],
                golden::toleranceOf(file.at("tolerance").at("scores")), hd::concat("score of detection ", d));
  }
}

}  // namespace

GOLDEN("ld/nms", file, check) {
  for (const Value& c : file.at("cases").asArray()) {
    const std::string kind = c.get("type", c.at("op").asString().c_str());
    SuppressionOptions options;
    if (kind == "nms") {
      checkSuppression(file, c, check, options, "dets", "labels", false);
    } else if (kind == "voting_cluster_diounms") {
      options.overlap.distance = true;
      options.voting = SuppressionOptions::Voting::score;
      checkSuppression(file, c, check, options, "dets", "labels", false);
    } else if (kind == "score_voting after nms") {
      checkSuppression(file, c, check, options, "nms_dets", "nms_labels", false);
      options.voting = SuppressionOptions::Voting::paa;
      checkSuppression(file, c, check, options, "voted", "voted_labels", true);
    } else {
      check.skip(kind + ": not an operation of this product (it is the first round of Cluster-NMS)");
    }
  }
}
