#include "nn/graph.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/nearest.h"

namespace hd::nn {
namespace {

constexpr int graphInput = -1;  // the "node" of the taps "image" (output 0) and "valid" (output 1)

template <class Outputs>
[[noreturn]] void throwUnknownTap(const std::string& tap, const Outputs& outputs) {
  std::string nearest;
  size_t best = std::string::npos;
  for (const auto& [name, place] : outputs) {
    if (const size_t edits = editDistance(tap, name); edits < best) best = edits, nearest = name;
  }
  throw Error("HD_UNKNOWN_TAP",
              concat("expected the name of a tap of this network but received '", tap, "'; the nearest is '",
                     nearest, "' ('hdtrain inspect' lists all)"),
              tap);
}

template <class Outputs>
std::pair<int, int> resolve(const std::string& tap, const Outputs& outputs) {
  const auto found = outputs.find(tap);
  if (found == outputs.end()) throwUnknownTap(tap, outputs);
  return found->second;
}

/// Canvas pixels per cell of a map that strided convolutions made (each rounds up); 0 when no power of two
/// fits.
int strideOf(at::IntArrayRef map, int64_t height, int64_t width) {
  if (map.size() != 4) return 0;
  for (int64_t stride = 1; stride <= std::max(height, width); stride *= 2) {
    if ((height + stride - 1) / stride == map[2] && (width + stride - 1) / stride == map[3])
      return static_cast<int>(stride);
  }
  return 0;
}

}  // namespace

struct Graph::Node {
  std::vector<std::string> outputs, describes;
  std::unique_ptr<Layer> layer;
  std::vector<std::pair<int, int>> inputs;
};

Graph::Graph(uint64_t seed) : store_(seed) {
  outputs_["image"] = {graphInput, 0};
  outputs_["valid"] = {graphInput, 1};
}

void Graph::add(std::vector<std::string> outputs, std::unique_ptr<Layer> layer,
                std::vector<std::string> inputs, std::vector<std::string> describes) {
  require(describes.empty() || describes.size() == 1 || describes.size() == outputs.size(), "node '",
          outputs.empty() ? "" : outputs[0], "' has ", outputs.size(), " outputs and ", describes.size(),
          " descriptions");
  auto node = std::make_shared<Node>();
  for (const std::string& input : inputs) node->inputs.push_back(resolve(input, outputs_));
  const int index = static_cast<int>(nodes_.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const bool fresh = outputs_.emplace(outputs[i], std::pair{index, static_cast<int>(i)}).second;
    require(fresh, "tap '", outputs[i], "' is added twice");
  }
  if (describes.empty()) describes.emplace_back();
  describes.resize(outputs.size(), describes[0]);
  node->outputs = std::move(outputs);
  node->describes = std::move(describes);
  node->layer = std::move(layer);
  nodes_.push_back(std::move(node));
}

void Graph::alias(const std::string& name, const std::string& tap) {
  const bool fresh = outputs_.emplace(name, resolve(tap, outputs_)).second;
  require(fresh, "tap '", name, "' is added twice");
}

bool Graph::has(const std::string& tap) const {
  return outputs_.find(tap) != outputs_.end();
}

std::vector<std::string> Graph::taps() const {
  std::vector<std::string> names;
  for (const auto& node : nodes_) names.insert(names.end(), node->outputs.begin(), node->outputs.end());
  return names;
}

std::vector<char> Graph::ancestors(const std::vector<std::string>& wanted,
                                   const std::map<Place, Tensor>& given) const {
  std::vector<char> needed(nodes_.size(), 0);
  const auto need = [&](const Place& place) {
    if (place.first != graphInput && given.count(place) == 0) needed[static_cast<size_t>(place.first)] = 1;
  };
  for (const std::string& tap : wanted) need(resolve(tap, outputs_));
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (needed[i]) std::for_each(nodes_[i]->inputs.begin(), nodes_[i]->inputs.end(), need);
  }
  return needed;
}

Tensors Graph::run(const Tensor& input, const std::vector<std::string>& wanted, Mode mode,
                   const Tensor& validSizes) {
  return run(input, wanted, mode, validSizes, {});
}

