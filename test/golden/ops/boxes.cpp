// ops/boxes: torchvision's pairwise overlaps and box losses.
#include <torch/csrc/autograd/autograd.h>

#include "ops/cpu/box_math.h"
#include "ops/losses.h"
#include "tensors.h"

namespace {

using at::Tensor;
using golden::checkTensor;
using golden::tensorOf;
using hd::Value;

/// torchvision's losses by ours. Its CIoU holds the trade-off factor constant.
std::string lossKind(const std::string& op) {
  if (op == "generalized_box_iou_loss") return "giou";
  if (op == "distance_box_iou_loss") return "diou";
  return op == "complete_box_iou_loss" ? "ciou_detached" : "";
}

/// A conversion of one box, applied to rows of points [N, 2] and boxes or distances [N, 4].
Tensor convert(const Tensor& points, const Tensor& rows,
               void (*conversion)(const float*, const float*, float*)) {
  Tensor out = at::empty_like(rows);
  for (int64_t i = 0; i < rows.size(0); ++i) {
    conversion(points.const_data_ptr<float>() + 2 * i, rows.const_data_ptr<float>() + 4 * i,
               out.mutable_data_ptr<float>() + 4 * i);
  }
  return out;
}

}  // namespace

GOLDEN("ops/boxes", file, check) {
  const Value& tolerance = file.at("tolerance");
  for (const Value& entry : file.at("cases").asArray()) {
    const std::string op = entry.at("op").asString();
    if (op == "pairwise") {
      const Tensor a = tensorOf(entry.at("a")), b = tensorOf(entry.at("b"));
      const std::pair<const char*, const char*> kinds[] = {{"box_iou", "iou"},
                                                           {"generalized_box_iou", "giou"},
                                                           {"distance_box_iou", "diou"},
                                                           {"complete_box_iou", "ciou"}};
      for (const auto& [key, kind] : kinds) {
        checkTensor(check, hd::ops::boxIouMatrix(kind, a, b, 1e-7), entry.at(key), tolerance, key);
      }
    } else if (const std::string kind = lossKind(op); !kind.empty()) {
      const Tensor pred = tensorOf(entry.at("pred")).requires_grad_(), target = tensorOf(entry.at("target"));
      const double eps = entry.at("eps").asNumber();
      const Tensor rows = hd::ops::boxLossRows(kind, pred, target, eps);
      checkTensor(check, rows, entry.at("per_box"), tolerance, op + " per box");
      const Tensor sum = hd::ops::boxLoss(kind, pred, target, at::ones({pred.size(0)}), eps);
      check.close(sum.item<double>(), entry.at("sum").asNumber(), golden::toleranceOf(tolerance),
                  op + " sum");
      check.close(rows.mean().item<double>(), entry.at("mean").asNumber(), golden::toleranceOf(tolerance),
                  op + " mean");
      checkTensor(check, torch::autograd::grad({sum}, {pred})[0], entry.at("grad_pred_of_sum"), tolerance,
                  op + " gradient");
    } else {
      check.skip(op + ": not an operator of this product");
    }
  }
}

GOLDEN("ld/boxes", file, check) {
  const Value& tolerance = file.at("tolerance");
  const std::pair<const char*, const char*> kinds[] = {
      {"iou", "iou"}, {"iof", "iof"}, {"giou", "giou"}, {"diou", "diou_released"}};
  for (const Value& entry : file.at("cases").asArray()) {
    const std::string op = entry.at("op").asString();
    if (op == "bbox_overlaps") {
      const Tensor a = tensorOf(entry.at("a")), b = tensorOf(entry.at("b"));
      for (const auto& [key, kind] : kinds) {
        checkTensor(check, hd::ops::boxIouMatrix(kind, a, b), entry.at(key), tolerance,
                    hd::concat(op, " ", key));
        if (const Value* aligned = entry.at("aligned_first_5").find(key)) {
          const int64_t rows = golden::shapeOf(*aligned)[0];
          checkTensor(check, hd::ops::boxIouAligned(kind, a.slice(0, 0, rows), b.slice(0, 0, rows)), *aligned,
                      tolerance, hd::concat(op, " aligned ", key));
        }
      }
    } else if (op == "distance2bbox") {
      const Tensor points = tensorOf(entry.at("points"));
      const Tensor boxes =
          convert(points, tensorOf(entry.at("distance")), hd::ops::kernel::boxOfDistances<float>);
      checkTensor(check, boxes, entry.at("out"), tolerance, op);
      const auto shape = entry.numbers("max_shape_hw");
      const Tensor limit = at::tensor({shape[1], shape[0], shape[1], shape[0]}, at::kFloat);
      checkTensor(check, at::minimum(boxes.clamp_min(0), limit), entry.at("out_clamped"), tolerance,
                  op + " clamped");
    } else if (op == "bbox2distance") {
      const Tensor points = tensorOf(entry.at("points"));
      const Tensor distances =
          convert(points, tensorOf(entry.at("boxes")), hd::ops::kernel::distancesOfBox<float>);
      checkTensor(check, distances, entry.at("out"), tolerance, op);
      const double highest = entry.at("max_dis").asNumber() - entry.at("eps").asNumber();
      checkTensor(check, distances.clamp(0, highest), entry.at("out_clamped"), tolerance, op + " clamped");
    } else {
      check.skip(op + ": read by the detectors' golden tests");
    }
  }
}
