#include "data/exif.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "core/rng.h"
#include "data/decode.h"
#include "io/crc32.h"
#include "picture_fixture.h"

using fixture::Bytes;
using hd::data::decodePicture;
using hd::data::decodePictureInto;
using hd::data::Picture;
using hd::data::tiffOrientation;

namespace {

// A TIFF structure whose first directory holds a width entry and the orientation.
Bytes tiff(int orientation, bool bigEndian, int type = 3) {
  Bytes out;
  const auto number = [&](uint32_t value, int count) {
    for (int i = 0; i < count; ++i)
      out.push_back(static_cast<uint8_t>(value >> 8 * (bigEndian ? count - 1 - i : i)));
  };
  out.push_back(bigEndian ? 'M' : 'I');
  out.push_back(bigEndian ? 'M' : 'I');
  number(42, 2);
  number(8, 4);
  number(2, 2);
  for (const uint32_t tag : {0x0100u, 0x0112u}) {
    number(tag, 2);
    number(static_cast<uint32_t>(type), 2);
    number(1, 4);
    number(tag == 0x0112 ? static_cast<uint32_t>(orientation) : 640u, 2);
    number(0, 2);
  }
  number(0, 4);
  return out;
}

Bytes withExif(const Bytes& jpeg, const Bytes& structure) {
  Bytes out(jpeg.begin(), jpeg.begin() + 2);
  const size_t length = structure.size() + 8;
  for (const int byte : {0xFF, 0xE1, static_cast<int>(length >> 8), static_cast<int>(length & 255)})
    out.push_back(static_cast<uint8_t>(byte));
  for (const char symbol : std::string("Exif\0\0", 6)) out.push_back(static_cast<uint8_t>(symbol));
  out.insert(out.end(), structure.begin(), structure.end());
  out.insert(out.end(), jpeg.begin() + 2, jpeg.end());
  return out;
}

/// The PNG with a chunk behind its header, or behind its pixels.
Bytes withChunk(const Bytes& png, const std::string& type, const Bytes& content, bool behindPixels = false) {
  Bytes chunk(type.begin(), type.end());
  chunk.insert(chunk.end(), content.begin(), content.end());
  const uint32_t sum = hd::io::crc32(chunk.data(), chunk.size());
  const auto length = static_cast<uint32_t>(content.size());
  for (int i = 0; i < 4; ++i) {
    chunk.insert(chunk.begin() + i, static_cast<uint8_t>(length >> 8 * (3 - i)));
    chunk.push_back(static_cast<uint8_t>(sum >> 8 * (3 - i)));
  }
  Bytes out = png;
  out.insert(behindPixels ? out.end() - 12 : out.begin() + 33, chunk.begin(), chunk.end());
  return out;
}

/// The stored pixel that is shown at (x, y), for a stored picture of w × h: written out turn by turn.
std::array<int, 2> storedAt(int orientation, int x, int y, int w, int h) {
  switch (orientation) {
    case 2:
      return {w - 1 - x, y};
    case 3:
      return {w - 1 - x, h - 1 - y};
    case 4:
      return {x, h - 1 - y};
    case 5:
      return {y, x};
    case 6:
      return {y, h - 1 - x};
    case 7:
      return {w - 1 - y, h - 1 - x};
    case 8:
      return {w - 1 - y, x};
    default:
      return {x, y};
  }
}

}  // namespace

TEST_CASE("the orientation is found in both byte orders, and 1 stands for everything odd") {
  for (const bool bigEndian : {false, true}) {
    for (int value = 1; value <= 8; ++value) {
      const Bytes bytes = tiff(value, bigEndian);
      CHECK(tiffOrientation(bytes.data(), bytes.size()) == value);
    }
    for (const int odd : {0, 9, 255}) {
      const Bytes bytes = tiff(odd, bigEndian);
      CHECK(tiffOrientation(bytes.data(), bytes.size()) == 1);
    }
    const Bytes wrongType = tiff(6, bigEndian, 4);
    CHECK(tiffOrientation(wrongType.data(), wrongType.size()) == 1);
  }
  CHECK(tiffOrientation(nullptr, 0) == 1);
}

