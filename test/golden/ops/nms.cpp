// Greedy and batched suppression as torchvision does it.
#include "ops/nms.h"

#include <ATen/ATen.h>

#include "golden.h"
#include "tensors.h"

namespace {

/// Boxes and scores come as full arrays or as plain lists.
torch::Tensor numbersOf(const hd::Value& value) {
  if (value.isObject()) return golden::tensorOf(value);
  auto out = at::empty({static_cast<int64_t>(value.asArray().size())});
  for (int64_t i = 0; i < out.numel(); ++i) out[i] = value.asArray()[static_cast<size_t>(i)].asNumber();
  return out;
}

}  // namespace

GOLDEN("ops/nms", file, check) {
  torch::Tensor boxes, scores;
  for (const hd::Value& c : file.at("cases").asArray()) {
    if (!c.at("boxes").isString()) boxes = numbersOf(c.at("boxes"));  // else: "as previous"
    if (!c.at("scores").isString()) scores = numbersOf(c.at("scores"));
    const double threshold = c.at("iou_threshold").asNumber();
    const std::string op = c.at("op").asString();
    torch::Tensor keep;
    if (op == "nms") {
      keep = hd::ops::nms(boxes, scores, threshold);
    } else {
      keep = hd::ops::batchedNms(boxes, scores, numbersOf(c.at("idxs")).to(at::kLong), threshold);
    }
    const int64_t* kept = keep.const_data_ptr<int64_t>();
    check.close(std::vector<int64_t>(kept, kept + keep.numel()), c.numbers("keep"), {},
                hd::concat(op, " of ", boxes.size(0), " boxes at ", threshold));
  }
}
