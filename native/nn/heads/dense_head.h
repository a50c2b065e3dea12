// Dense heads with box-side distributions: two towers shared by all levels, class logits and four discrete
// distributions an anchor. GFL (Li et al. 2020, arXiv 2006.04388); with `quality` GFL v2, which also
// estimates how good a box is from the shape of its distributions (Li et al. 2021, arXiv 2011.12885, §3.2);
// ATSS, FCOS and RetinaNet by other names, with centerness or without group norm.
#pragma once

#include <string>

#include "nn/backbones/backbone.h"
#include "nn/graph.h"

namespace hd::nn {

struct DenseHeadOptions {
  int64_t classes = 80;
  int64_t anchors = 1;     ///< of a cell
  int64_t convs = 4;       ///< of each tower
  int64_t channels = 256;  ///< of the towers; with group norm a multiple of 32
  int64_t regMax = 16;     ///< distributions have regMax + 1 bins
  bool groupNorm = true;   ///< after each convolution of the towers
  bool towerBias = false;  ///< of the convolutions of the towers
  bool scales = true;      ///< side logits are multiplied by a learned scalar of the level
  bool quality = false;    ///< v2
  std::string cls = "gfl_cls", reg = "gfl_reg";  ///< names of the predictors below bbox_head
  std::string centerness;                        ///< name of the centerness predictor; empty: none
};

/// v2's quality of every cell, N×1×H×W in (0, 1): of each side the four largest probabilities and their mean,
/// through two 1×1 convolutions with a ReLU between and a sigmoid at the end. `reg`: N×4(n+1)×H×W logits.
Tensor distributionQuality(const Tensor& reg, const Tensor& firstWeight, const Tensor& firstBias,
                           const Tensor& secondWeight, const Tensor& secondBias);

/// Adds the head on the levels of a neck. Parameters: bbox_head.{cls,reg}_convs.{i}.{conv.*,gn.*},
/// bbox_head.<cls>.*, bbox_head.<reg>.*, bbox_head.scales.{l}.scale, buffer bbox_head.integral.project. Taps,
/// for each level's suffix (".p3"…): "head.cls_convs.{i}.p3", "head.reg_convs.{i}.p3" (after ReLU),
/// "head.cls.p3" and "head.reg.p3" (see networks.h). With quality: bbox_head.reg_conf.{0,2}.{weight,bias} and
/// taps "head.quality.p3", "head.score.p3" (σ(class logits) · quality). With centerness:
/// bbox_head.<centerness>.* on the box tower and taps "head.centerness.p3" (logits). Initialisation: N(0,
/// 0.01), biases 0, class bias −ln 99.
void addDenseHead(Graph& graph, const Features& levels, const DenseHeadOptions& options);

}  // namespace hd::nn
