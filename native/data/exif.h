// The orientation that a camera notes beside the picture, and the turn that it asks for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "data/decode_codecs.h"

namespace hd::data {

/// Tag 0x0112 (Exif 2.32, §4.6.4) of a TIFF structure's first directory: 1…8; 1 where it is absent or
/// damaged.
int tiffOrientation(const uint8_t* tiff, size_t size);

/// True when the turn swaps width and height.
constexpr bool swapsSides(int orientation) {
  return orientation >= 5;
}

/// Writes stored RGB rows (contiguous, `width` × `height`) the way `orientation` says that they are looked
/// at. `target` has the size after the turn.
void orientInto(const uint8_t* stored, int width, int height, int orientation, const PixelTarget& target);

}  // namespace hd::data
