// What the two codecs share: every way in which a picture file is read.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/decode.h"
#include "native/data/picture_fixture.h"
#include "native/fuzz/target.h"

namespace fuzz {

inline std::string text(const fixture::Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

/// Decodes at full size, scaled, and into rows with a gap; all three must agree on what the picture is.
inline void readPicture(const std::string& input, const std::string&) {
  constexpr hd::data::DecodeLimits kLimits{.maxPixels = 1'000'000};
  // Copied to its exact size, so that a sanitizer sees any step beyond.
  const fixture::Bytes bytes(input.begin(), input.end());
  const auto decode = [&](int width, int height) {
    return hd::data::decodePicture(bytes.data(), bytes.size(), "input", width, height, kLimits);
  };
  const hd::data::Picture full = decode(0, 0);
  promise(full.width > 0 && full.height > 0, "a picture without pixels");
  promise(full.storage.size() == static_cast<size_t>(full.width) * static_cast<size_t>(full.height) * 3,
          "pixels that do not fill the picture");
  const hd::data::Picture small = decode(1, 1);
  promise(small.width <= full.width && small.height <= full.height, "a scaled picture that is larger");
  const size_t row = static_cast<size_t>(full.width) * 3, pitch = row + 5;
  fixture::Bytes slot(pitch * static_cast<size_t>(full.height), 0xA5);
  hd::data::decodePictureInto(bytes.data(), bytes.size(), "input", slot.data(), pitch, full.width,
                              full.height, kLimits);
  for (size_t y = 0; y < static_cast<size_t>(full.height); ++y) {
    promise(std::equal(full.pixels + y * row, full.pixels + (y + 1) * row, slot.data() + y * pitch),
            "two decodings that differ");
    promise(std::all_of(slot.data() + y * pitch + row, slot.data() + (y + 1) * pitch,
                        [](uint8_t byte) { return byte == 0xA5; }),
            "pixels written behind a row");
  }
}

}  // namespace fuzz