TEST_CASE("every cut and every changed byte of the structure gives 1 to 8") {
  const Bytes whole = tiff(6, true);
  for (size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const int value = tiffOrientation(cut.data(), cut.size());
    CHECK((value == 1 || value == 6));
  }
  hd::Random random(5, "test", 0, 0);
  for (int i = 0; i < 5000; ++i) {
    Bytes changed = whole;
    changed[random.below(changed.size())] = static_cast<uint8_t>(random.bits());
    const int value = tiffOrientation(changed.data(), changed.size());
    CHECK((value >= 1 && value <= 8));
  }
}

TEST_CASE("all eight turns show a JPEG as its camera meant it, whole, scaled and into a slot") {
  constexpr int w = 48, h = 32;
  const Bytes jpeg = fixture::jpeg(fixture::waves(w, h), w, h);
  const Picture stored = decodePicture(jpeg.data(), jpeg.size(), "memory", 0, 0);
  const Picture small = decodePicture(jpeg.data(), jpeg.size(), "memory", 12, 12);
  REQUIRE(small.width == 24);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Bytes turned = withExif(jpeg, tiff(orientation, orientation % 2 == 0));
    const bool swapped = orientation >= 5;
    const Picture shown = decodePicture(turned.data(), turned.size(), "memory", 0, 0);
    const Picture shownSmall = decodePicture(turned.data(), turned.size(), "memory", 12, 12);
    REQUIRE(shown.width == (swapped ? h : w));
    REQUIRE(shown.height == (swapped ? w : h));
    REQUIRE(shownSmall.width == (swapped ? 16 : 24));
    const int pitch = shown.width * 3 + 5;
    Bytes slot(static_cast<size_t>(pitch * shown.height), 77);
    decodePictureInto(turned.data(), turned.size(), "memory", slot.data(), static_cast<size_t>(pitch),
                      shown.width, shown.height);
    bool equal = true;
    for (int y = 0; y < shown.height; ++y) {
      for (int x = 0; x < shown.width; ++x) {
        const auto [column, row] = storedAt(orientation, x, y, w, h);
        for (int c = 0; c < 3; ++c) {
          const uint8_t pixel = stored.pixels[(row * w + column) * 3 + c];
          equal &= shown.pixels[(y * shown.width + x) * 3 + c] == pixel;
          equal &= slot[static_cast<size_t>(y * pitch + x * 3 + c)] == pixel;
        }
      }
      for (int gap = 0; gap < 5; ++gap)
        equal &= slot[static_cast<size_t>(y * pitch + shown.width * 3 + gap)] == 77;
    }
    for (int y = 0; y < shownSmall.height; ++y) {
      for (int x = 0; x < shownSmall.width; ++x) {
        const auto [column, row] = storedAt(orientation, x, y, 24, 16);
        equal &= shownSmall.pixels[(y * shownSmall.width + x) * 3] == small.pixels[(row * 24 + column) * 3];
      }
    }
    CHECK(equal);
  }
}

TEST_CASE("annotations that declare the stored size keep the picture as it is stored") {
  constexpr int w = 48, h = 32;
  const Bytes jpeg = fixture::jpeg(fixture::waves(w, h), w, h);
  const Picture stored = decodePicture(jpeg.data(), jpeg.size(), "memory", 0, 0);
  const Bytes turned = withExif(jpeg, tiff(6, false));
  const Picture kept = decodePicture(turned.data(), turned.size(), "memory", 0, 0, {}, w, h);
  REQUIRE(kept.width == w);
  CHECK(std::equal(stored.pixels, stored.pixels + w * h * 3, kept.pixels));
  const Picture shown = decodePicture(turned.data(), turned.size(), "memory", 0, 0, {}, h, w);
  CHECK(shown.width == h);
  Bytes slot(w * h * 3);
  decodePictureInto(turned.data(), turned.size(), "memory", slot.data(), w * 3, w, h);
  CHECK(std::equal(slot.begin(), slot.end(), stored.pixels));
}

