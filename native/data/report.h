// What `check` says about a data set: counts, sizes, faults, equal pictures, pictures in two splits.
#pragma once

#include <cstdint>
#include <stop_token>

#include "core/value.h"
#include "data/dataset.h"

namespace hd::data {

/// DatasetReport of lib/native.ts. With `decode` every picture is decoded: adds "corrupt-file" and
/// "size-mismatch" to the findings and groups pictures with equal pixels in `duplicates`. `threads` 0: one a
/// core. Throws HD_CANCELLED when `stop` is requested.
Value report(const Dataset& dataset, bool decode, int threads, std::stop_token stop = {});

/// Pairs of equal or nearly equal pictures of two data sets: [{ file, other, distance }], nearest first, at
/// most 1000. `distance` is the number of differing bits of the two difference hashes, 0…4. Recompressed and
/// resized copies are found, mirrored or cropped ones are not. Pictures that cannot be decoded are left out.
Value leakage(const Dataset& a, const Dataset& b, int threads, std::stop_token stop = {});

/// [{ width, height, count }], most frequent first.
Value imageSizes(const Dataset& dataset);

}  // namespace hd::data
