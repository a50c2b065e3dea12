// Picture files → RGB. The format is told by magic bytes, never by the file name. Limits are checked on the
// header, before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/read_at.h"

namespace hd::data {

enum class PictureFormat {
  jpeg,
  png,
  bmp,
  other,  ///< WebP, TIFF, AVIF, GIF: by libvips (picture_library.h)
};

/// A picture's stored size, and the turn (Exif orientation 1…8) that its camera asks for.
struct PictureHeader {
  PictureFormat format;
  int width = 0, height = 0;
  int orientation = 1;

  /// The size after the turn: what people see, and what is decoded.
  int shownWidth() const { return orientation >= 5 ? height : width; }
  int shownHeight() const { return orientation >= 5 ? width : height; }
  /// Annotations made by a tool that ignored the turn declare the stored size where the two differ; their
  /// picture then stays as it is stored.
  void agreeWith(int declaredWidth, int declaredHeight) {
    if (orientation >= 5 && width != height && declaredWidth == width && declaredHeight == height)
      orientation = 1;
  }
};

struct DecodeLimits {
  int64_t maxPixels = 180'000'000;
  /// Pixels for one byte of the file, from 16 million pixels on. Real pictures stay below 200; a file that
  /// unpacks to thousands for a byte was made to fill memory.
  int64_t maxPixelsPerByte = 2000;
};

/// The whole file; refuses folders, FIFOs, devices and empty files (HD_DATA_IMAGE) without blocking.
std::vector<uint8_t> readPictureFile(const std::string& path);
/// What is larger is refused.
inline constexpr int64_t kLargestPictureBytes = int64_t{1} << 30;
/// Reads the header only. Throws HD_DATA_IMAGE with `path` as place.
PictureHeader probePicture(const std::string& path, const DecodeLimits& limits = {});
/// The same of `size` bytes that lie within something else; `path` is only its name.
PictureHeader probePicture(const ReadAt& read, size_t size, const std::string& path,
                           const DecodeLimits& limits = {});
/// The largest of 1, 2, 4 and 8 that leaves both sides ≥ minWidth × minHeight (0: 1); of formats that can be
/// decoded at a fraction.
int decodeDivisor(int width, int height, int minWidth, int minHeight);
/// Decodes to RGB8, turned as its camera asks. JPEG: may decode at 1/2, 1/4 or 1/8 when both sides stay
/// ≥ minWidth × minHeight (0: full size). Grey and CMYK become RGB, alpha is dropped over black, 16 bit is
/// cut to
/// 8. A cut-off file throws (policy is the caller's). `declaredWidth` × `declaredHeight`: as annotations say,
/// or 0.
Picture decodePicture(const uint8_t* data, size_t size, const std::string& path, int minWidth, int minHeight,
                      const DecodeLimits& limits = {}, int declaredWidth = 0, int declaredHeight = 0);

/// The same at full size into memory of the caller (a batch slot): rows `pitch` bytes apart. Throws
/// HD_DATA_IMAGE also when the picture is not `width` × `height`; what it has written until then is
/// unspecified.
void decodePictureInto(const uint8_t* data, size_t size, const std::string& path, uint8_t* pixels,
                       size_t pitch, int width, int height, const DecodeLimits& limits = {});

/// The sentence of every picture that cannot be used: HD_DATA_IMAGE.
[[noreturn]] void badPicture(const std::string& path, const std::string& received);

/// Encodes RGB8 (rows contiguous) by the extension of `path`: .jpg/.jpeg (quality 90) or .png; writes
/// atomically.
void writePicture(const std::string& path, const uint8_t* rgb, int width, int height);

/// The libraries that decode: {jpeg: "libjpeg-turbo 2.1.5", png: "libpng 1.6.39", others: "libvips 8.18.7"}.
Value decoderVersions();

}  // namespace hd::data
