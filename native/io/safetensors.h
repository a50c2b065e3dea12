// safetensors: 8 bytes header length, JSON header, raw little-endian tensors. The only format that hdtrain writes.
//
// The reader refuses whatever the format forbids (overlap, holes, wrong sizes, duplicate names, trailing bytes, header
// beyond 100 MB) with HD_CKPT_CORRUPT naming the tensor, and never allocates more than the file holds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hd::io {

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };
size_t sizeOf(DType type);
const char* nameOf(DType type);  ///< "F32", …

/// A tensor in somebody else's memory: row-major (contiguous).
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;
  size_t bytes = 0;
};

/// Named tensors backed by one owner (a mapped file or a heap block) that lives as long as this object.
struct TensorFile {
  std::vector<TensorView> tensors;  ///< in file order
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const void> owner;

  const TensorView* find(const std::string& name) const;
};

TensorFile readSafetensors(const std::string& path);
/// Parses an image of a file in memory; `owner` keeps `data` alive. The fuzz target.
TensorFile parseSafetensors(const uint8_t* data, size_t size, std::shared_ptr<const void> owner, const std::string& path);

/// Writes `path` + ".tmp-<pid>", fsyncs file and folder, renames. Bytes depend on the arguments alone: tensors are laid out
/// in the given order, header keys likewise, data 8-byte aligned. Throws HD_IO (code HD_DISK_FULL on ENOSPC/EDQUOT).
void writeSafetensors(const std::string& path, const std::vector<TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata);

/// Reads any weight file by its magic: safetensors, or .pth (zip or legacy stream) through the whitelist walker (io/pth.h).
TensorFile readWeights(const std::string& path);

}  // namespace hd::io
