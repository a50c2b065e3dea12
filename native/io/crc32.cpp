#include "io/crc32.h"

#include <array>
#include <cstring>

namespace hd::io {
namespace {

using Table = std::array<uint32_t, 256>;

// table[k][b]: the effect of byte b standing k bytes before the end of an eight-byte word ("slicing by
// eight", Kounavis and Berry 2005): one word a step instead of one byte, or large checkpoints would wait on
// their checksums.
constexpr std::array<Table, 8> makeTables() {
  std::array<Table, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0xEDB88320u : 0u);
    tables[0][byte] = value;
  }
  for (size_t slice = 1; slice < 8; ++slice) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 255];
    }
  }
  return tables;
}

constexpr std::array<Table, 8> kTables = makeTables();

}  // namespace

uint32_t crc32(const void* data, size_t size, uint32_t previous) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  uint32_t value = ~previous;
  for (; size >= 8; size -= 8, bytes += 8) {
    uint32_t low, high;
    std::memcpy(&low, bytes, 4);
    std::memcpy(&high, bytes + 4, 4);
    low ^= value;
    value = kTables[7][low & 255] ^ kTables[6][low >> 8 & 255] ^ kTables[5][low >> 16 & 255] ^
            kTables[4][low >> 24] ^ kTables[3][high & 255] ^ kTables[2][high >> 8 & 255] ^
            kTables[1][high >> 16 & 255] ^ kTables[0][high >> 24];
  }
  for (; size > 0; --size) value = (value >> 8) ^ kTables[0][(value ^ *bytes++) & 255];
  return ~value;
}

}  // namespace hd::io
