// libvips, for the formats that have no decoder here: WebP, TIFF, AVIF, GIF. It is opened when the first such
// picture comes, so that nobody pays for it who has none.
#pragma once

#include <string>

#include "data/decode_codecs.h"

namespace hd::data {

/// Where the shared library lies. Says nothing when the file is missing: the first picture that wants it
/// does. The first call of a process decides, as a library is loaded once.
void setPictureLibrary(const std::string& path);

/// "libvips 8.18.7", or what to do about its absence. Opens the library.
std::string pictureLibraryVersion();

/// Width, height and orientation as libvips reads them from the header; throws HD_DATA_IMAGE.
PictureHeader readOtherHeader(const uint8_t* data, size_t size, const std::string& path);

/// Decodes the first frame or page as it is stored. Alpha is dropped over black, 16 bit and float are brought
/// to 8, grey and CMYK to sRGB.
void decodeOther(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target);

}  // namespace hd::data
