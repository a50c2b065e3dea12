// The name that was meant: for errors about a name that stands for nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hd {

/// Levenshtein's: letters to add, drop or change; case aside. Costs the product of the two lengths.
size_t editDistance(std::string_view a, std::string_view b);

/// The candidate that a typing error turns into `name`: nearest by edit distance, the first of equals; ""
/// when none is near.
std::string nearestName(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace hd
