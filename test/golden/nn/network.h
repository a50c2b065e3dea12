// A network under golden test: features or images fed as they are, parameters by formula under the original's
// names.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "nn/backbones/backbone.h"
#include "tensors.h"

namespace golden {

using hd::Value;
using hd::nn::Graph;
using hd::nn::Mode;

/// Stands in for the layers before the tested part.
struct Feed final : hd::nn::Layer {
  explicit Feed(hd::nn::Tensors given) : tensors(std::move(given)) {}
  hd::nn::Tensors forward(const hd::nn::Tensors&, Mode) override { return tensors; }
  std::vector<hd::nn::Parameter*> parameters() const override { return {}; }
  hd::nn::Tensors tensors;
};

/// From the network's name to the original's.
using Rename = std::function<std::string(const std::string&)>;

inline bool isCounter(const std::string& name) {
  return endsWith(name, "num_batches_tracked");
}

inline void fillByFormula(Graph& graph, const Value& formula, const Rename& rename) {
  for (hd::nn::Parameter& parameter : graph.parameters().all()) {
    fillParameter(parameter.master, rename(parameter.name), formula);
  }
  graph.parameters().touch();
}

/// Sum of elements over parameters (not buffers) that `counts` accepts.
template <class Predicate>
int64_t countElements(Graph& graph, const Predicate& counts) {
  int64_t total = 0;
  for (const hd::nn::Parameter& parameter : graph.parameters().all()) {
    if (counts(parameter)) total += parameter.master.numel();
  }
  return total;
}

/// [[name, shape], …] in order against the network's tensors; counters are left out when the original has
/// none.
inline void checkStateDict(Checker& check, Graph& graph, const Value& expected, const Rename& rename,
                           bool counters, bool mayBeLonger = false) {
  const auto& entries = expected.asArray();
  size_t i = 0;
  for (const hd::nn::Parameter& parameter : graph.parameters().all()) {
    if (!counters && isCounter(parameter.name)) continue;
    if (i >= entries.size()) {
      check.truth(mayBeLonger, "more tensors than the original: " + parameter.name);
      return;
    }
    const auto& entry = entries[i++].asArray();
    check.equal(rename(parameter.name), entry[0].asString(), "state_dict name");
    std::vector<int64_t> shape;
    for (const Value& side : entry[1].asArray()) shape.push_back(side.asInt());
    check.truth(parameter.master.sizes() == at::IntArrayRef(shape), "shape of " + parameter.name);
  }
}

/// Norms of parameter gradients by the original's names.
inline void checkGradients(Checker& check, Graph& graph, const Value& expected, const Value& tolerance,
                           const Rename& rename, std::map<std::string, torch::Tensor> others = {}) {
  for (const hd::nn::Parameter& parameter : graph.parameters().all())
    others[rename(parameter.name)] = parameter.working;
  for (const auto& [name, norm] : expected.at("l2").asObject()) {
    const auto found = others.find(name);
    if (!check.truth(found != others.end() && found->second.grad().defined(),
                     "gradient of " + name + " is missing"))
      continue;
    check.close(found->second.grad().norm().item<double>(), norm.asNumber(), toleranceOf(tolerance),
                "gradient of " + name);
  }
}

}  // namespace golden
