#include <jpeglib.h>
#include <png.h>
#include <stdio.h>

#include "core/error.h"
#include "data/decode.h"

#define HD_TEXT(value) #value
#define HD_VERSION_TEXT(value) HD_TEXT(value)

namespace hd::data {

Value decoderVersions() {
  return Value::Object{{"jpeg", concat("libjpeg-turbo ", HD_VERSION_TEXT(LIBJPEG_TURBO_VERSION))},
                       {"png", concat("libpng ", PNG_LIBPNG_VER_STRING)}};
}

}  // namespace hd::data
