// What the formats in JSON share: the tokens of the language.
#pragma once

#include <string>
#include <vector>

namespace fuzz {

/// Tokens of JSON, numbers and texts at its edges, and `own` ones of a format.
inline std::vector<std::string> jsonTokens(const std::vector<std::string>& own) {
  std::vector<std::string> tokens = {
      "{",        "}",    "[",      "]", ",",       ":",       "\"", "null",
      "true",     "NaN",  "1e999",  "-", "\\u0000", "\\ud800", "\\", "\xEF\xBB\xBF",
      "\xC0\x80", "[[[[", "{\"a\":"};
  tokens.insert(tokens.end(), own.begin(), own.end());
  return tokens;
}

}  // namespace fuzz
