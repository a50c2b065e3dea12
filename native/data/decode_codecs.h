// What decode.cpp knows of the codecs. Every function throws HD_DATA_IMAGE with `path` as place, and none
// of them lets a library print, exit or jump past a destructor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "data/decode.h"

namespace hd::data {

/// Where a decoder writes: RGB, 8 bit, rows `pitch` ≥ 3·width bytes apart.
struct PixelTarget {
  uint8_t* pixels = nullptr;
  size_t pitch = 0;
  int width = 0, height = 0;
};

/// The size that the first frame header (SOFn) announces, and the orientation of an Exif segment before it.
/// Reads markers only, at most the first 64 MiB of a file.
PictureHeader readJpegHeader(const ReadAt& read, const std::string& path);
/// The size that IHDR announces, and the orientation of an eXIf chunk before the pixels.
PictureHeader readPngHeader(const ReadAt& read, const std::string& path);
PictureHeader readBmpHeader(const ReadAt& read, const std::string& path);

/// `target` has the file's size divided by 1, 2, 4 or 8, rounded up.
void decodeJpeg(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target);
/// `target` has the file's size.
void decodePng(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target);
void decodeBmp(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target);

}  // namespace hd::data
