#include "engine/names.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/nearest.h"

namespace hd::engine {
namespace {

template <class Names>
std::string list(const Names& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string cure(const std::string& given, const std::vector<std::string>& candidates) {
  const std::string nearest = nearestName(given, candidates);
  return nearest.empty() ? "correct it or take it out" : concat("did you mean '", nearest, "'?");
}

/// What people write for parts of a network: its names, "<front>.*" and "*.<end>" for each of their dots.
std::vector<std::string> usualPatterns(const std::vector<std::string>& names) {
  std::set<std::string> out(names.begin(), names.end());
  for (const std::string& name : names) {
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
      out.insert(name.substr(0, dot) + ".*");
      out.insert("*" + name.substr(dot));
    }
  }
  return {out.begin(), out.end()};
}

}  // namespace

void checkLossWeights(const std::vector<std::string>& given, const std::vector<std::string>& terms) {
  for (const std::string& name : given) {
    if (std::find(terms.begin(), terms.end(), name) != terms.end()) continue;
    throw Error("HD_RECIPE_VALUE",
                concat("expected a loss term (", list(terms), ") for train.lossWeights but received '", name,
                       "': ", cure(name, terms)),
                concat("train.lossWeights.", name));
  }
}

void checkPattern(const std::string& pattern, const std::string& field,
                  const std::vector<std::string>& names) {
  if (std::any_of(names.begin(), names.end(),
                  [&](const std::string& name) { return matchesGlob(pattern, name); }))
    return;
  std::set<std::string> parts;
  for (const std::string& name : names) parts.insert(name.substr(0, name.find('.')) + ".*");
  throw Error("HD_RECIPE_VALUE",
              concat("expected names of parameters (", list(parts),
                     "; 'hdtrain inspect --parameters' lists all) for ", field, " but received '", pattern,
                     "', which matches none: ", cure(pattern, usualPatterns(names))),
              field);
}

bool matchesGlob(const std::string& pattern, const std::string& name) {
  size_t p = 0, n = 0, star = std::string::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++p;
      ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (star != std::string::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace hd::engine
