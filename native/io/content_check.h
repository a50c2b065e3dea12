// A checksum of the tensors of a file, which notices what the format cannot: numbers that a disk or a copy
// changed.
#pragma once

#include <string>
#include <vector>

#include "io/safetensors.h"

namespace hd::io {

/// Metadata under which a file may carry it. readSafetensors() refuses a file whose tensors have another one.
inline constexpr const char* kContentKey = "hdtrain-content";

/// Of names, types, shapes and numbers, in their order: 32 hexadecimal digits.
std::string contentOf(const std::vector<TensorView>& tensors);

}  // namespace hd::io
