// Box losses and overlaps as plain ATen expressions: what the released code bases compute, for autograd to
// derive.
#pragma once

#include <numbers>

#include "reference.h"

namespace reference {

struct BoxColumns {
  Tensor x1, y1, x2, y2, width, height, area;
  explicit BoxColumns(const Tensor& boxes)
      : x1(boxes.select(-1, 0)),
        y1(boxes.select(-1, 1)),
        x2(boxes.select(-1, 2)),
        y2(boxes.select(-1, 3)),
        width(x2 - x1),
        height(y2 - y1),
        area(width * height) {}
};

inline Tensor floorAt(const Tensor& value, double eps) {
  return at::maximum(value, at::full({}, eps, value.options()));
}

/// Smooth L1 with threshold 0.2 of a non-negative cost.
inline Tensor smooth(const Tensor& cost) {
  return at::where(cost < 0.2, cost * cost / 0.4, cost - 0.1);
}

/// Bounded-IoU costs of one axis.
inline Tensor boundedAxis(const Tensor& low, const Tensor& high, const Tensor& targetLow,
                          const Tensor& targetHigh, double eps) {
  const Tensor size = high - low, target = targetHigh - targetLow;
  const Tensor shift = ((targetLow + targetHigh) * 0.5 - (low + high) * 0.5).abs();
  const Tensor centre =
      1 - at::maximum((target - 2 * shift) / (target + 2 * shift + eps), at::zeros_like(shift));
  return smooth(centre) + smooth(1 - at::minimum(target / (size + eps), size / (target + eps)));
}

/// One loss a row; boxes broadcast.
inline Tensor boxLoss(const std::string& kind, const Tensor& pred, const Tensor& target, double eps) {
  const BoxColumns p(pred), t(target);
  if (kind == "bounded_iou") {
    return boundedAxis(p.x1, p.x2, t.x1, t.x2, eps) + boundedAxis(p.y1, p.y2, t.y1, t.y2, eps);
  }
  const Tensor common = (at::minimum(p.x2, t.x2) - at::maximum(p.x1, t.x1)).clamp_min(0) *
                        (at::minimum(p.y2, t.y2) - at::maximum(p.y1, t.y1)).clamp_min(0);
  const Tensor areas = p.area + t.area - common;
  if (kind == "iou") return -(common / floorAt(areas, eps)).clamp_min(eps).log();
  const Tensor wide = (at::maximum(p.x2, t.x2) - at::minimum(p.x1, t.x1)).clamp_min(0);
  const Tensor tall = (at::maximum(p.y2, t.y2) - at::minimum(p.y1, t.y1)).clamp_min(0);
  if (kind == "giou") {
    const Tensor enclosing = floorAt(wide * tall, eps), sum = floorAt(areas, eps);
    return 1 - (common / sum - (enclosing - sum) / enclosing);
  }
  const Tensor iou = common / (areas + eps);
  const Tensor distance =
      ((t.x1 + t.x2) - (p.x1 + p.x2)).pow(2) / 4 + ((t.y1 + t.y2) - (p.y1 + p.y2)).pow(2) / 4;
  const Tensor diou = iou - distance / (wide.pow(2) + tall.pow(2) + eps);
  if (kind == "diou") return 1 - diou;
  const Tensor angle = (t.width / (t.height + eps)).atan() - (p.width / (p.height + eps)).atan();
  const Tensor v = 4 / (std::numbers::pi * std::numbers::pi) * angle.pow(2);
  const Tensor factor = v / (1 - iou + v);
  return 1 - diou + (kind == "ciou_detached" ? factor.detach() : factor) * v;
}

}  // namespace reference
