// safetensors: 8 bytes header length, JSON header, raw little-endian tensors. The only format that hdtrain
// writes.
//
// The reader refuses whatever the format forbids (overlap, holes, wrong sizes, duplicate names, trailing
// bytes, header beyond 100 MB) with HD_CKPT_CORRUPT naming the tensor; types that the format has but hdtrain
// does not use (unsigned above 8 bits, 8-bit floats, complex) with HD_CKPT_UNSUPPORTED. Tensor data is never
// allocated beyond the file's size.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hd::io {

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };
size_t sizeOf(DType type);
const char* nameOf(DType type);  ///< "F32", …
/// Bytes of a contiguous tensor; nothing when an extent is negative or the size (taken left to right) passes
/// 2^63 − 1.
std::optional<size_t> byteCount(const std::vector<int64_t>& shape, DType type);

/// A tensor in somebody else's memory: row-major (contiguous), bytes == byteCount(shape, dtype). Readers
/// align `data` to sizeOf(dtype) (they copy a tensor that a foreign file put elsewhere), so that it can be
/// used in place.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;
  size_t bytes = 0;
};

/// Named tensors backed by one owner (a mapped file or a heap block) that lives as long as this object.
struct TensorFile {
  std::vector<TensorView> tensors;  ///< in file order (of the data in safetensors, of the state dict in .pth)
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const void> owner;

  const TensorView* find(const std::string& name) const;
};

TensorFile readSafetensors(const std::string& path);
/// Parses an image of a file in memory; `owner` keeps `data` alive. The fuzz target.
TensorFile parseSafetensors(const uint8_t* data, size_t size, std::shared_ptr<const void> owner,
                            const std::string& path);

/// Writes `path` + ".tmp-<pid>", fsyncs file and folder, renames. Bytes depend on the arguments alone:
/// tensors are laid out in the given order, header keys likewise; the data section starts at a multiple of 8
/// (the format allows no padding between tensors). Throws HD_IO (code HD_DISK_FULL on ENOSPC/EDQUOT),
/// HD_INTERNAL for duplicate names or wrong bytes.
void writeSafetensors(const std::string& path, const std::vector<TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata);

/// Reads any weight file by its magic: safetensors, or .pth (zip or legacy stream) through the whitelist
/// walker (io/pth.h). Throws HD_WEIGHTS_FORMAT for anything else, HD_IO when the file cannot be read.
TensorFile readWeights(const std::string& path);

}  // namespace hd::io
