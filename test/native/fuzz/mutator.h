// Damage for hostile-input tests: a pure function of its arguments, so that seed and index repeat an input.
#pragma once

#include <string>
#include <vector>

#include "core/rng.h"

namespace fuzz {

/// No input grows beyond it, whatever is repeated or spliced.
constexpr size_t kMaxInput = size_t{1} << 20;

/// Numbers at which readers break: 0, 1, sign and width limits of 8 to 64 bits, and their neighbours.
const std::vector<uint64_t>& extremes();

/// One to six edits: bits flipped, bytes set, pieces removed, repeated, moved or cut off, tokens put in or
/// written over, numbers (binary of both byte orders, or decimal text) set to extremes or shifted by a
/// little, the tail of `other` put on. Edits fall into the first 64 bytes three times out of ten: headers lie
/// there.
std::string mutate(std::string bytes, const std::string& other, const std::vector<std::string>& tokens,
                   hd::Random& random);

}  // namespace fuzz