Tensors Graph::run(const Tensor& input, const std::vector<std::string>& wanted, Mode mode,
                   const Tensor& validSizes, const std::map<std::string, Tensor>& given) {
  std::map<Place, Tensor> standIns;
  for (const auto& [tap, tensor] : given) standIns[resolve(tap, outputs_)] = tensor;
  const std::vector<char> needed = ancestors(wanted, standIns);
  std::vector<std::pair<int, int>> results;
  for (const std::string& tap : wanted) results.push_back(resolve(tap, outputs_));

  // How many readers each output still has: at zero it is dropped.
  std::vector<std::vector<int>> readers(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) readers[i].assign(nodes_[i]->outputs.size(), 0);
  const auto count = [&](const std::pair<int, int>& place) {
    if (place.first != graphInput && standIns.count(place) == 0)
      ++readers[static_cast<size_t>(place.first)][static_cast<size_t>(place.second)];
  };
  for (const auto& place : results) count(place);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (needed[i]) std::for_each(nodes_[i]->inputs.begin(), nodes_[i]->inputs.end(), count);
  }

  std::vector<Tensors> values(nodes_.size());
  const auto read = [&](const std::pair<int, int>& place) -> Tensor {
    if (const auto standIn = standIns.find(place); standIn != standIns.end()) return standIn->second;
    if (place.first == graphInput) return place.second == 0 ? input : validSizes;
    const auto node = static_cast<size_t>(place.first), output = static_cast<size_t>(place.second);
    if (--readers[node][output] > 0) return values[node][output];
    return std::move(values[node][output]);
  };

  // A node of a training run is fixed when nothing that it computes can change or ask for a gradient.
  std::vector<char> fixed(nodes_.size(), 0);
  const auto isFixed = [&](const Node& node) {
    return !node.layer->updatesStatistics() &&
           std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](const auto& place) {
                         if (const auto standIn = standIns.find(place); standIn != standIns.end())
                           return !standIn->second.requires_grad();
                         return place.first == graphInput ? place.second == 1 || !input.requires_grad()
                                                          : fixed[static_cast<size_t>(place.first)] != 0;
                       }) &&
           [parameters = node.layer->parameters()] {
             return std::none_of(parameters.begin(), parameters.end(),
                                 [](const Parameter* p) { return p->trainable; });
           }();
  };

  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!needed[i]) continue;
    Node& node = *nodes_[i];
    fixed[i] = mode == Mode::train && isFixed(node);
    const Mode own = fixed[i] ? Mode::plan : mode;
    Tensors inputs;
    for (const auto& place : node.inputs) inputs.push_back(read(place));
    if (own == Mode::plan) {
      for (const Tensor& tensor : inputs) {
        require(!tensor.defined() || !tensor.requires_grad(), "tap '", node.outputs[0],
                "' runs as a plan, but its input needs a gradient; run it in mode 'frozen'");
      }
      const at::NoGradGuard guard;
      values[i] = node.layer->forward(inputs, own);
    } else {
      values[i] = node.layer->forward(inputs, own);
    }
    require(values[i].size() == node.outputs.size(), "layer of tap '", node.outputs[0], "' made ",
            values[i].size(), " outputs, expected ", node.outputs.size());
    for (size_t output = 0; output < values[i].size(); ++output) {
      if (readers[i][output] == 0) values[i][output] = Tensor();
    }
  }

  Tensors out;
  for (const auto& place : results) out.push_back(read(place));
  return out;
}

std::vector<Parameter*> Graph::reached(const std::vector<std::string>& wanted) const {
  const std::vector<char> needed = ancestors(wanted);
  std::set<const Parameter*> found;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!needed[i]) continue;
    for (const Parameter* parameter : nodes_[i]->layer->parameters()) found.insert(parameter);
  }
  std::vector<Parameter*> ordered;
  // The store is reachable through the layers as non-const anyway; `reached` itself changes nothing.
  for (Parameter& parameter : const_cast<ParameterStore&>(store_).all()) {
    if (found.count(&parameter) != 0) ordered.push_back(&parameter);
  }
  return ordered;
}

std::vector<TapInfo> Graph::describe(int64_t height, int64_t width, int64_t* multiplyAdds) {
  const at::NoGradGuard guard;
  const Tensor image = at::zeros({1, height, width, 3}, at::kByte);
  const std::vector<std::string> names = taps();
  const Tensors values = run(image, names, Mode::plan);
  std::map<std::pair<int, int>, std::vector<int64_t>> shapes = {{{graphInput, 0}, image.sizes().vec()},
                                                                {{graphInput, 1}, {1, 2}}};
  std::vector<TapInfo> infos;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto place = resolve(names[i], outputs_);
    shapes[place] = values[i].sizes().vec();
    infos.push_back({names[i], shapes[place], strideOf(values[i].sizes(), height, width),
                     nodes_[static_cast<size_t>(place.first)]->describes[static_cast<size_t>(place.second)]});
  }
  if (multiplyAdds != nullptr) {
    *multiplyAdds = 0;
    for (const auto& node : nodes_) {
      std::vector<std::vector<int64_t>> inputs;
      for (const auto& place : node->inputs) inputs.push_back(shapes[place]);
      *multiplyAdds += node->layer->multiplyAdds(inputs);
    }
  }
  return infos;
}

}  // namespace hd::nn
