// Equal and nearly equal pictures.
#pragma once

#include <array>
#include <cstdint>
#include <stop_token>
#include <vector>

#include "data/dataset.h"

namespace hd::data {

/// Of size and pixels; never 0. Equal pictures have equal hashes.
uint64_t pixelHash(const Picture& picture);

/// A picture reduced to what survives recompression and resizing.
struct Fingerprint {
  static constexpr int side = 24;
  bool valid = false;  ///< false: the picture could not be decoded
  uint64_t hash = 0;   ///< bit 8·y + x: cell (x + 1, y) of a 9 × 8 grey picture is brighter than (x, y)
  std::array<uint8_t, side * side> thumbnail{};  ///< grey, area-averaged
};

Fingerprint fingerprint(const Picture& picture);
/// One per image, on several threads. Throws HD_CANCELLED.
std::vector<Fingerprint> fingerprints(const Dataset& dataset, int threads, std::stop_token stop = {});

/// Differing hash bits when the two are nearly equal, else −1. The hash alone calls all pictures of a fixed
/// camera equal, so the thumbnails must agree in every cell as well.
int nearDuplicate(const Fingerprint& a, const Fingerprint& b);

}  // namespace hd::data
