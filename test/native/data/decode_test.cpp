#include "data/decode.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>

#include "native/data/picture_fixture.h"

using namespace fixture;
using hd::data::DecodeLimits;
using hd::data::decodePicture;
using hd::data::decodePictureInto;
using hd::data::Picture;
using hd::data::PictureFormat;
using hd::data::probePicture;
using hd::data::readPictureFile;
using hd::data::writePicture;

namespace {

Picture decode(const Bytes& bytes, int minWidth = 0, int minHeight = 0) {
  return decodePicture(bytes.data(), bytes.size(), "memory", minWidth, minHeight);
}

std::string decodeCode(const Bytes& bytes) {
  return codeOf([&] { decode(bytes); });
}

int largestDifference(const uint8_t* a, const uint8_t* b, size_t count) {
  int largest = 0;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("what writePicture writes, decodePicture reads") {
  const Folder folder;
  const Bytes pixels = waves(37, 21);
  for (const char* name : {"a.png", "b.jpg", "c.JPEG"}) {
    writePicture(folder / name, pixels.data(), 37, 21);
    const auto header = probePicture(folder / name);
    CHECK(header.width == 37);
    CHECK(header.height == 21);
    CHECK((header.format == PictureFormat::png) == (std::string(name) == "a.png"));
    const Picture picture = decode(readPictureFile(folder / name));
    REQUIRE(picture.width == 37);
    REQUIRE(picture.height == 21);
    CHECK(picture.pixels == picture.storage.data());
    CHECK(largestDifference(picture.pixels, pixels.data(), pixels.size()) <=
          (header.format == PictureFormat::png ? 0 : 24));
  }
}

TEST_CASE("the format is told by the bytes, not by the name") {
  const Folder folder;
  write(folder / "really-a-jpeg.png", jpeg(waves(16, 16), 16, 16));
  CHECK(probePicture(folder / "really-a-jpeg.png").format == PictureFormat::jpeg);
}

TEST_CASE("scaled decoding stays at or above the wanted size") {
  const Bytes encoded = jpeg(waves(101, 67), 101, 67);
  const auto sizeFor = [&](int width, int height) {
    const Picture picture = decode(encoded, width, height);
    return std::pair(picture.width, picture.height);
  };
  CHECK(sizeFor(0, 0) == std::pair(101, 67));
  CHECK(sizeFor(51, 34) == std::pair(101, 67));
  CHECK(sizeFor(50, 33) == std::pair(51, 34));
  CHECK(sizeFor(50, 34) == std::pair(101, 67));
  CHECK(sizeFor(25, 16) == std::pair(26, 17));
  CHECK(sizeFor(1, 1) == std::pair(13, 9));
  CHECK(sizeFor(2'000'000'000, 2'000'000'000) == std::pair(101, 67));
}

TEST_CASE("a scaled picture is the mean of what it stands for") {
  const Bytes pixels = waves(64, 64);
  const Picture half = decode(jpeg(pixels, 64, 64), 32, 32);
  REQUIRE(half.width == 32);
  int largest = 0;
  for (int y = 0; y < 32; ++y) {
    for (int i = 0; i < 96; ++i) {
      const int x = i / 3, c = i % 3;
      int sum = 0;
      for (const auto& [dx, dy] : {std::pair(0, 0), {1, 0}, {0, 1}, {1, 1}})
        sum += pixels[static_cast<size_t>(((2 * y + dy) * 64 + 2 * x + dx) * 3 + c)];
      largest = std::max(largest, std::abs(half.pixels[y * 96 + i] - sum / 4));
    }
  }
  CHECK(largest <= 6);
}

TEST_CASE("decodePictureInto writes rows with a gap and nothing else") {
  const Bytes pixels = waves(20, 10);
  constexpr size_t kPitch = 20 * 3 + 7;
  for (const Bytes& encoded :
       {png(pixels, 20, 10, {}), png(pixels, 20, 10, {.interlaced = true}), jpeg(pixels, 20, 10)}) {
    Bytes target(kPitch * 10, 0xA5);
    decodePictureInto(encoded.data(), encoded.size(), "memory", target.data(), kPitch, 20, 10);
    const Picture whole = decode(encoded);
    for (size_t y = 0; y < 10; ++y) {
      CHECK(std::equal(whole.pixels + y * 60, whole.pixels + (y + 1) * 60,
                       target.begin() + static_cast<int64_t>(y * kPitch)));
      if (y < 9)
        CHECK(std::all_of(target.begin() + static_cast<int64_t>(y * kPitch + 60),
                          target.begin() + static_cast<int64_t>((y + 1) * kPitch),
                          [](uint8_t byte) { return byte == 0xA5; }));
    }
    CHECK(codeOf([&] {
            decodePictureInto(encoded.data(), encoded.size(), "memory", target.data(), kPitch, 10, 20);
          }) == "HD_DATA_IMAGE");
  }
}

TEST_CASE("what is no picture file is refused without blocking") {
  const Folder folder;
  write(folder / "empty.jpg", {});
  write(folder / "text.jpg", {'h', 'e', 'l', 'l', 'o'});
  write(folder / "short.jpg", {0xFF, 0xD8});
  std::filesystem::create_directory(folder / "folder.jpg");
  REQUIRE(::mkfifo((folder / "fifo.jpg").c_str(), 0600) == 0);
  std::filesystem::create_symlink("loop.jpg", folder / "loop.jpg");
  for (const char* name :
       {"empty.jpg", "text.jpg", "short.jpg", "folder.jpg", "fifo.jpg", "loop.jpg", "missing.jpg"}) {
    CAPTURE(name);
    CHECK(codeOf([&] { readPictureFile(folder / name); }) == "HD_DATA_IMAGE");
    CHECK(codeOf([&] { probePicture(folder / name); }) == "HD_DATA_IMAGE");
  }
  CHECK(codeOf([&] { readPictureFile("/dev/zero"); }) == "HD_DATA_IMAGE");
  CHECK(decodeCode({}) == "HD_DATA_IMAGE");
}

TEST_CASE("the message names the file and a cure") {
  try {
    readPictureFile("nowhere/cat.jpg");
    FAIL("expected an error");
  } catch (const hd::Error& error) {
    CHECK(error.where() == "nowhere/cat.jpg");
    CHECK(std::string(error.what())
              .find("expected a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP picture for nowhere/cat.jpg but "
                    "received") == 0);
    CHECK(std::string(error.what()).find("replace the file") != std::string::npos);
  }
}

TEST_CASE("huge announced sizes are refused before memory is taken") {
  Bytes bomb = jpeg(waves(16, 16), 16, 16);
  setJpegSize(bomb, 65535, 65535);
  CHECK(decodeCode(bomb) == "HD_DATA_IMAGE");
  setJpegSize(bomb, 16, 0);
  CHECK(decodeCode(bomb) == "HD_DATA_IMAGE");
  Bytes png8 = png(waves(4, 4), 4, 4, {});
  for (const size_t first : {16, 20})
    std::fill_n(png8.begin() + static_cast<int64_t>(first), 2, uint8_t{0x7F});
  CHECK(decodeCode(png8) == "HD_DATA_IMAGE");
  const Bytes fine = jpeg(waves(16, 16), 16, 16);
  const DecodeLimits tight{.maxPixels = 255};
  CHECK(codeOf([&] { decodePicture(fine.data(), fine.size(), "memory", 0, 0, tight); }) == "HD_DATA_IMAGE");
}

TEST_CASE("a picture that is cut off anywhere is refused") {
  const Bytes pixels = noise(48 * 32 * 3, 1);
  for (const Bytes& whole :
       {jpeg(pixels, 48, 32), jpeg(pixels, 48, 32, TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE),
        png(pixels, 48, 32, {}), png(pixels, 48, 32, {.interlaced = true})}) {
    REQUIRE(decodeCode(whole).empty());
    // What follows the last row (a PNG's checksum and end chunk, a JPEG's end marker) may be missing without
    // harm.
    for (size_t length = 0; length + 32 < whole.size(); length += 29) {
      CAPTURE(length);
      CHECK(decodeCode({whole.begin(), whole.begin() + static_cast<int64_t>(length)}) == "HD_DATA_IMAGE");
    }
  }
}
