// Picture files → RGB. The format is told by magic bytes, never by the file name. Limits are checked on the
// header, before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace hd::data {

enum class PictureFormat { jpeg, png };

struct PictureHeader {
  PictureFormat format;
  int width = 0, height = 0;
};

struct DecodeLimits {
  int64_t maxPixels = 180'000'000;
};

/// The whole file; refuses folders, FIFOs, devices and empty files (HD_DATA_IMAGE) without blocking.
std::vector<uint8_t> readPictureFile(const std::string& path);
/// Reads the header only. Throws HD_DATA_IMAGE with `path` as place.
PictureHeader probePicture(const std::string& path, const DecodeLimits& limits = {});
/// Decodes to RGB8. JPEG: may decode at 1/2, 1/4 or 1/8 when both sides stay ≥ minWidth × minHeight (0: full
/// size). Grey and CMYK become RGB, alpha is dropped over black, 16 bit is cut to 8. A cut-off JPEG throws
/// (policy is the caller's).
Picture decodePicture(const uint8_t* data, size_t size, const std::string& path, int minWidth, int minHeight,
                      const DecodeLimits& limits = {});

/// The same at full size into memory of the caller (a batch slot): rows `pitch` bytes apart. Throws
/// HD_DATA_IMAGE also when the picture is not `width` × `height`; what it has written until then is
/// unspecified.
void decodePictureInto(const uint8_t* data, size_t size, const std::string& path, uint8_t* pixels,
                       size_t pitch, int width, int height, const DecodeLimits& limits = {});

/// Encodes RGB8 (rows contiguous) by the extension of `path`: .jpg/.jpeg (quality 90) or .png; writes
/// atomically.
void writePicture(const std::string& path, const uint8_t* rgb, int width, int height);

/// The libraries that decode: {jpeg: "libjpeg-turbo 2.1.5", png: "libpng 1.6.39"}.
Value decoderVersions();

}  // namespace hd::data
