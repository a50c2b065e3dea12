// Recipes for transform tests, written as JSON.
#pragma once

#include <string_view>

#include "data/pipeline.h"

namespace fixture {

inline hd::data::Pipeline pipeline(std::string_view json) {
  return hd::data::Pipeline(hd::parseJson(json));
}
inline hd::Random draws(uint64_t position, uint64_t seed = 5) {
  return {seed, "augment", 0, position};
}

}  // namespace fixture
