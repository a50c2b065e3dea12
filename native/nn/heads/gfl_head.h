// The head of generalised focal loss v1 (Li et al. 2020): two towers shared by all levels, class logits, and
// four discrete distributions a cell.
#pragma once

#include "nn/backbones/backbone.h"
#include "nn/graph.h"

namespace hd::nn {

struct GflHeadOptions {
  int64_t classes = 80;
  int64_t convs = 4;       ///< of each tower
  int64_t channels = 256;  ///< of the towers; a multiple of 32
  int64_t regMax = 16;     ///< distributions have regMax + 1 bins
};

/// Adds the head on the levels of a neck. Parameters: bbox_head.{cls,reg}_convs.{i}.{conv.weight,gn.*},
/// bbox_head.gfl_cls.*, bbox_head.gfl_reg.*, bbox_head.scales.{l}.scale, buffer bbox_head.integral.project.
/// Taps, for each level's suffix (".p3"…): "head.cls_convs.{i}.p3", "head.reg_convs.{i}.p3" (after ReLU),
/// "head.cls.p3" and "head.reg.p3" (see networks.h). Initialisation: N(0, 0.01), biases 0, class bias −ln 99.
void addGflHead(Graph& graph, const Features& levels, const GflHeadOptions& options);

}  // namespace hd::nn
