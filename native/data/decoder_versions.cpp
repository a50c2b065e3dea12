// jpeglib.h needs what cstdio declares before it.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
// clang-format on
#include <png.h>

#include "core/error.h"
#include "data/decode.h"
#include "data/picture_library.h"

#define HD_TEXT(value) #value
#define HD_VERSION_TEXT(value) HD_TEXT(value)

namespace hd::data {

Value decoderVersions() {
  return Value::Object{{"jpeg", concat("libjpeg-turbo ", HD_VERSION_TEXT(LIBJPEG_TURBO_VERSION))},
                       {"png", concat("libpng ", PNG_LIBPNG_VER_STRING)},
                       {"WebP, AVIF, TIFF, GIF", pictureLibraryVersion()}};
}

}  // namespace hd::data
