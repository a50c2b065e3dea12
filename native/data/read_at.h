// How bytes of a file, or of a part of one, are asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace hd::data {

/// Bytes at `offset`: copies at most `count` of them to `out` and says how many there were.
using ReadAt = std::function<size_t(uint64_t offset, uint8_t* out, size_t count)>;

}  // namespace hd::data
