// Reading one entry of a recipe's `distill` list.
#pragma once

#include <cmath>
#include <initializer_list>
#include <string>

#include "core/error.h"
#include "core/value.h"

namespace hd::distill {

template <class Received>
[[noreturn]] void refuseOption(const char* key, const std::string& expected, const Received& received) {
  throw Error(
      "HD_RECIPE_VALUE",
      concat("expected ", expected, " for distill.", key, " but received ", received, ": mend the recipe"),
      concat("distill.", key));
}

/// A member that is one of a few words.
inline std::string choice(const Value& transfer, const char* key, const char* fallback,
                          std::initializer_list<const char*> words) {
  std::string value = transfer.get(key, fallback), list;
  for (const char* word : words) {
    if (value == word) return value;
    list += (list.empty() ? "" : ", ") + std::string(word);
  }
  refuseOption(key, "one of " + list, value);
}

/// A number in [least, most].
inline double within(const Value& transfer, const char* key, double fallback, double least, double most) {
  const double value = transfer.get(key, fallback);
  if (!(value >= least && value <= most))
    refuseOption(key, concat("a number from ", least, " to ", most), value);
  return value;
}

/// A number above 0.
inline double positive(const Value& transfer, const char* key, double fallback) {
  const double value = transfer.get(key, fallback);
  if (!(value > 0) || !std::isfinite(value)) refuseOption(key, "a number above 0", value);
  return value;
}

}  // namespace hd::distill
