#include "data/rle.h"

namespace hd::data {

std::string packRle(std::span<const uint32_t> counts) {
  std::string text;
  for (size_t i = 0; i < counts.size(); ++i) {
    int64_t rest = counts[i];
    if (i > 2) rest -= counts[i - 2];
    for (bool more = true; more;) {
      int symbol = static_cast<int>(rest & 31);
      rest >>= 5;
      // Done when what remains is only the sign that bit 4 of this group already tells.
      more = (symbol & 16) != 0 ? rest != -1 : rest != 0;
      if (more) symbol |= 32;
      text.push_back(static_cast<char>(symbol + '0'));
    }
  }
  return text;
}

std::optional<std::vector<uint32_t>> unpackRle(std::string_view text) {
  constexpr int maxShift = 35;  // seven groups hold any difference of two 32-bit runs
  std::vector<uint32_t> counts;
  for (size_t i = 0; i < text.size();) {
    int64_t value = 0;
    for (int shift = 0;; shift += 5) {
      if (i == text.size() || shift >= maxShift) return std::nullopt;
      const int symbol = static_cast<unsigned char>(text[i++]) - '0';
      if (symbol < 0 || symbol > 63) return std::nullopt;
      value |= static_cast<int64_t>(symbol & 31) << shift;
      if ((symbol & 32) != 0) continue;
      if ((symbol & 16) != 0) value -= int64_t{1} << (shift + 5);
      break;
    }
    if (counts.size() > 2) value += counts[counts.size() - 2];
    if (value < 0 || value > UINT32_MAX) return std::nullopt;
    counts.push_back(static_cast<uint32_t>(value));
  }
  return counts;
}

}  // namespace hd::data
