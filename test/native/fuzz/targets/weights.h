// What the two weight formats share: every tensor of a file is walked over.
#pragma once

#include <cstring>
#include <memory>
#include <string>

#include "io/safetensors.h"
#include "native/fuzz/target.h"

namespace fuzz {

using WeightParser = hd::io::TensorFile (*)(const uint8_t*, size_t, std::shared_ptr<const void>,
                                            const std::string&);

/// `more`: bytes that the reader may hold beyond those of the file.
inline void readTensors(WeightParser parse, const std::string& input, size_t more) {
  // Copied to its exact size, so that a sanitizer sees any step beyond.
  const std::shared_ptr<uint8_t[]> block(new uint8_t[input.size()]);
  std::memcpy(block.get(), input.data(), input.size());
  const hd::io::TensorFile file = parse(block.get(), input.size(), block, "input");
  size_t bytes = 0;
  unsigned sum = 0;
  for (const hd::io::TensorView& view : file.tensors) {
    promise(hd::io::byteCount(view.shape, view.dtype) == view.bytes, "a shape that does not fit the bytes");
    promise(reinterpret_cast<uintptr_t>(view.data) % hd::io::sizeOf(view.dtype) == 0, "misaligned numbers");
    for (size_t i = 0; i < view.bytes; ++i) sum += view.data[i];
    bytes += view.bytes;
    promise(file.find(view.name) != nullptr, "a tensor that its name does not find");
  }
  promise(bytes <= input.size() + more, "more bytes than the file has");
  promise(sum <= 255 * bytes, "");
}

}  // namespace fuzz
