// The head of generalised focal loss: two towers shared by all levels, class logits, and four discrete
// distributions a cell (v1, Li et al. 2020, arXiv 2006.04388); with `quality` also v2's estimate of how good
// a box is from the shape of its distributions (Li et al. 2021, arXiv 2011.12885, §3.2).
#pragma once

#include "nn/backbones/backbone.h"
#include "nn/graph.h"

namespace hd::nn {

struct GflHeadOptions {
  int64_t classes = 80;
  int64_t convs = 4;       ///< of each tower
  int64_t channels = 256;  ///< of the towers; a multiple of 32
  int64_t regMax = 16;     ///< distributions have regMax + 1 bins
  bool quality = false;    ///< v2
};

/// v2's quality of every cell, N×1×H×W in (0, 1): of each side the four largest probabilities and their mean,
/// through two 1×1 convolutions with a ReLU between and a sigmoid at the end. `reg`: N×4(n+1)×H×W logits.
Tensor distributionQuality(const Tensor& reg, const Tensor& firstWeight, const Tensor& firstBias,
                           const Tensor& secondWeight, const Tensor& secondBias);

/// Adds the head on the levels of a neck. Parameters: bbox_head.{cls,reg}_convs.{i}.{conv.weight,gn.*},
/// bbox_head.gfl_cls.*, bbox_head.gfl_reg.*, bbox_head.scales.{l}.scale, buffer bbox_head.integral.project.
/// Taps, for each level's suffix (".p3"…): "head.cls_convs.{i}.p3", "head.reg_convs.{i}.p3" (after ReLU),
/// "head.cls.p3" and "head.reg.p3" (see networks.h). With quality: bbox_head.reg_conf.{0,2}.{weight,bias} and
/// taps "head.quality.p3", "head.score.p3" (σ(class logits) · quality). Initialisation: N(0, 0.01), biases 0,
/// class bias −ln 99.
void addGflHead(Graph& graph, const Features& levels, const GflHeadOptions& options);

}  // namespace hd::nn
