// Weights from the .pth / .pt / .ckpt files of torch.save: zip archives (torch ≥ 1.6) and legacy streams
// (before), read by a walker of our own that executes nothing (io/pickle.h says which calls it gives meaning
// to).
//
// The state dict is the first of these that is a dict holding tensors: the member 'state_dict', 'model' or
// 'ema_state_dict' of the saved dict, in this order; else the saved dict itself. Its tensors come in its
// order; members that are plain values (numbers, texts, None, containers) are left out; one that would take a
// call to build is refused.
//
// Errors: HD_PTH_UNSAFE when weights depend on a call outside the whitelist; HD_PTH_CORRUPT for damage;
// HD_PTH_UNSUPPORTED for sound files of another kind (TorchScript, big-endian, compressed, complex or
// quantised types, no state dict). Each names the entry or the byte offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "io/safetensors.h"

namespace hd::io {

/// Maps the file; contiguous tensors stay views into it. Also throws HD_IO when it cannot be read.
TensorFile readPth(const std::string& path);
/// Parses an image of a file in memory; `owner` keeps `data` alive. Copies (of strided or misaligned tensors)
/// take no more memory than `size` + 16 MiB. The fuzz target.
TensorFile parsePth(const uint8_t* data, size_t size, std::shared_ptr<const void> owner,
                    const std::string& path);

}  // namespace hd::io
