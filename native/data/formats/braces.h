// Names of numbered files written as one: train-{000..012}.tar.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hd::data {

/// "{a..b}" counts from a to b, up or down, with as many digits as the longer of both has where one begins
/// with 0; "{a,b,…}" are alternatives. Several groups give every combination, the last one changing fastest;
/// braces that hold neither stay as they are. Throws HD_DATA_SHARD beyond a million names.
std::vector<std::string> expandBraces(const std::string& pattern);

/// The pattern that expands to exactly these names in this order, when they differ in one run of digits that
/// counts up by 1; else the names themselves.
std::vector<std::string> foldBraces(const std::vector<std::string>& names);

}  // namespace hd::data
