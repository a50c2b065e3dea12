// Registration of parts by name: a new backbone, neck or detector is one file with one HD_REGISTER_… line.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/value.h"

namespace hd::nn {

/// Name → factory. Filled before main by static registrations, read-only after.
template <class Factory>
class Registry {
 public:
  explicit Registry(const char* kind) : kind_(kind) {}

  bool add(const std::string& name, Factory factory) {
    return factories_.emplace(name, std::move(factory)).second;
  }

  /// Throws HD_UNKNOWN_PART listing what there is.
  const Factory& get(const std::string& name) const {
    const auto found = factories_.find(name);
    if (found != factories_.end()) return found->second;
    std::string known;
    for (const auto& entry : factories_) known += (known.empty() ? "" : ", ") + entry.first;
    throw Error("HD_UNKNOWN_PART", concat("expected a ", kind_, " (", known, ") but received '", name, "'"));
  }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : factories_) out.push_back(entry.first);
    return out;
  }

 private:
  const char* kind_;
  std::map<std::string, Factory> factories_;
};

}  // namespace hd::nn

/// A name of its own at file scope, also where several files are compiled as one unit.
#define HD_JOIN_TOKENS(a, b) a##b
#define HD_JOIN(a, b) HD_JOIN_TOKENS(a, b)
#define HD_UNIQUE(name) HD_JOIN(name, __COUNTER__)
