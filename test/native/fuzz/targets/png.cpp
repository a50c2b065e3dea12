#include "io/crc32.h"
#include "pictures.h"

namespace fuzz {
namespace {

std::string bigEndian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string checked = type + data;
  return bigEndian(static_cast<uint32_t>(data.size())) + checked +
         bigEndian(hd::io::crc32(checked.data(), checked.size()));
}

/// The chunks with the checksums that their bytes ask for; what is no chunk stays.
std::string withChecksums(const std::string& bytes) {
  std::string out = bytes;
  for (size_t at = 8; at + 12 <= out.size();) {
    size_t length = 0;
    for (int i = 0; i < 4; ++i) length = length << 8 | static_cast<uint8_t>(out[at + static_cast<size_t>(i)]);
    if (length > out.size() - at - 12) break;
    out.replace(at + 8 + length, 4, bigEndian(hd::io::crc32(out.data() + at + 4, length + 4)));
    at += 12 + length;
  }
  return out;
}

/// A zlib stream of one stored block.
std::string stored(const std::string& rows) {
  const auto size = static_cast<uint16_t>(std::min<size_t>(rows.size(), 0xFFFF));
  const auto low = [](uint16_t value) {
    return std::string{static_cast<char>(value), static_cast<char>(value >> 8)};
  };
  uint32_t a = 1, b = 0;
  for (size_t i = 0; i < size; ++i) {
    a = (a + static_cast<uint8_t>(rows[i])) % 65521;
    b = (b + a) % 65521;
  }
  return "\x78\x01\x01" + low(size) + low(static_cast<uint16_t>(~size)) + rows.substr(0, size) +
         bigEndian(b << 16 | a);
}

/// 13 bytes of header, then rows with their filter bytes: damage that no checksum or compression hides.
std::string aroundRows(const std::string& bytes) {
  const size_t header = std::min<size_t>(bytes.size(), 13);
  return "\x89PNG\r\n\x1A\n" + chunk("IHDR", bytes.substr(0, header)) +
         chunk("IDAT", stored(bytes.substr(header))) + chunk("IEND", "");
}

std::vector<Sample> corpus() {
  using namespace fixture;
  const Bytes colour = waves(21, 13);
  const Bytes palette = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9};
  const std::vector<Bytes> files = {
      png(colour, 21, 13, {}),
      png(colour, 21, 13, {.interlaced = true}),
      png(waves(42, 13), 21, 13, {.depth = 16}),
      png(waves(21, 13, 4), 21, 13, {.colour = PNG_COLOR_TYPE_RGB_ALPHA}),
      png(waves(21, 13, 2), 21, 13, {.colour = PNG_COLOR_TYPE_GRAY_ALPHA}),
      png(noise(3 * 9, 1), 20, 9, {.depth = 1, .colour = PNG_COLOR_TYPE_GRAY, .interlaced = true}),
      png(noise(5 * 9, 2), 20, 9, {.depth = 2, .colour = PNG_COLOR_TYPE_PALETTE, .palette = palette}),
  };
  std::vector<Sample> samples;
  for (const Bytes& file : files) {
    samples.push_back({text(file)});
    samples.push_back({text(file), withChecksums});
  }
  // An orientation that swaps the sides, behind the header.
  const std::string exif = std::string("MM\0\x2A\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0", 26);
  std::string turned = text(files.front());
  turned.insert(33, chunk("eXIf", exif));
  samples.push_back({turned});
  samples.push_back({turned, withChecksums});
  std::string rows = bigEndian(8) + bigEndian(5) + std::string("\x08\x02\0\0\0", 5);
  for (int y = 0; y < 5; ++y) rows += static_cast<char>(y) + text(waves(8, 1, 3, y));
  samples.push_back({rows, aroundRows});
  return samples;
}

Target target() {
  using namespace std::string_literals;
  return {corpus,
          {"IHDR",
           "IDAT",
           "PLTE",
           "tRNS",
           "IEND",
           "gAMA",
           "iCCP",
           "zTXt",
           "iTXt",
           "sBIT",
           "bKGD",
           "acTL",
           "fdAT",
           "eXIf",
           "MM\0\x2A"s,
           "\0\0\0\0"s,
           "\x7F\xFF\xFF\xFF",
           "\x78\x9C",
           "\0\0\0\xD"
           "IHDR"s,
           "\0\0\0\3PLTE\1\2\3\0\0\0\0"s,
           "\0\0\0\2tRNS\1\2\0\0\0\0"s},
          {"HD_DATA_IMAGE"},
          readPicture};
}

HD_FUZZ_TARGET(png, target);

}  // namespace
}  // namespace fuzz
