// Loading weights by name: hdtrain's own files, mmdet GFL checkpoints, torchvision classification networks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "nn/parameters.h"

namespace hd::nn {

enum class MatchMode {
  strict,    ///< every tensor of the network is in the file and nothing else is
  backbone,  ///< the same for "backbone.*"; other tensors of the file (neck, head, classifier) are left out
};

struct MatchReport {
  struct WrongShape {
    std::string name;
    std::vector<int64_t> file, model;
  };
  std::vector<std::string> matched;  ///< names of the network, in its order
  std::vector<std::string> missing;  ///< of the network (in mode backbone: of its backbone), not in the file
  std::vector<std::string> unexpected;  ///< of the file, that the network has no place for
  std::vector<WrongShape> wrongShape;
};

/// From a name in the file to a name in the network; "" drops the tensor.
using NameMap = std::function<std::string(const std::string&)>;

/// Strips "state_dict." and "module."; names without a known part in front (conv1, bn1, stem, layer1…4: a
/// torchvision ResNet, a Res2Net) get "backbone."; its classifier (fc.*) is dropped.
std::string usualName(const std::string& name);

/// Copies the tensors of `file` into masters and working copies and touches the store. Nothing is written
/// unless everything may be. `num_batches_tracked` may be missing, in mode backbone also the offsets of
/// deformable convolutions, which then stay as they are. Integer and floating types convert. `path`
/// is for messages. Throws HD_WEIGHTS_MISMATCH when anything is missing, unexpected or of another shape (in
/// mode backbone: of the names that start with "backbone."), so a returned report has only matches;
/// HD_WEIGHTS_NONFINITE for NaN or infinity, HD_WEIGHTS_ZERO for an all-zero weight of two or more dimensions
/// (an interrupted or wrongly exported file).
MatchReport loadWeights(ParameterStore& store, const io::TensorFile& file, MatchMode mode,
                        const std::string& path = {}, const NameMap& nameMap = usualName);

}  // namespace hd::nn
