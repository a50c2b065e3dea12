// A 128-bit hash of content, to recognise equal pictures and files. Not for hostile input: two contents that
// someone builds to collide may do so; for others the chance is 2^-64 at four thousand million of them.
//
// Two lanes of 64 bits read the same words and mix them by different odd multipliers (the scheme of FNV with
// words for bytes and a shift, so that high bits reach low ones); a murmur-like finish ties them together.
// The values stand in file names: they may never change.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace hd {

class ContentHash {
 public:
  ContentHash& add(const void* data, size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
      uint64_t word;
      std::memcpy(&word, bytes + i, 8);
      mix(word);
    }
    uint64_t rest = 0;
    std::memcpy(&rest, bytes + i, size - i);
    mix(rest);
    mix(size);  // so that zeros at the end count, and pieces do not run into each other
    return *this;
  }
  ContentHash& add(std::string_view text) { return add(text.data(), text.size()); }
  ContentHash& add(int64_t value) { return add(&value, sizeof(value)); }

  /// 32 hexadecimal digits.
  std::string hex() const {
    const uint64_t a = finish(a_ ^ (b_ >> 31)), b = finish(b_ + a);
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (const uint64_t half : {a, b}) {
      for (int shift = 60; shift >= 0; shift -= 4) out += digits[(half >> shift) & 15];
    }
    return out;
  }

 private:
  void mix(uint64_t word) {
    a_ = (a_ ^ word) * 0x9E3779B97F4A7C15ull;
    a_ ^= a_ >> 29;
    b_ = (b_ + word) * 0xC2B2AE3D27D4EB4Full;
    b_ ^= b_ >> 32;
  }
  static uint64_t finish(uint64_t value) {
    value = (value ^ (value >> 33)) * 0xFF51AFD7ED558CCDull;
    value = (value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53ull;
    return value ^ (value >> 33);
  }

  uint64_t a_ = 0x243F6A8885A308D3ull, b_ = 0x13198A2E03707344ull;
};

}  // namespace hd
