// Names in a recipe that must stand for something: one that matches nothing would silently cost a whole run.
// All throw HD_RECIPE_VALUE with the field, the name that was probably meant, and what there is.
#pragma once

#include <string>
#include <vector>

namespace hd::engine {

/// Refuses loss weights of `given` that are no term. `terms`: the names of all.
void checkLossWeights(const std::vector<std::string>& given, const std::vector<std::string>& terms);

/// Refuses a pattern that matches none of `names`. `field`: where it stands, as train.freeze.0.
void checkPattern(const std::string& pattern, const std::string& field,
                  const std::vector<std::string>& names);

/// '*' matches any run of characters, '?' one; the whole name must match.
bool matchesGlob(const std::string& pattern, const std::string& name);

}  // namespace hd::engine
