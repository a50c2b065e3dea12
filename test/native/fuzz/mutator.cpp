#include "mutator.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace fuzz {
namespace {

uint32_t sizeOf(const std::string& bytes) {
  return static_cast<uint32_t>(bytes.size());
}

/// Where an edit begins; `bytes` is not empty.
size_t placeIn(const std::string& bytes, hd::Random& random) {
  return random.below(random.chance(0.3f) ? std::min(64u, sizeOf(bytes)) : sizeOf(bytes));
}

/// Short pieces mostly, long ones now and then.
size_t pieceAt(const std::string& bytes, size_t at, hd::Random& random) {
  const uint32_t longest = random.chance(0.1f) ? sizeOf(bytes) : 16;
  return std::min<size_t>(1 + random.below(longest), bytes.size() - at);
}

/// A number of 1, 2, 4 or 8 bytes in either byte order: set to an extreme, or shifted by at most four.
void editNumber(std::string& bytes, size_t at, hd::Random& random) {
  const size_t width = size_t{1} << random.below(4);
  if (at + width > bytes.size()) return;
  const bool swapped = random.chance(0.5f);
  std::array<char, 8> place{};
  std::copy_n(bytes.begin() + static_cast<int64_t>(at), width, place.begin());
  if (swapped) std::reverse(place.begin(), place.begin() + static_cast<int64_t>(width));
  uint64_t value = 0;
  std::memcpy(&value, place.data(), sizeof value);
  if (random.chance(0.6f)) {
    value = extremes()[random.below(static_cast<uint32_t>(extremes().size()))];
  } else {
    value += random.below(9) - uint64_t{4};
  }
  std::memcpy(place.data(), &value, sizeof value);
  if (swapped) std::reverse(place.begin(), place.begin() + static_cast<int64_t>(width));
  std::copy_n(place.begin(), width, bytes.begin() + static_cast<int64_t>(at));
}

/// The first run of digits at or behind `at` becomes another number, as text.
void editDigits(std::string& bytes, size_t at, hd::Random& random) {
  const auto isDigit = [](char symbol) { return symbol >= '0' && symbol <= '9'; };
  const auto begin = std::find_if(bytes.begin() + static_cast<int64_t>(at), bytes.end(), isDigit);
  const auto end = std::find_if_not(begin, bytes.end(), isDigit);
  if (begin == end) return;
  static const std::vector<std::string> kTexts = {"-1",   "1e308",   "-0.0", "1e-320",
                                                  "0.5",  "1e999",   "007",  "99999999999999999999999999",
                                                  "0x10", "1000000", "",     "9007199254740993"};
  const uint32_t choice = random.below(static_cast<uint32_t>(kTexts.size() + extremes().size()));
  const size_t first = static_cast<size_t>(begin - bytes.begin()), length = static_cast<size_t>(end - begin);
  bytes.replace(first, length,
                choice < kTexts.size() ? kTexts[choice] : std::to_string(extremes()[choice - kTexts.size()]));
}

void repeat(std::string& bytes, size_t at, size_t length, hd::Random& random) {
  const std::string piece = bytes.substr(at, length);
  const uint32_t times = random.chance(0.05f) ? 1 + random.below(3000) : 1 + random.below(3);
  std::string copies;
  for (uint32_t i = 0; i < times && bytes.size() + copies.size() + length <= kMaxInput; ++i) copies += piece;
  bytes.insert(at, copies);
}

void edit(std::string& bytes, const std::string& other, const std::vector<std::string>& tokens,
          hd::Random& random) {
  const size_t at = placeIn(bytes, random), length = pieceAt(bytes, at, random);
  const auto token = [&] { return tokens[random.below(static_cast<uint32_t>(tokens.size()))]; };
  switch (random.below(14)) {
    case 0:
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      return;
    case 2:
      bytes[at] = static_cast<char>(random.below(256));
      return;
    case 3:
      bytes.erase(at, length);
      return;
    case 4:
      repeat(bytes, at, length, random);
      return;
    case 5: {
      const std::string piece = bytes.substr(at, length);
      bytes.erase(at, length);
      bytes.insert(random.below(sizeOf(bytes) + 1), piece);
      return;
    }
    case 6:
    case 7:
      if (!tokens.empty()) bytes.insert(at, token());
      return;
    case 8:
      if (!tokens.empty()) {
        const std::string over = token();
        bytes.replace(at, std::min(over.size(), bytes.size() - at), over);
      }
      return;
    case 9:
    case 10:
      editNumber(bytes, at, random);
      return;
    case 11:
      editDigits(bytes, at, random);
      return;
    case 12:
      bytes.replace(at, std::string::npos, other, std::min(placeIn(other + '.', random), other.size()),
                    std::string::npos);
      return;
    default:
      if (random.chance(0.3f)) bytes.resize(at);
      return;
  }
}

}  // namespace

const std::vector<uint64_t>& extremes() {
  static const std::vector<uint64_t> kExtremes = [] {
    std::vector<uint64_t> out = {0, 1, 2, 100'000'001, uint64_t{1} << 53};
    for (const int bits : {7, 8, 15, 16, 31, 32, 63}) {
      const uint64_t power = uint64_t{1} << bits;
      out.insert(out.end(), {power - 1, power, power + 1});
    }
    out.push_back(~uint64_t{0});
    return out;
  }();
  return kExtremes;
}

std::string mutate(std::string bytes, const std::string& other, const std::vector<std::string>& tokens,
                   hd::Random& random) {
  const uint32_t edits = random.chance(0.5f) ? 1 : 1 + random.below(6);
  for (uint32_t i = 0; i < edits && !bytes.empty(); ++i) edit(bytes, other, tokens, random);
  if (bytes.size() > kMaxInput) bytes.resize(kMaxInput);
  return bytes;
}

}  // namespace fuzz
