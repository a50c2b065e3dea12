#include "data/picture_library.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "data/decode.h"
#include "picture_library_fixture.h"

using fixture::Bytes;
using hd::data::decodePicture;
using hd::data::Picture;
using hd::data::PictureFormat;
using hd::data::probePicture;

namespace {

Picture decode(const Bytes& bytes) {
  return decodePicture(bytes.data(), bytes.size(), "memory", 0, 0);
}

Bytes encoded(const std::string& suffix, int width = 37, int height = 21, int orientation = 0) {
  const Bytes pixels = fixture::waves(width, height);
  return fixture::encodeOther(pixels.data(), pixels.size(), width, height, 3, 0, suffix, orientation);
}

std::string refusal(const Bytes& bytes) {
  try {
    decode(bytes);
  } catch (const hd::Error& error) {
    return error.code() == "HD_DATA_IMAGE" ? error.what() : "another code";
  }
  return "";
}

}  // namespace

TEST_CASE("WebP, AVIF, TIFF and GIF decode to the pixels that were encoded") {
  if (fixture::pictureLibrary().empty()) return;
  const Bytes pixels = fixture::waves(37, 21);
  struct Case {
    std::string suffix;
    int tolerance;
  };
  for (const auto& [suffix, tolerance] :
       {Case{".webp[lossless]", 0}, Case{".webp[Q=90]", 24}, Case{".tif", 0},
        Case{".tif[compression=deflate]", 0}, Case{".tif[compression=lzw]", 0}, Case{".tif[tile]", 0},
        Case{".tif[bigtiff]", 0}, Case{".avif[Q=95]", 24}, Case{".gif[dither=0]", 40}}) {
    CAPTURE(suffix);
    const Picture picture = decode(encoded(suffix));
    REQUIRE(picture.width == 37);
    REQUIRE(picture.height == 21);
    int worst = 0;
    for (size_t i = 0; i < pixels.size(); ++i)
      worst = std::max(worst, std::abs(picture.pixels[i] - pixels[i]));
    CHECK(worst <= tolerance);
  }
}

TEST_CASE("the header alone gives the size, whatever the file is called") {
  if (fixture::pictureLibrary().empty()) return;
  const fixture::Folder folder;
  for (const char* suffix : {".webp", ".avif", ".tif", ".gif"}) {
    CAPTURE(suffix);
    fixture::write(folder / "photo.jpg", encoded(suffix));
    const auto header = probePicture(folder / "photo.jpg");
    CHECK(header.format == PictureFormat::other);
    CHECK(header.width == 37);
    CHECK(header.height == 21);
  }
}

TEST_CASE("grey, 16 bit and transparent pictures become RGB, transparency over black") {
  if (fixture::pictureLibrary().empty()) return;
  const Bytes grey = fixture::waves(16, 8, 1);
  const Picture fromGrey = decode(fixture::encodeOther(grey.data(), grey.size(), 16, 8, 1, 0, ".tif"));
  for (size_t i = 0; i < grey.size(); ++i)
    for (size_t c = 0; c < 3; ++c) CHECK(fromGrey.pixels[3 * i + c] == grey[i]);

  std::vector<uint16_t> deep(16 * 8 * 3);
  for (size_t i = 0; i < deep.size(); ++i) deep[i] = static_cast<uint16_t>(i * 170);
  const Picture fromDeep = decode(fixture::encodeOther(deep.data(), deep.size() * 2, 16, 8, 3, 2, ".tif"));
  for (size_t i = 0; i < deep.size(); ++i) CHECK(std::abs(fromDeep.pixels[i] - deep[i] / 256) <= 1);

  Bytes clear(16 * 8 * 4, 200);
  for (size_t i = 3; i < clear.size(); i += 4) clear[i] = i % 8 == 3 ? 0 : 255;
  const Picture flat =
      decode(fixture::encodeOther(clear.data(), clear.size(), 16, 8, 4, 0, ".webp[lossless]"));
  CHECK(int{flat.pixels[0]} == 0);
  CHECK(int{flat.pixels[3]} == 200);
}

TEST_CASE("the orientation of a TIFF turns it") {
  if (fixture::pictureLibrary().empty()) return;
  const Picture plain = decode(encoded(".tif"));
  const Picture turned = decode(encoded(".tif", 37, 21, 6));
  REQUIRE(turned.width == 21);
  REQUIRE(turned.height == 37);
  for (int y = 0; y < 37; ++y)
    for (int x = 0; x < 21; ++x)
      for (int c = 0; c < 3; ++c)
        REQUIRE(turned.pixels[(y * 21 + x) * 3 + c] == plain.pixels[((20 - x) * 37 + y) * 3 + c]);
}

TEST_CASE("cut-off and damaged files are refused with a reason") {
  if (fixture::pictureLibrary().empty()) return;
  for (const char* suffix : {".webp", ".tif", ".avif", ".gif"}) {
    CAPTURE(suffix);
    const Bytes whole = encoded(suffix, 200, 150);
    for (const size_t share : {2, 3, 5}) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / share));
      CHECK(refusal(cut).find("for memory but received") != std::string::npos);
    }
  }
}

TEST_CASE("several threads decode at the same time") {
  if (fixture::pictureLibrary().empty()) return;
  const Bytes webp = encoded(".webp[lossless]", 120, 90), tiff = encoded(".tif", 120, 90);
  const Bytes pixels = fixture::waves(120, 90);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const Picture picture = decode((t + i) % 2 == 0 ? webp : tiff);
        if (!std::equal(pixels.begin(), pixels.end(), picture.pixels)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a picture of a document format is not handed to the library") {
  const std::string svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>";
  CHECK(refusal(Bytes(svg.begin(), svg.end())).find("begin like none of these") != std::string::npos);
}

TEST_CASE("a picture that unpacks to thousands of pixels a byte is refused before memory is taken") {
  if (fixture::pictureLibrary().empty()) return;
  const Bytes flat(size_t{6000} * 4000 * 3, 7);
  const Bytes bomb = fixture::encodeOther(flat.data(), flat.size(), 6000, 4000, 3, 0, ".webp[lossless]");
  REQUIRE(bomb.size() < 12000);
  CHECK(refusal(bomb).find("no real picture") != std::string::npos);
}
