#include "io/content_check.h"

#include "core/content_hash.h"

namespace hd::io {

std::string contentOf(const std::vector<TensorView>& tensors) {
  ContentHash hash;
  for (const TensorView& tensor : tensors) {
    hash.add(tensor.name).add(nameOf(tensor.dtype));
    for (const int64_t extent : tensor.shape) hash.add(extent);
    hash.add(tensor.data, tensor.bytes);
  }
  return hash.hex();
}

}  // namespace hd::io
