// COCO's run-length masks: column-major run lengths that start with zeros, as a list of numbers or packed in
// a string (pycocotools' maskApi: 5 bits a character from '0' on, differences to the run before last from the
// fourth run on).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hd::data {

std::string packRle(std::span<const uint32_t> counts);

/// Nothing for a string that is no packed mask: characters outside '0'…'o', a cut group, a run that is
/// negative or beyond 32 bits.
std::optional<std::vector<uint32_t>> unpackRle(std::string_view text);

}  // namespace hd::data
