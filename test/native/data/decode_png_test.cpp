#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "data/decode.h"
#include "data/decode_codecs.h"
#include "native/data/picture_fixture.h"

using namespace fixture;
using hd::data::Picture;
using hd::data::PictureHeader;

namespace {

Picture decode(const Bytes& bytes, int minWidth = 0, int minHeight = 0) {
  return hd::data::decodePicture(bytes.data(), bytes.size(), "memory", minWidth, minHeight);
}

std::string decodeCode(const Bytes& bytes) {
  return codeOf([&] { decode(bytes); });
}

PictureHeader header(const Bytes& bytes) {
  return hd::data::readPngHeader(
      [&](uint64_t offset, uint8_t* out, size_t count) {
        const size_t start = std::min<size_t>(offset, bytes.size()),
                     got = std::min(count, bytes.size() - start);
        std::copy_n(bytes.begin() + static_cast<int64_t>(start), got, out);
        return got;
      },
      "memory");
}

}  // namespace

TEST_CASE("PNG forms: grey, palette, 16 bit, alpha over black, interlaced") {
  CHECK(decode(png({0b10100000}, 3, 1, {.depth = 1, .colour = PNG_COLOR_TYPE_GRAY})).storage ==
        Bytes{255, 255, 255, 0, 0, 0, 255, 255, 255});
  CHECK(
      decode(png({1, 0}, 2, 1, {.colour = PNG_COLOR_TYPE_PALETTE, .palette = {1, 2, 3, 7, 8, 9}})).storage ==
      Bytes{7, 8, 9, 1, 2, 3});
  CHECK(decode(png({0x12, 0xFF, 0x34, 0x00, 0x56, 0x80}, 1, 1, {.depth = 16})).storage ==
        Bytes{0x12, 0x34, 0x56});
  CHECK(decode(png({200, 100, 50, 255, 200, 100, 50, 0, 200, 100, 50, 128}, 3, 1,
                   {.colour = PNG_COLOR_TYPE_RGB_ALPHA}))
            .storage == Bytes{200, 100, 50, 0, 0, 0, 100, 50, 25});
  const Bytes pixels = waves(19, 23);
  CHECK(decode(png(pixels, 19, 23, {.interlaced = true})).storage == pixels);
}

TEST_CASE("grey of every depth and alpha in every form") {
  for (const int depth : {1, 2, 4, 8, 16}) {
    Bytes row(8, 0);
    row[0] = 0xF0;  // the first pixel is bright
    const int width = depth == 16 ? 4 : 64 / depth;
    const Picture picture = decode(png(row, width, 1, {.depth = depth, .colour = PNG_COLOR_TYPE_GRAY}));
    CHECK(picture.width == width);
    CHECK(picture.pixels[0] >= 240);
    CHECK(picture.pixels[0] == picture.pixels[2]);
    CHECK(picture.pixels[(width - 1) * 3] == 0);
  }
  CHECK(decode(png({100, 255, 100, 0}, 2, 1, {.colour = PNG_COLOR_TYPE_GRAY_ALPHA})).storage ==
        Bytes{100, 100, 100, 0, 0, 0});
  const Bytes deep = {100, 0, 50, 0, 25, 0, 0xFF, 0xFF};
  CHECK(decode(png(deep, 1, 1, {.depth = 16, .colour = PNG_COLOR_TYPE_RGB_ALPHA})).storage ==
        Bytes{100, 50, 25});
}

TEST_CASE("the header reader takes the size and refuses what is none") {
  const Bytes plain = png(waves(19, 23), 19, 23, {});
  CHECK(header(plain).width == 19);
  CHECK(header(plain).height == 23);
  CHECK(codeOf([&] { header({plain.begin(), plain.begin() + 23}); }) == "HD_DATA_IMAGE");
  Bytes other = plain;
  other[12] = 'J';
  CHECK(codeOf([&] { header(other); }) == "HD_DATA_IMAGE");
  Bytes negative = plain;
  negative[16] = 0xFF;
  CHECK(codeOf([&] { header(negative); }) == "HD_DATA_IMAGE");
}

TEST_CASE("a wrong checksum of the pixels or the palette is damage") {
  Bytes bytes = png({1, 0}, 2, 1, {.colour = PNG_COLOR_TYPE_PALETTE, .palette = {1, 2, 3, 7, 8, 9}});
  const auto palette = std::search(bytes.begin(), bytes.end(), std::begin("PLTE"), std::end("PLTE") - 1);
  REQUIRE(palette != bytes.end());
  *(palette + 5) ^= 1;
  CHECK(decodeCode(bytes) == "HD_DATA_IMAGE");
}

TEST_CASE("palette numbers beyond the palette do not read past it") {
  const std::string code = decodeCode(
      png({7, 3}, 2, 1, {.depth = 8, .colour = PNG_COLOR_TYPE_PALETTE, .palette = {1, 2, 3, 7, 8, 9}}));
  CHECK((code.empty() || code == "HD_DATA_IMAGE"));
}

TEST_CASE("chunks that are not looked at cost nothing, whatever length they announce") {
  const Bytes plain = png(waves(19, 23), 19, 23, {});
  const auto with = [&](const char* type, uint32_t announced, size_t stored) {
    Bytes chunk;
    for (int shift = 24; shift >= 0; shift -= 8) chunk.push_back(static_cast<uint8_t>(announced >> shift));
    chunk.insert(chunk.end(), type, type + 4);
    chunk.resize(chunk.size() + stored, 7);
    chunk.resize(chunk.size() + 4);  // no checksum of it
    Bytes out = plain;
    out.insert(out.begin() + 33, chunk.begin(), chunk.end());
    return out;
  };
  for (const char* type : {"eXIf", "tEXt", "zTXt", "iTXt", "iCCP", "sPLT", "pCAL", "tIME", "gAMA", "abCd"}) {
    CAPTURE(type);
    CHECK(decode(with(type, 100'000, 100'000)).storage == waves(19, 23));
    // Under ASan one allocation of so much ends the process.
    CHECK(decodeCode(with(type, 0x67414D41, 10)) == "HD_DATA_IMAGE");
  }
}
