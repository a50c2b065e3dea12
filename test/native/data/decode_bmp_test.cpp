#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "data/decode.h"
#include "picture_fixture.h"

using fixture::Bytes;
using hd::data::decodePicture;
using hd::data::Picture;

namespace {

struct Bmp {
  int width, height;  // height below 0: top row first
  int bits;
  uint32_t compression = 0;
  Bytes palette = {};  // blue, green, red, 0
  Bytes masks = {};    // three little-endian words
};

Bytes file(const Bmp& bmp, const Bytes& rows) {
  Bytes out = {'B', 'M'};
  const auto number = [&](uint32_t value, int count) {
    for (int i = 0; i < count; ++i) out.push_back(static_cast<uint8_t>(value >> 8 * i));
  };
  const auto offset = static_cast<uint32_t>(54 + bmp.palette.size() + bmp.masks.size());
  number(offset + static_cast<uint32_t>(rows.size()), 4);
  number(0, 4);
  number(offset, 4);
  number(40, 4);
  number(static_cast<uint32_t>(bmp.width), 4);
  number(static_cast<uint32_t>(bmp.height), 4);
  number(1, 2);
  number(static_cast<uint32_t>(bmp.bits), 2);
  number(bmp.compression, 4);
  for (int i = 0; i < 3; ++i) number(0, 4);
  number(static_cast<uint32_t>(bmp.palette.size() / 4), 4);
  number(0, 4);
  out.insert(out.end(), bmp.masks.begin(), bmp.masks.end());
  out.insert(out.end(), bmp.palette.begin(), bmp.palette.end());
  out.insert(out.end(), rows.begin(), rows.end());
  return out;
}

Bytes decode(const Bytes& bytes, int width, int height) {
  const Picture picture = decodePicture(bytes.data(), bytes.size(), "memory", 0, 0);
  REQUIRE(picture.width == width);
  REQUIRE(picture.height == height);
  return Bytes(picture.pixels, picture.pixels + width * height * 3);
}

std::string refusal(const Bytes& bytes) {
  try {
    decodePicture(bytes.data(), bytes.size(), "memory", 0, 0);
  } catch (const hd::Error& error) {
    return error.what();
  }
  return "";
}

const Bytes kRedGreenBlueWhite = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};  // 2 × 2, from the top

}  // namespace

TEST_CASE("24 bits: rows from the bottom, padded to four bytes, blue first; or from the top") {
  const Bytes bottomUp = {255, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 0};
  CHECK(decode(file({2, 2, 24}, bottomUp), 2, 2) == kRedGreenBlueWhite);
  const Bytes topDown = {0, 0, 255, 0, 255, 0, 0, 0, 255, 0, 0, 255, 255, 255, 0, 0};
  CHECK(decode(file({2, -2, 24}, topDown), 2, 2) == kRedGreenBlueWhite);
}

TEST_CASE("32 bits, with and without masks") {
  const Bytes rows = {0, 0, 255, 9, 0, 255, 0, 9, 255, 0, 0, 9, 255, 255, 255, 9};
  CHECK(decode(file({2, -2, 32}, rows), 2, 2) == kRedGreenBlueWhite);
  const Bytes masks = {0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0};
  CHECK(decode(file({2, -2, 32, 3, {}, masks}, rows), 2, 2) == kRedGreenBlueWhite);
  const Bytes swapped = {255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0};  // red in the lowest byte
  const Bytes blueFirst = decode(file({2, -2, 32, 3, {}, swapped}, rows), 2, 2);
  CHECK(blueFirst[0] == 0);
  CHECK(blueFirst[2] == 255);
}

TEST_CASE("16 bits: five for each colour, or 5-6-5 by masks") {
  const Bytes rows = {0x00, 0x7C, 0xE0, 0x03, 0x1F, 0x00, 0xFF, 0x7F};
  CHECK(decode(file({2, -2, 16}, rows), 2, 2) == kRedGreenBlueWhite);
  const Bytes masks = {0x00, 0xF8, 0, 0, 0xE0, 0x07, 0, 0, 0x1F, 0, 0, 0};
  const Bytes wide = {0x00, 0xF8, 0xE0, 0x07, 0x1F, 0x00, 0xFF, 0xFF};
  CHECK(decode(file({2, -2, 16, 3, {}, masks}, wide), 2, 2) == kRedGreenBlueWhite);
}

TEST_CASE("palettes of 1, 4 and 8 bits") {
  const Bytes palette = {0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0};
  CHECK(decode(file({2, -2, 8, 0, palette}, {0, 1, 0, 0, 2, 3, 0, 0}), 2, 2) == kRedGreenBlueWhite);
  CHECK(decode(file({2, -2, 4, 0, palette}, {0x01, 0, 0, 0, 0x23, 0, 0, 0}), 2, 2) == kRedGreenBlueWhite);
  const Bytes two = {0, 0, 0, 0, 255, 255, 255, 0};
  const Bytes striped = decode(file({10, -1, 1, 0, two}, {0b10101010, 0b01000000, 0, 0}), 10, 1);
  for (size_t x = 0; x < 10; ++x) CHECK(int{striped[3 * x]} == ((x < 8 ? x % 2 == 0 : x == 9) ? 255 : 0));
}

TEST_CASE("what is not read is named; what is cut off or damaged is refused") {
  CHECK(refusal(file({2, 2, 8, 1}, Bytes(64, 0))).find("only uncompressed ones are read") !=
        std::string::npos);
  const Bytes whole = file({2, 2, 24}, Bytes(16, 1));
  for (size_t size = 12; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(refusal(cut) != "");
  }
  CHECK(refusal(file({0, 2, 24}, Bytes(16, 1))).find("below 1 pixel") != std::string::npos);
  CHECK(refusal(file({2, INT32_MIN, 24}, Bytes(16, 1))).find("below 1 pixel") != std::string::npos);
  CHECK(refusal(file({-5, 2, 24}, Bytes(16, 1))).find("below 1 pixel") != std::string::npos);
  // A palette index beyond the palette is black, as viewers show it.
  CHECK(decode(file({1, 1, 8, 0, {9, 9, 9, 0}}, {200, 0, 0, 0}), 1, 1) == Bytes{0, 0, 0});
}
