// A network is a graph of named nodes. `run` executes exactly the ancestors of the wanted taps.
//
// Invariants: nodes are added in execution order (an input must exist already), so the order of addition is a
// valid schedule. A tap is the name of one output of one node (or an alias of it). Outputs that no later
// wanted node needs are dropped while running, so a plan run never holds more than its live set.
#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/parameters.h"

namespace hd::nn {

enum class Mode {
  train,   ///< autograd; norms as the recipe says
  frozen,  ///< parameters fixed, gradients flow to the input (norms use running statistics)
  plan,    ///< no gradient: folded, prepacked, fused; asserts that its input needs none
};

using Tensors = std::vector<Tensor>;

/// What a node computes. Holds references to its parameters; has no other state than prepared weights.
class Layer {
 public:
  virtual ~Layer() = default;
  /// One tensor per output name of the node. Feature maps are NCHW in channels_last memory.
  virtual Tensors forward(const Tensors& inputs, Mode mode) = 0;
  /// Every parameter that forward reads (for freezing, pruning of unused ones, and the plan of frozen
  /// prefixes).
  virtual std::vector<Parameter*> parameters() const = 0;
  /// True when forward in Mode::train also changes buffers or depends on the batch (BN in train mode).
  virtual bool updatesStatistics() const { return false; }
  /// Multiply-adds of one forward for these input shapes; 0 for element-wise work.
  virtual int64_t multiplyAdds(const std::vector<std::vector<int64_t>>& inputShapes) const { return 0; }
};

/// What `inspect` lists of a tap.
struct TapInfo {
  std::string name;
  std::vector<int64_t> shape;  ///< for the canvas that was asked for, batch 1
  int stride = 0;              ///< canvas pixels per cell; 0 where it makes no sense
  std::string describes;       ///< one sentence: before or after activation and scale, layout
};

class Graph {
 public:
  explicit Graph(uint64_t seed);

  ParameterStore& parameters() { return store_; }
  const ParameterStore& parameters() const { return store_; }

  /// Adds a node with several outputs; inputs are taps, or "image" and "valid", the two inputs of `run`.
  /// `describes` is kept for `inspect` (same length as outputs, or one for all).
  void add(std::vector<std::string> outputs, std::unique_ptr<Layer> layer, std::vector<std::string> inputs,
           std::vector<std::string> describes = {});
  void alias(const std::string& name, const std::string& tap);
  bool has(const std::string& tap) const;
  std::vector<std::string> taps() const;

  /// Runs the ancestors of `wanted` on `input` (tap "image": uint8, or float of the same scale, N×H×W×3, any
  /// strides). `validSizes` (tap "valid"): int64 N×2, height and width of the part of each image that is no
  /// padding; undefined: everything is valid. The first node (normalise) writes exact zeros outside it, as if
  /// padding came after normalisation. Result in the order of `wanted`. In Mode::train a prefix whose
  /// parameters are all frozen, whose layers keep no statistics and whose inputs need no gradient runs as a
  /// plan. Throws HD_UNKNOWN_TAP with the nearest tap.
  Tensors run(const Tensor& input, const std::vector<std::string>& wanted, Mode mode,
              const Tensor& validSizes = {});

  /// As above, with tensors that stand in for what their taps would compute; only what is still needed then
  /// runs. In Mode::plan nothing may need a gradient.
  Tensors run(const Tensor& input, const std::vector<std::string>& wanted, Mode mode,
              const Tensor& validSizes, const std::map<std::string, Tensor>& given);

  /// The parameters that `wanted` depend on, in the order of the store.
  std::vector<Parameter*> reached(const std::vector<std::string>& wanted) const;

  /// Shapes and multiply-adds for one canvas, found by a plan run on zeros with batch 1.
  std::vector<TapInfo> describe(int64_t height, int64_t width, int64_t* multiplyAdds);

 private:
  struct Node;
  using Place = std::pair<int, int>;  // node, output
  std::vector<char> ancestors(const std::vector<std::string>& wanted,
                              const std::map<Place, Tensor>& given = {}) const;

  ParameterStore store_;
  std::vector<std::shared_ptr<Node>> nodes_;
  std::map<std::string, Place> outputs_;
};

}  // namespace hd::nn
