#include <doctest/doctest.h>

#include "files.h"
#include "io/safetensors.h"
#include "torch_files.h"

using namespace hd::io;
using namespace hd::io::test;

namespace {

TorchFile checkpoint() {
  PickleWriter writer;
  writer.emptyDict().mark().text("w").tensor("ByteStorage", "0", 3, 0, {3}, {1}).setItems();
  return {writer.stop(), {{"0", 1, "abc"}}};
}

}  // namespace

TEST_CASE("weights: each format is known by its first bytes, whatever the file is called") {
  const TempFolder folder;
  const uint8_t bytes[] = {'a', 'b', 'c'};
  writeSafetensors(folder / "a.pth", {{"w", DType::u8, {3}, bytes, 3}}, {});
  writeAll(folder / "b.safetensors", checkpoint().zip());
  writeAll(folder / "c.bin", checkpoint().legacy());
  for (const char* name : {"a.pth", "b.safetensors", "c.bin"}) {
    const TensorFile file = readWeights(folder / name);
    REQUIRE(file.tensors.size() == 1);
    CHECK(file.tensors[0].name == "w");
    CHECK(file.tensors[0].data[2] == 'c');
  }
}

TEST_CASE("weights: a safetensors header whose length looks like another format's magic") {
  const TempFolder folder;
  // 0x0280 bytes of header: the file starts like a pickle of protocol 2.
  std::string header = R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  header.resize(0x280, ' ');
  writeAll(folder / "w", std::string("\x80\x02\0\0\0\0\0\0", 8) + header + "x");
  CHECK(readWeights(folder / "w").tensors.size() == 1);
}

TEST_CASE("weights: damaged files keep the code of their format") {
  const TempFolder folder;
  writeAll(folder / "zip", checkpoint().zip().substr(0, 100));
  writeAll(folder / "legacy", checkpoint().legacy().substr(0, 100));
  writeAll(folder / "safe", std::string("\x10\0\0\0\0\0\0\0{", 9));
  CHECK(thrownBy([&] { readWeights(folder / "zip"); }).code == "HD_PTH_CORRUPT");
  CHECK(thrownBy([&] { readWeights(folder / "legacy"); }).code == "HD_PTH_CORRUPT");
  CHECK(thrownBy([&] { readWeights(folder / "safe"); }).code == "HD_CKPT_CORRUPT");
}

TEST_CASE("weights: other files are refused with what they seem to be") {
  const TempFolder folder;
  const auto refusal = [&](const std::string& content) {
    writeAll(folder / "w", content);
    return thrownBy([&] { readWeights(folder / "w"); });
  };
  CHECK(refusal("").says("an empty file"));
  CHECK(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:0\n").says("git lfs pull"));
  for (const char* content : {"<!DOCTYPE html>", "P", "PK\5\6", "\x80", "\x80\x01", "\x08\x01\x12\x07onnx"}) {
    const auto thrown = refusal(content);
    CHECK(thrown.code == "HD_WEIGHTS_FORMAT");
    CHECK(thrown.says(folder / "w"));
  }
  CHECK(thrownBy([&] { readWeights(folder / "missing"); }).code == "HD_IO");
}
