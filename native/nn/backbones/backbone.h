// What a backbone gives to a neck, and the registry of backbones: a new one is one file with one
// HD_REGISTER_BACKBONE.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/value.h"
#include "nn/graph.h"
#include "nn/registry.h"

namespace hd::nn {

/// Feature taps from fine to coarse.
struct Features {
  std::vector<std::string> taps;
  std::vector<int64_t> channels;
  std::vector<int64_t> strides;
};

/// Adds the nodes of a backbone to `graph`, reading the tap `input` (normalised N×3×H×W). Parameters and taps
/// start with "backbone.". `model` is the recipe's model section; each backbone reads its own members.
using BackboneFactory = std::function<Features(Graph& graph, const std::string& input, const Value& model)>;
Registry<BackboneFactory>& backboneRegistry();

}  // namespace hd::nn

/// At file scope: HD_REGISTER_BACKBONE(resnet18, "resnet18", factory); the first argument makes the line's
/// name unique.
#define HD_REGISTER_BACKBONE(id, name, ...) \
  [[maybe_unused]] static const bool hdBackbone_##id = ::hd::nn::backboneRegistry().add(name, __VA_ARGS__)
