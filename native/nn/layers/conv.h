// The central primitive of every network here: convolution, normalisation, residual sum, ReLU.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/graph.h"
#include "nn/layers/packed.h"

namespace hd::nn {

enum class Norm {
  none,
  batchTrain,   ///< batch statistics in Mode::train (momentum 0.1); running statistics in the other modes
  batchEval,    ///< running statistics always; γ and β are trained
  batchFrozen,  ///< running statistics always; γ and β are fixed
  group,        ///< 32 groups
};
/// "train" | "eval" | "frozen" of a recipe.
Norm batchNormFrom(const std::string& name);

struct ConvOptions {
  std::string conv;  ///< "<conv>.weight" and, with `bias`, "<conv>.bias"
  std::string norm;  ///< "<norm>.weight", "<norm>.bias" and, for batch norms, the running statistics
  int64_t in = 0, out = 0;
  ConvGeometry geometry;
  bool bias = false;
  Norm normKind = Norm::none;
  bool relu = false;
  bool trainable = true;  ///< false: all parameters frozen, batch norms use running statistics
  /// 1 or 2: version of deformable convolution (ops/deform_conv.h), whose offsets (and mask) the convolution
  /// "<conv>.conv_offset" predicts from the same input; it starts at 0. 0: a plain one.
  int64_t deformable = 0;
  Initializer initial = kaimingNormalFanOut();
  double initialBias = 0, initialNormWeight = 1;
};

/// y = relu?(norm?(conv(x)) + residual?). As a layer: n inputs → n outputs through the same weights (levels
/// of a pyramid). Parameters are added to the store on construction, in the order of the originals.
///
/// Running statistics move only in Mode::train with gradients enabled, so a no-gradient forward in
/// Mode::train shows the same values and changes nothing. Batch statistics are per level.
class ConvUnit final : public Layer {
 public:
  ConvUnit(ParameterStore& store, ConvOptions options);

  Tensors forward(const Tensors& levels, Mode mode) override;
  Tensor forward(const Tensor& x, Mode mode, const Tensor& residual = {});
  std::vector<Parameter*> parameters() const override;
  bool updatesStatistics() const override {
    return options_.trainable && options_.normKind == Norm::batchTrain;
  }
  int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& inputShapes) const override;
  /// The shape of forward's result for one input shape.
  std::vector<int64_t> outputShape(const std::vector<int64_t>& input) const;

 private:
  void requireMode(Mode mode) const;
  bool batchNorm() const { return options_.normKind != Norm::none && options_.normKind != Norm::group; }
  Tensors train(const Tensors& levels, const Tensor& residual);
  Tensors fixed(const Tensors& levels, const Tensor& residual, Mode mode);
  Tensors plan(const Tensors& levels, const Tensor& residual, bool relu);
  Tensors deform(const Tensors& levels, const Tensor& weight, const Tensor& bias, Mode mode);
  Tensor finish(Tensor y, const Tensor& residual) const;
  Tensor batchStatistics(const Tensor& y);
  /// The weights with running statistics folded in, as constants of the present version; makes them when
  /// stale.
  void prepare();

  ParameterStore& store_;
  ConvOptions options_;
  Parameter *weight_ = nullptr, *bias_ = nullptr, *gamma_ = nullptr, *beta_ = nullptr;
  Parameter *mean_ = nullptr, *variance_ = nullptr, *tracked_ = nullptr;
  std::unique_ptr<ConvUnit> offsets_;  ///< of a deformable convolution
  std::pair<uint64_t, bool> prepared_ = {
      0, false};  ///< version that was prepared, and whether of a trainable layer
  Tensor preparedWeight_, preparedBias_;
  std::optional<PackedConvolution> packed_;
};

}  // namespace hd::nn
