// Uncompressed BMP: the one common format that no library at hand reads.
#include <array>
#include <bit>
#include <cstring>

#include "core/error.h"
#include "data/decode_codecs.h"

namespace hd::data {
namespace {

constexpr size_t kFileHeader = 14, kInfoHeader = 40;
constexpr uint32_t kPlain = 0, kMasks = 3;

uint32_t littleEndian(const uint8_t* bytes, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

struct BmpHeader {
  uint32_t pixelOffset, infoSize, compression, colours;
  int32_t width, height;  // height below 0: rows from top to bottom
  int bits;
};

BmpHeader readHeader(const uint8_t* start, size_t got, const std::string& path) {
  if (got < kFileHeader + kInfoHeader) badPicture(path, "a BMP that ends inside its header");
  const auto field = [&](size_t offset, int count) {
    return littleEndian(start + kFileHeader + offset, count);
  };
  BmpHeader header{littleEndian(start + 10, 4),
                   field(0, 4),
                   field(16, 4),
                   field(32, 4),
                   static_cast<int32_t>(field(4, 4)),
                   static_cast<int32_t>(field(8, 4)),
                   static_cast<int>(field(14, 2))};
  if (header.infoSize < kInfoHeader) badPicture(path, "a BMP in the form of OS/2 1.x");
  if (header.width < 1 || header.height == 0 || header.height == INT32_MIN)
    badPicture(path, "a BMP with a side below 1 pixel");
  return header;
}

// The eight bits of a pixel that a mask selects, widened or cut.
struct Channel {
  uint32_t mask;
  uint8_t of(uint32_t pixel) const {
    if (mask == 0) return 0;
    const uint64_t largest = mask >> std::countr_zero(mask);
    return static_cast<uint8_t>((uint64_t{pixel & mask} >> std::countr_zero(mask)) * 255 / largest);
  }
};

struct Palette {
  std::array<uint8_t, 256 * 3> rgb{};
};

Palette readPalette(const BmpHeader& header, const uint8_t* data, size_t size) {
  Palette palette;
  const size_t count = std::min<size_t>(header.colours == 0 ? size_t{1} << header.bits : header.colours, 256);
  const size_t start = kFileHeader + size_t{header.infoSize};
  for (size_t i = 0; i < count && start + 4 * i + 4 <= size; ++i) {
    for (size_t c = 0; c < 3; ++c) palette.rgb[3 * i + c] = data[start + 4 * i + 2 - c];
  }
  return palette;
}

std::array<Channel, 3> readMasks(const BmpHeader& header, const uint8_t* data, size_t size) {
  if (header.compression == kPlain) {
    if (header.bits == 16) return {{{0x7C00}, {0x03E0}, {0x001F}}};
    return {{{0xFF0000}, {0x00FF00}, {0x0000FF}}};
  }
  std::array<Channel, 3> masks{};
  for (size_t c = 0; c < 3; ++c) {
    const size_t at = kFileHeader + kInfoHeader + 4 * c;
    if (at + 4 <= size) masks[c].mask = littleEndian(data + at, 4);
  }
  return masks;
}

}  // namespace

PictureHeader readBmpHeader(const ReadAt& read, const std::string& path) {
  std::array<uint8_t, kFileHeader + kInfoHeader> start{};
  const BmpHeader header = readHeader(start.data(), read(0, start.data(), start.size()), path);
  return {PictureFormat::bmp, header.width, std::abs(header.height)};
}

void decodeBmp(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target) {
  const BmpHeader header = readHeader(data, size, path);
  const int bits = header.bits;
  const bool indexed = bits == 1 || bits == 4 || bits == 8;
  const bool direct = bits == 16 || bits == 24 || bits == 32;
  const bool readable = header.compression == kPlain
                            ? indexed || direct
                            : header.compression == kMasks && (bits == 16 || bits == 32);
  if (!readable) {
    badPicture(path, concat("a BMP of ", bits, " bits a pixel and compression ", header.compression,
                            ", where only uncompressed ones are read"));
  }
  const size_t pitch = (static_cast<size_t>(target.width) * static_cast<size_t>(bits) + 31) / 32 * 4;
  if (header.pixelOffset > size || pitch * static_cast<size_t>(target.height) > size - header.pixelOffset)
    badPicture(path, "a BMP that is cut off");
  const Palette palette = indexed ? readPalette(header, data, size) : Palette{};
  const std::array<Channel, 3> masks = readMasks(header, data, size);
  for (int y = 0; y < target.height; ++y) {
    const int stored = header.height > 0 ? target.height - 1 - y : y;
    const uint8_t* row = data + header.pixelOffset + static_cast<size_t>(stored) * pitch;
    uint8_t* out = target.pixels + static_cast<size_t>(y) * target.pitch;
    for (int x = 0; x < target.width; ++x, out += 3) {
      if (indexed) {
        const int shift = 8 - bits - x * bits % 8;
        const int index = row[x * int64_t{bits} / 8] >> shift & ((1 << bits) - 1);
        std::memcpy(out, palette.rgb.data() + 3 * index, 3);
        continue;
      }
      const uint32_t pixel = littleEndian(row + x * int64_t{bits} / 8, bits / 8);
      for (size_t c = 0; c < 3; ++c) out[c] = masks[c].of(pixel);
    }
  }
}

}  // namespace hd::data
