#include "io/crc32.h"

#include <doctest/doctest.h>

#include <string>

#include "core/rng.h"

using hd::io::crc32;

namespace {

/// Bit by bit, as the polynomial division is defined.
uint32_t reference(const std::string& bytes) {
  uint32_t value = 0xFFFFFFFFu;
  for (const char byte : bytes) {
    value ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (0xEDB88320u & (0u - (value & 1)));
  }
  return ~value;
}

}  // namespace

TEST_CASE("crc32: known values") {
  CHECK(crc32("", 0) == 0);
  CHECK(crc32("123456789", 9) == 0xCBF43926u);
  CHECK(crc32("The quick brown fox jumps over the lazy dog", 43) == 0x414FA339u);
}

TEST_CASE("crc32: equals bitwise division at every length and start, whole or in pieces") {
  hd::Random random(1, "crc", 0, 0);
  for (size_t length = 0; length < 70; ++length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.below(256));
    const uint32_t expected = reference(bytes);
    CHECK(crc32(bytes.data(), length) == expected);
    const std::string shifted = "x" + bytes;
    CHECK(crc32(shifted.data() + 1, length) == expected);
    const size_t cut = length == 0 ? 0 : random.below(static_cast<uint32_t>(length));
    CHECK(crc32(bytes.data() + cut, length - cut, crc32(bytes.data(), cut)) == expected);
  }
}

TEST_CASE("crc32: every single flipped bit changes it") {
  std::string bytes(64, 'a');
  const uint32_t before = crc32(bytes.data(), bytes.size());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    CHECK(crc32(bytes.data(), bytes.size()) != before);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
}
