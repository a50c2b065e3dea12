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
  return hd::data::readJpegHeader(
      [&](uint64_t offset, uint8_t* out, size_t count) {
        const size_t start = std::min<size_t>(offset, bytes.size()),
                     got = std::min(count, bytes.size() - start);
        std::copy_n(bytes.begin() + static_cast<int64_t>(start), got, out);
        return got;
      },
      "memory");
}

int largestDifference(const uint8_t* a, const uint8_t* b, size_t count) {
  int largest = 0;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// A marker segment of `length` zero bytes.
Bytes segment(uint8_t marker, int length) {
  Bytes out = {0xFF, marker, static_cast<uint8_t>((length + 2) >> 8), static_cast<uint8_t>(length + 2)};
  out.resize(out.size() + static_cast<size_t>(length));
  return out;
}

Bytes insertedAfterStart(Bytes jpeg, const Bytes& what) {
  jpeg.insert(jpeg.begin() + 2, what.begin(), what.end());
  return jpeg;
}

}  // namespace

TEST_CASE("JPEG forms: grey, progressive, subsampled, four inks") {
  const Bytes grey = waves(40, 30, 1);
  const Picture fromGrey = decode(jpeg(grey, 40, 30, TJPF_GRAY, TJSAMP_GRAY));
  bool neutral = true;
  for (size_t i = 0; i < grey.size(); ++i) {
    neutral &= fromGrey.pixels[3 * i] == fromGrey.pixels[3 * i + 1] &&
               fromGrey.pixels[3 * i] == fromGrey.pixels[3 * i + 2] &&
               std::abs(fromGrey.pixels[3 * i] - grey[i]) <= 6;
  }
  CHECK(neutral);

  const Bytes pixels = waves(40, 30);
  const Picture progressive = decode(jpeg(pixels, 40, 30, TJPF_RGB, TJSAMP_444, TJFLAG_PROGRESSIVE));
  CHECK(largestDifference(progressive.pixels, pixels.data(), pixels.size()) <= 12);
  CHECK(decode(jpeg(pixels, 40, 30, TJPF_RGB, TJSAMP_420)).width == 40);

  Bytes ink;  // inverted: 255 is no ink
  for (int i = 0; i < 32 * 32; ++i) ink.insert(ink.end(), {255, 128, 0, 200});
  const Picture four = decode(jpeg(ink, 32, 32, TJPF_CMYK));
  const uint8_t expected[3] = {200, 100, 0};
  CHECK(largestDifference(four.pixels, expected, 3) <= 3);
  CHECK(decode(jpeg(ink, 32, 32, TJPF_CMYK), 16, 16).width == 16);
}

TEST_CASE("stray bytes before the end marker are forgiven, in the middle of the data they are not") {
  const Bytes whole = jpeg(waves(64, 64), 64, 64);
  Bytes stray = whole;
  stray.insert(stray.end() - 2, {1, 2, 3, 4});
  CHECK(decodeCode(stray).empty());
  Bytes damaged = whole;
  const auto middle = damaged.begin() + static_cast<int64_t>(damaged.size() / 2);
  damaged.erase(middle, middle + 200);
  CHECK(decodeCode(damaged) == "HD_DATA_IMAGE");
}

TEST_CASE("the frame header is found behind long segments, thumbnails, fill bytes and stray bytes") {
  const Bytes plain = jpeg(waves(40, 30), 40, 30);
  Bytes thumbnail = segment(0xE1, 6);
  thumbnail.resize(4);
  const Bytes small = jpeg(waves(8, 8), 8, 8);
  thumbnail.insert(thumbnail.end(), small.begin(), small.end());
  thumbnail[2] = static_cast<uint8_t>((small.size() + 2) >> 8);
  thumbnail[3] = static_cast<uint8_t>(small.size() + 2);
  Bytes many;
  for (int i = 0; i < 5; ++i) {
    const Bytes one = segment(0xE2, 65533);
    many.insert(many.end(), one.begin(), one.end());
  }
  for (const Bytes& extra : {Bytes{}, segment(0xFE, 0), thumbnail, many, Bytes{0xFF, 0xFF, 0xFF},
                             Bytes{1, 2, 3}, Bytes{0xFF, 0x01}}) {
    const Bytes bytes = insertedAfterStart(plain, extra);
    CHECK(header(bytes).width == 40);
    CHECK(header(bytes).height == 30);
  }
  CHECK(decode(insertedAfterStart(plain, thumbnail)).width == 40);
}

TEST_CASE("headers without a frame, with damaged lengths or cut off are refused") {
  const Bytes plain = jpeg(waves(16, 16), 16, 16);
  for (const Bytes& bytes : {Bytes{0xFF, 0xD8}, Bytes{0xFF, 0xD8, 0xFF, 0xD9},
                             Bytes{0xFF, 0xD8, 0xFF, 0xDA, 0, 8}, Bytes{0xFF, 0xD8, 0xFF, 0xE0, 0, 1},
                             Bytes{0xFF, 0xD8, 0xFF, 0xE0, 0xFF, 0xFF}, Bytes(5000, 0xFF), Bytes(5000, 0)}) {
    CHECK(codeOf([&] { header(bytes); }) == "HD_DATA_IMAGE");
  }
  CHECK(decodeCode(insertedAfterStart(plain, {0xFF, 0xD9})) == "HD_DATA_IMAGE");
}

TEST_CASE("a second frame header of another size is no way to write past the target") {
  const Bytes plain = jpeg(waves(16, 16), 16, 16), large = jpeg(waves(64, 64), 64, 64);
  Bytes both = insertedAfterStart(large, Bytes(plain.begin() + 2, plain.end() - 2));
  const std::string code = decodeCode(both);
  CHECK((code.empty() || code == "HD_DATA_IMAGE"));
}
