#include "data/exif.h"

#include <cstring>

namespace hd::data {
namespace {

constexpr uint32_t kOrientationTag = 0x0112, kShort = 3;
constexpr size_t kHeaderBytes = 8, kEntryBytes = 12;

// Numbers of either byte order; 0 beyond the end, which no caller takes for an orientation.
struct TiffNumbers {
  const uint8_t* bytes;
  size_t size;
  bool bigEndian;

  uint32_t at(uint64_t offset, int count) const {
    if (offset + static_cast<uint64_t>(count) > size) return 0;
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) value = value << 8 | bytes[offset + (bigEndian ? i : count - 1 - i)];
    return value;
  }
};

}  // namespace

int tiffOrientation(const uint8_t* tiff, size_t size) {
  if (size < kHeaderBytes) return 1;
  const bool little = std::memcmp(tiff, "II", 2) == 0;
  if (!little && std::memcmp(tiff, "MM", 2) != 0) return 1;
  const TiffNumbers number{tiff, size, !little};
  const uint64_t directory = number.at(4, 4);
  if (number.at(2, 2) != 42 || directory < kHeaderBytes) return 1;
  const uint32_t entries = number.at(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + uint64_t{i} * kEntryBytes;
    if (entry + kEntryBytes > size) break;
    if (number.at(entry, 2) != kOrientationTag) continue;
    const uint32_t value = number.at(entry + 8, 2);
    return number.at(entry + 2, 2) == kShort && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

void orientInto(const uint8_t* stored, int width, int height, int orientation, const PixelTarget& target) {
  const bool swapped = swapsSides(orientation);
  // Where a step to the right and a step down in the target lead in the stored picture: the eight turns are
  // four corners to start from, times whether rows become columns.
  const bool fromRight = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool fromBelow = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int64_t column = fromRight ? -3 : 3;
  const int64_t row = (fromBelow ? -3 : 3) * int64_t{width};
  const int64_t right = swapped ? row : column, down = swapped ? column : row;
  const uint8_t* start =
      stored + (fromRight ? int64_t{width - 1} * 3 : 0) + (fromBelow ? int64_t{height - 1} * width * 3 : 0);
  for (int y = 0; y < target.height; ++y) {
    const uint8_t* from = start + y * down;
    uint8_t* to = target.pixels + static_cast<size_t>(y) * target.pitch;
    for (int x = 0; x < target.width; ++x, from += right, to += 3) std::memcpy(to, from, 3);
  }
}

}  // namespace hd::data
