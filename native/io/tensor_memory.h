// The memory behind a TensorFile: the image it was read from, and the few tensors that had to be copied out
// of it.
#pragma once

#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "io/safetensors.h"

namespace hd::io {

class TensorMemory {
 public:
  explicit TensorMemory(std::shared_ptr<const void> image) : image_(std::move(image)) {}

  /// Room for a tensor, aligned for every dtype; lives as long as this object.
  uint8_t* allocate(size_t bytes) {
    copies_.emplace_back(static_cast<uint8_t*>(::operator new (bytes, std::align_val_t{64})));
    return copies_.back().get();
  }

  /// `data` itself where it is aligned for `type`, else a copy: foreign files may put tensors at any byte.
  const uint8_t* aligned(const uint8_t* data, size_t bytes, DType type) {
    static constexpr struct alignas(64) { uint8_t bytes[64]; } kEmpty{};
    if (bytes == 0) return kEmpty.bytes;
    if (reinterpret_cast<uintptr_t>(data) % sizeOf(type) == 0) return data;
    return static_cast<const uint8_t*>(std::memcpy(allocate(bytes), data, bytes));
  }

 private:
  struct Free {
    void operator()(uint8_t* data) const { ::operator delete (data, std::align_val_t{64}); }
  };

  std::shared_ptr<const void> image_;
  std::vector<std::unique_ptr<uint8_t, Free>> copies_;
};

}  // namespace hd::io
