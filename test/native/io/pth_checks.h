// What the tests of .pth files share: both containers are read and must agree, in what they hold or in why
// not.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "files.h"
#include "io/pth.h"
#include "torch_files.h"

namespace hd::io::test {

inline TensorFile parseImage(const std::string& bytes) {
  const std::shared_ptr<uint8_t[]> block(new uint8_t[bytes.size()]);
  std::memcpy(block.get(), bytes.data(), bytes.size());
  return parsePth(block.get(), bytes.size(), block, "w.pth");
}

/// Parses both containers of one file and checks that they agree.
inline TensorFile parseBoth(const TorchFile& file) {
  TensorFile zip = parseImage(file.zip()), legacy = parseImage(file.legacy());
  REQUIRE(zip.tensors.size() == legacy.tensors.size());
  for (size_t i = 0; i < zip.tensors.size(); ++i) {
    const TensorView &a = zip.tensors[i], &b = legacy.tensors[i];
    REQUIRE(a.name == b.name);
    REQUIRE(a.dtype == b.dtype);
    REQUIRE(a.shape == b.shape);
    REQUIRE(a.bytes == b.bytes);
    REQUIRE(std::memcmp(a.data, b.data, a.bytes) == 0);
    for (const TensorView* view : {&a, &b})
      REQUIRE(reinterpret_cast<uintptr_t>(view->data) % sizeOf(view->dtype) == 0);
  }
  return zip;
}

/// Both containers must refuse alike.
inline Thrown refusalOf(const TorchFile& file) {
  const auto zip = thrownBy([&] { parseImage(file.zip()); }),
             legacy = thrownBy([&] { parseImage(file.legacy()); });
  CHECK(zip.code == legacy.code);
  CHECK(zip.says("w.pth"));
  CHECK(legacy.says("w.pth"));
  return zip;
}

inline std::vector<float> floatsOf(const TensorView& view) {
  std::vector<float> out(view.bytes / 4);
  if (view.bytes > 0) std::memcpy(out.data(), view.data, view.bytes);
  return out;
}

inline std::string floats(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += littleEndian(static_cast<float>(i));
  return out;
}

/// {"w": tensor} over one FloatStorage of `count` elements.
inline TorchFile oneTensor(int64_t count, int64_t offset, const std::vector<int64_t>& size,
                           const std::vector<int64_t>& stride) {
  PickleWriter writer;
  writer.emptyDict().mark().text("w").tensor("FloatStorage", "0", count, offset, size, stride).setItems();
  return {writer.stop(), {{"0", 4, floats(static_cast<size_t>(count))}}};
}

}  // namespace hd::io::test
