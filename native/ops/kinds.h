// Names of box losses and overlaps, as ops/losses.h lists them.
#pragma once

#include <string_view>

#include "core/error.h"
#include "ops/cpu/box_math.h"

namespace hd::ops {

inline kernel::BoxLossKind boxLossKind(std::string_view kind) {
  using Kind = kernel::BoxLossKind;
  if (kind == "iou") return Kind::iou;
  if (kind == "giou") return Kind::giou;
  if (kind == "diou") return Kind::diou;
  if (kind == "ciou") return Kind::ciou;
  if (kind == "ciou_detached") return Kind::ciouDetached;
  if (kind == "bounded_iou") return Kind::boundedIou;
  throw Error(
      "HD_INTERNAL",
      concat("expected iou, giou, diou, ciou, ciou_detached or bounded_iou but received '", kind, "'"));
}

inline kernel::BoxIouKind boxIouKind(std::string_view kind) {
  using Kind = kernel::BoxIouKind;
  if (kind == "iou") return Kind::iou;
  if (kind == "iof") return Kind::iof;
  if (kind == "giou") return Kind::giou;
  if (kind == "diou") return Kind::diou;
  if (kind == "diou_released") return Kind::diouReleased;
  if (kind == "ciou") return Kind::ciou;
  throw Error("HD_INTERNAL",
              concat("expected iou, iof, giou, diou, diou_released or ciou but received '", kind, "'"));
}

}  // namespace hd::ops
