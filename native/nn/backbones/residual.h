// What ResNet and its relatives share: members of the recipe, named units, four stages of blocks.
//
// Members of `model`: norm train|eval|frozen [train]; frozenStages [−1]: 0 freezes the stem, n the stem and
// layer1…n; style pytorch|caffe [pytorch]: which convolution of a bottleneck strides, the 3×3 or the first
// 1×1; deformable { stages: some of 1…4, version 1|2 [1] } [none]: the stages whose bottlenecks have
// deformable 3×3 convolutions; zeroInitResidual [true]: γ of the last norm of a block starts at 0 (Goyal et
// al. 2017).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "nn/backbones/backbone.h"
#include "nn/layers/conv.h"

namespace hd::nn {

struct ResidualOptions {
  Norm norm = Norm::batchTrain;
  int64_t frozenStages = -1;
  bool strideOnFirst = false;  ///< caffe style
  bool zeroInitResidual = true;
  std::array<int64_t, 5> deformable{};  ///< by stage: version, 0 for plain convolutions

  /// Throws HD_RECIPE_VALUE naming the member.
  static ResidualOptions from(const Value& model);

  /// A convolution without bias and its batch norm; `stage` decides whether it is frozen (0: stem).
  ConvOptions unit(int64_t stage, std::string conv, std::string norm, int64_t in, int64_t out,
                   ConvGeometry geometry, bool relu) const;
};

/// Where a block stands.
struct BlockPlace {
  int64_t stage;  ///< 1…4
  std::string name;
  int64_t in, planes, stride;
  bool first;  ///< of its stage
};
using MakeBlock = std::function<std::unique_ptr<Layer>(const BlockPlace&)>;

/// Stages "backbone.layer1" to 4 after `tap`; a block gives expansion · planes channels.
Features addStages(Graph& graph, std::string tap, int64_t channels, const std::array<int, 4>& blocks,
                   int64_t expansion, const MakeBlock& make);

/// Units that a layer is made of, for its parameters and costs.
class UnitList {
 public:
  ConvUnit& add(ParameterStore& store, ConvOptions options) {
    units_.push_back(std::make_unique<ConvUnit>(store, std::move(options)));
    return *units_.back();
  }
  std::vector<Parameter*> parameters() const {
    std::vector<Parameter*> all;
    for (const auto& unit : units_) {
      for (Parameter* parameter : unit->parameters()) all.push_back(parameter);
    }
    return all;
  }
  bool updateStatistics() const { return units_.front()->updatesStatistics(); }

 private:
  std::vector<std::unique_ptr<ConvUnit>> units_;
};

}  // namespace hd::nn
