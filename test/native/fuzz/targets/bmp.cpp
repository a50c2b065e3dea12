#include "native/io/pickle_writer.h"
#include "pictures.h"

namespace fuzz {
namespace {

using hd::io::test::littleEndian;

/// Uncompressed rows below the usual headers; `height` below 0: from the top.
std::string bmp(int32_t width, int32_t height, uint16_t bits, uint32_t compression, const std::string& table,
                const std::string& rows) {
  const auto offset = static_cast<uint32_t>(54 + table.size());
  return "BM" + littleEndian(static_cast<uint32_t>(offset + rows.size())) + littleEndian(uint32_t{0}) +
         littleEndian(offset) + littleEndian(uint32_t{40}) + littleEndian(width) + littleEndian(height) +
         littleEndian(uint16_t{1}) + littleEndian(bits) + littleEndian(compression) + std::string(12, '\0') +
         littleEndian(static_cast<uint32_t>(compression == 0 ? table.size() / 4 : 0)) + std::string(4, '\0') +
         table + rows;
}

std::vector<Sample> corpus() {
  const std::string masks = littleEndian(0xF800u) + littleEndian(0x07E0u) + littleEndian(0x001Fu);
  return {{bmp(5, 3, 24, 0, "", text(fixture::noise(16 * 3, 1)))},
          {bmp(5, -3, 32, 0, "", text(fixture::noise(20 * 3, 2)))},
          {bmp(5, 3, 16, 3, masks, text(fixture::noise(12 * 3, 3)))},
          {bmp(9, 3, 8, 0, text(fixture::noise(4 * 256, 4)), text(fixture::noise(12 * 3, 5)))},
          {bmp(9, 3, 4, 0, text(fixture::noise(4 * 16, 6)), text(fixture::noise(8 * 3, 7)))},
          {bmp(9, 3, 1, 0, text(fixture::noise(4 * 2, 8)), text(fixture::noise(4 * 3, 9)))}};
}

Target target() {
  using namespace std::string_literals;
  return {corpus,
          {"BM", "\0\0\0\0"s, "\x28\0\0\0"s, "\1\0\1\0"s, "\x20\0\3\0"s, "\0\0\0\x80"s, "\xFF\xFF\xFF\xFF"},
          {"HD_DATA_IMAGE"},
          readPicture};
}

HD_FUZZ_TARGET(bmp, target);

}  // namespace
}  // namespace fuzz
