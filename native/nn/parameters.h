// The tensors of a network by name: the names of the originals' state_dict, so that their weights load by
// name.
//
// Invariants: a Parameter never moves in memory once added (layers keep references). `master` is fp32
// (integers for counters) and is what checkpoints hold. `working` is what layers read: `master` itself in
// fp32, or a low-precision leaf that the optimiser rewrites (design: precision). Buffers are read through
// `working` as well (the engine puts EMA statistics there for evaluation). Layers never write masters;
// running statistics in train mode are the exception.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/rng.h"

namespace hd::nn {

using torch::Tensor;

/// Fills a fresh fp32 tensor; `random` is private to the tensor, so the order of creation does not matter.
using Initializer = std::function<void(Tensor&, Random&)>;

struct Parameter {
  std::string name;
  Tensor master;
  Tensor working;
  bool buffer = false;    ///< running statistics, counters, constants: saved, never optimised
  bool trainable = true;  ///< false when frozen by the recipe; always false for buffers
  bool decay = true;      ///< weight decay applies unless a no-decay group says otherwise (norms and biases:
                          ///< isNorm/isBias)
  bool isNorm = false, isBias = false;
};

class ParameterStore {
 public:
  explicit ParameterStore(uint64_t seed) : seed_(seed) {}
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  /// Adds a trainable tensor. Throws HD_INTERNAL on a duplicate name.
  Parameter& parameter(const std::string& name, at::IntArrayRef shape, const Initializer& init);
  /// Adds a buffer with this value.
  Parameter& buffer(const std::string& name, Tensor value);

  Parameter* find(std::string_view name);
  std::deque<Parameter>& all() { return parameters_; }
  const std::deque<Parameter>& all() const { return parameters_; }

  /// Bumped by whoever changes tensor contents outside the optimiser (loading, EMA swap) or by the optimiser;
  /// prepared (folded, prepacked) weights carry the version that they were made from.
  uint64_t version() const { return version_; }
  /// The part of the version that matters to layers without a trainable tensor: they keep what they prepared
  /// while only the optimiser writes.
  uint64_t frozenVersion() const { return frozenVersion_; }
  /// Any tensor may have changed.
  void touch() { ++version_, ++frozenVersion_; }
  /// Only trainable tensors and running statistics in use have changed: what an optimiser step says.
  void touchTrainable() { ++version_; }

  /// Makes `working` a leaf of `dtype` for every floating parameter (kFloat: the master itself) and sets
  /// requires_grad of the working tensors from `trainable`. Buffers keep their type: statistics stay fp32.
  /// Call it again after changing `trainable`, and after loading while `dtype` is not kFloat; it drops
  /// gradients.
  void setWorking(torch::Dtype dtype);
  /// From now on the network runs as a plan only, in `type` (kFloat or kBFloat16), and its tensors never
  /// change: layers put folded weights in the place of the loaded ones, which are gone then. Folding is done
  /// in fp32 and rounded once. For frozen teachers, which never save their weights.
  void keepPlansOnly(torch::Dtype type = torch::kFloat) {
    plansOnly_ = true;
    workingType_ = type;
  }
  bool plansOnly() const { return plansOnly_; }
  /// The type that layers compute in.
  torch::Dtype workingType() const { return workingType_; }

 private:
  uint64_t seed_;
  uint64_t version_ = 1, frozenVersion_ = 1;
  bool plansOnly_ = false;
  torch::Dtype workingType_ = torch::kFloat;
  std::deque<Parameter> parameters_;
  std::unordered_map<std::string, Parameter*> byName_;
};

// Initialisers by their usual names.
Initializer constant(double value);
Initializer normal(double mean, double deviation);
Initializer kaimingNormalFanOut();  ///< He et al. 2015, mode fan_out, gain for ReLU
Initializer xavierUniform();        ///< Glorot & Bengio 2010

}  // namespace hd::nn