TEST_CASE("all eight turns show a PNG as its eXIf chunk asks, whole and into a slot; the header says so") {
  constexpr int w = 23, h = 14;
  const Bytes pixels = fixture::waves(w, h);
  for (const bool interlaced : {false, true}) {
    const Bytes plain = fixture::png(pixels, w, h, {.interlaced = interlaced});
    for (int orientation = 1; orientation <= 8; ++orientation) {
      CAPTURE(orientation);
      const Bytes turned =
          withChunk(withChunk(plain, "eXIf", tiff(orientation, orientation % 2 == 0)), "tEXt", {'a', 0, 'b'});
      const auto header = hd::data::probePicture(
          [&](uint64_t offset, uint8_t* out, size_t count) {
            const size_t got =
                std::min<size_t>(count, turned.size() - std::min<size_t>(offset, turned.size()));
            std::copy_n(turned.data() + offset, got, out);
            return got;
          },
          turned.size(), "memory");
      const bool swapped = orientation >= 5;
      CHECK(header.shownWidth() == (swapped ? h : w));
      const Picture shown = decodePicture(turned.data(), turned.size(), "memory", 0, 0);
      REQUIRE(shown.width == (swapped ? h : w));
      REQUIRE(shown.height == (swapped ? w : h));
      Bytes slot(pixels.size());
      decodePictureInto(turned.data(), turned.size(), "memory", slot.data(),
                        static_cast<size_t>(shown.width) * 3, shown.width, shown.height);
      CHECK(slot == shown.storage);
      bool equal = true;
      for (int y = 0; y < shown.height; ++y) {
        for (int x = 0; x < shown.width; ++x) {
          const auto [column, row] = storedAt(orientation, x, y, w, h);
          for (int c = 0; c < 3; ++c) {
            equal &= shown.pixels[(y * shown.width + x) * 3 + c] ==
                     pixels[static_cast<size_t>((row * w + column) * 3 + c)];
          }
        }
      }
      CHECK(equal);
    }
  }
}

TEST_CASE("an eXIf chunk that is damaged, empty, cut or behind the pixels turns nothing") {
  constexpr int w = 23, h = 14;
  const Bytes plain = fixture::png(fixture::waves(w, h), w, h, {});
  const auto widthOf = [](const Bytes& png) {
    return decodePicture(png.data(), png.size(), "memory", 0, 0).width;
  };
  CHECK(widthOf(withChunk(plain, "eXIf", tiff(6, true))) == h);
  CHECK(widthOf(withChunk(plain, "eXIf", {})) == w);
  CHECK(widthOf(withChunk(plain, "eXIf", tiff(6, true), true)) == w);
  Bytes damaged = withChunk(plain, "eXIf", tiff(6, true));
  damaged[33 + 8 + 10 + 12 + 9] ^= 1;  // the orientation itself, under a checksum that no longer fits
  CHECK(widthOf(damaged) == w);
  const Bytes whole = withChunk(plain, "eXIf", tiff(6, true));
  for (size_t size = 24; size < 33 + 12 + tiff(6, true).size() + 8; ++size) {
    const auto header = hd::data::probePicture(
        [&](uint64_t offset, uint8_t* out, size_t count) {
          const size_t got = std::min<size_t>(count, size - std::min<size_t>(offset, size));
          std::copy_n(whole.data() + offset, got, out);
          return got;
        },
        size, "memory");
    CHECK((header.shownWidth() == w || size >= 33 + 12 + tiff(6, true).size()));
  }
}
