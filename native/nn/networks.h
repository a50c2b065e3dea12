// Whole networks from a resolved model section of a recipe.
#pragma once

#include <memory>

#include "core/value.h"
#include "nn/graph.h"

namespace hd::nn {

/// A dense detector with box-side distributions (gfl, gflv2, atss, fcos, retinanet): backbone → FPN p3…p7
/// (strides 8…128) → shared towers.
///
/// Members of `model` (defaults in brackets): detector [gfl], backbone (a name of backboneRegistry()),
/// classes, norm train|eval|frozen [train], frozenStages −1…4 [−1: none; 0: stem; n: stem and layer1…n],
/// style pytorch|caffe [pytorch], zeroInitResidual [true], neckChannels [256], extraConvs
/// on_input|on_lateral|on_output [on_output; retinanet: on_input], reluBeforeExtra [false; fcos: true],
/// headConvs [4], headChannels [256], regMax [16], mean, std (three numbers each, 0–255 scale) [ImageNet],
/// channelOrder rgb|bgr [rgb].
///
/// Taps: "normalise"; "backbone.stem", "backbone.layer1.0"…, aliases "backbone.layer1"…"backbone.layer4";
/// "neck.inner3"…, "neck.p3"…"neck.p7"; "head.cls_convs.0.p3"…; "head.cls.p3"…"head.cls.p7" (logits,
/// N×(anchors·classes)×H×W) and "head.reg.p3"…"head.reg.p7" (N×(anchors·4(regMax+1))×H×W, side-major, already
/// times the level's scale). Logits are fp32 (fp64 when the network works in fp64) in channels_last memory:
/// permute({0, 2, 3, 1}).reshape({-1, C}) is a view. atss and fcos have "head.centerness.p3"…; gflv2 has
/// "head.quality.p3"… and "head.score.p3"… besides, and in preset released one class column more than
/// `classes`.
std::unique_ptr<Graph> buildDense(const Value& model, uint64_t seed);

}  // namespace hd::nn
