// Damage for the fuzz tests. HDTRAIN_FUZZ_ITERATIONS (default 1000) says how many inputs each of them tries.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "core/rng.h"

namespace hd::io::test {

inline uint64_t fuzzIterations() {
  const char* chosen = std::getenv("HDTRAIN_FUZZ_ITERATIONS");
  return chosen == nullptr ? 1000 : std::strtoull(chosen, nullptr, 10);
}

/// One to four edits: bytes flipped, replaced, removed, repeated or cut off, symbols of the format put in,
/// numbers of one to eight bytes set to extremes. `symbols`: bytes that mean something in the format.
inline std::string mutate(std::string bytes, Random& random, std::string_view symbols) {
  for (uint32_t edits = 1 + random.below(4); edits > 0 && !bytes.empty(); --edits) {
    const size_t at = random.below(static_cast<uint32_t>(bytes.size()));
    const size_t length = std::min<size_t>(1 + random.below(16), bytes.size() - at);
    switch (random.below(8)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(random.below(256));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 4:
        bytes[at] = symbols[random.below(static_cast<uint32_t>(symbols.size()))];
        break;
      case 5:
        bytes.insert(at, 1, symbols[random.below(static_cast<uint32_t>(symbols.size()))]);
        break;
      case 6: {
        static const uint64_t kExtremes[] = {
            0,           1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x100000000, ~uint64_t{0} >> 1,
            ~uint64_t{0}};
        const uint64_t value = kExtremes[random.below(11)];
        std::memcpy(bytes.data() + at, &value, std::min<size_t>(length, 8));
        break;
      }
      default:
        bytes.resize(random.chance(0.2f) ? at : bytes.size());
        break;
    }
  }
  return bytes;
}

}  // namespace hd::io::test
