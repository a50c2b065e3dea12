// The formula by which golden files describe tensors too large to list (goldens/README.md, "Formula"). No
// torch here.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/value.h"

namespace golden {

/// splitmix64 of the state `hash` + `index`.
inline uint64_t formulaBits(uint64_t hash, uint64_t index) {
  uint64_t z = hash + index + 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

/// u in [0, 1), exact in 24 bits, of element `index` of the tensor whose name has the FNV-1a hash `hash`.
inline double formulaUniform(uint64_t hash, uint64_t index) {
  return static_cast<double>(formulaBits(hash, index) >> 40) * 0x1p-24;
}

inline std::vector<int64_t> shapeOf(const hd::Value& value) {
  std::vector<int64_t> shape;
  for (const double n : value.numbers("shape")) shape.push_back(static_cast<int64_t>(n));
  return shape;
}

inline bool endsWith(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

/// Value of one element of a floating-point parameter or buffer, given its u, before any gain.
inline double formulaParameter(const std::string& name, const std::vector<int64_t>& shape, double u) {
  const double s = 2 * u - 1;
  if (shape.size() >= 2) {
    double fanIn = 1;
    for (size_t i = 1; i < shape.size(); ++i) fanIn *= static_cast<double>(shape[i]);
    return s * std::sqrt(6.0 / fanIn);
  }
  if (endsWith(name, "running_mean")) return 0.1 * s;
  if (endsWith(name, "running_var")) return 1 + 0.2 * u;
  if (endsWith(name, "bias")) return 0.1 * s;
  return 1 + 0.1 * s;
}

}  // namespace golden
