// From an unpickled checkpoint to named tensors: finds the state dict, checks every tensor against its
// storage, and makes it contiguous. Shared by both containers of .pth, which differ in where storages lie.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "io/pickle.h"
#include "io/safetensors.h"

namespace hd::io {

/// A storage as the pickle describes it.
struct StorageRecord {
  std::string_view key;
  std::string_view type;       ///< "torch.FloatStorage", …
  std::optional<DType> dtype;  ///< nothing for types that hdtrain does not use
  size_t elementSize = 0;      ///< 0 for unknown types
  size_t count = 0;            ///< elements
};

/// Reads a node of kind `storage`; throws HD_PTH_CORRUPT for negative or overflowing sizes.
StorageRecord storageOf(const Pickle& pickle, PickleRef storage, const std::string& path);

/// Where a container keeps a storage; its size is checked by the caller.
using StorageSource = std::function<std::span<const uint8_t>(const StorageRecord&)>;

/// The tensors of the state dict in `pickle`, as io/pth.h says. `fileSize` bounds the copies.
TensorFile readStateDict(const Pickle& pickle, const StorageSource& source, std::shared_ptr<const void> owner,
                         size_t fileSize, const std::string& path);

}  // namespace hd::io
