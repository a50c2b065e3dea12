// Feature pyramid network (Lin et al. 2017) in mmdet's form, which covers torchvision's as well.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/backbones/backbone.h"
#include "nn/graph.h"

namespace hd::nn {

/// Where levels beyond the backbone's come from.
enum class ExtraLevels {
  maxPool,    ///< every second cell of the level below
  onInput,    ///< 3×3 stride 2 on the last backbone feature
  onLateral,  ///< … on its lateral convolution
  onOutput,   ///< … on the last output
};
/// "on_input" | "on_lateral" | "on_output" | "max_pool".
ExtraLevels extraLevelsFrom(const std::string& name);

struct FpnOptions {
  int64_t channels = 256;
  size_t startLevel = 1;  ///< first backbone feature used
  size_t levels = 5;      ///< outputs in all
  ExtraLevels extra = ExtraLevels::onOutput;
  bool reluBeforeExtra = false;  ///< before each extra convolution but the first
};

/// Adds lateral 1×1 convolutions, the top-down path (nearest upsampling to the exact finer size, sum) and 3×3
/// output convolutions. Parameters: neck.lateral_convs.{i}.conv.*, neck.fpn_convs.{i}.conv.*. Taps:
/// "neck.inner{k}" (sums) and "neck.p{k}" with stride 2^k. Returns the outputs.
Features addFpn(Graph& graph, const Features& features, const FpnOptions& options);

}  // namespace hd::nn
