// The first node of a network: pixels to the numbers that it was made for.
#pragma once

#include <array>

#include "nn/graph.h"

namespace hd::nn {

struct NormaliseOptions {
  std::array<double, 3> mean = {123.675, 116.28, 103.53},
                        deviation = {58.395, 57.12, 57.375};  ///< ImageNet, RGB
  bool bgr = false;  ///< the network wants blue first; mean and deviation stand in the network's order
};

/// Inputs: image, N×H×W×3 RGB, uint8 or float (values 0…255 and beyond); valid, integer N×2 (height, width)
/// or undefined. Output: (pixel − mean) / deviation, N×3×H×W in channels_last memory, of the store's working
/// type; exactly 0 outside the valid part (mmdet pads after it normalises). One pass; of bytes through a
/// table of the 3 × 256 possible results.
class Normalise final : public Layer {
 public:
  Normalise(const ParameterStore& store, const NormaliseOptions& options);

  Tensors forward(const Tensors& inputs, Mode mode) override;
  std::vector<Parameter*> parameters() const override { return {}; }

 private:
  const ParameterStore& store_;
  const NormaliseOptions options_;
  Tensor table_;  ///< float64, 3×256
};

}  // namespace hd::nn
