#include "io/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "core/rng.h"
#include "core/value.h"
#include "files.h"
#include "io/content_check.h"

using namespace hd::io;
using namespace hd::io::test;

namespace {

/// A file of the given header text and data.
std::string image(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

TensorFile parse(const std::string& bytes) {
  // Copied to its exact size, so that a sanitizer sees any step beyond.
  const std::shared_ptr<uint8_t[]> block(new uint8_t[bytes.size()]);
  std::memcpy(block.get(), bytes.data(), bytes.size());
  return parseSafetensors(block.get(), bytes.size(), block, "weights.safetensors");
}

Thrown refusal(const std::string& header, const std::string& data) {
  return thrownBy([&] { parse(image(header, data)); });
}

bool isCorrupt(const Thrown& thrown, const std::string& part) {
  CAPTURE(thrown.code);
  CAPTURE(thrown.message);
  const bool good = thrown.code == "HD_CKPT_CORRUPT" && thrown.says(part) &&
                    thrown.says("weights.safetensors") && thrown.says("copy or download it again");
  CHECK(good);
  return good;
}

std::string textOf(const TensorView& view) {
  return {reinterpret_cast<const char*>(view.data), view.bytes};
}

struct Tensors {
  std::vector<std::string> storage;
  std::vector<TensorView> views;

  void add(std::string name, DType type, std::vector<int64_t> shape, std::string bytes) {
    storage.push_back(std::move(bytes));
    views.push_back({std::move(name), type, std::move(shape), nullptr, storage.back().size()});
    for (size_t i = 0; i < views.size(); ++i)
      views[i].data = reinterpret_cast<const uint8_t*>(storage[i].data());
  }
};

Tensors randomTensors(hd::Random& random) {
  Tensors out;
  const uint32_t count = random.below(8);
  for (uint32_t i = 0; i < count; ++i) {
    const auto type = static_cast<DType>(random.below(10));
    std::vector<int64_t> shape(random.below(4));
    for (int64_t& extent : shape) extent = random.below(5);
    std::string bytes(*byteCount(shape, type), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.bits());
    out.add("layer" + std::to_string(i) + (random.chance(0.2f) ? ".\"gewicht\"é" : ".weight"), type, shape,
            bytes);
  }
  return out;
}

}  // namespace

TEST_CASE("safetensors: sizes and names of types") {
  CHECK(sizeOf(DType::f64) == 8);
  CHECK(sizeOf(DType::bf16) == 2);
  CHECK(sizeOf(DType::boolean) == 1);
  CHECK(std::string(nameOf(DType::f32)) == "F32");
  CHECK(std::string(nameOf(DType::boolean)) == "BOOL");
  CHECK(byteCount({}, DType::f64) == 8);
  CHECK(byteCount({2, 3}, DType::f16) == 12);
  CHECK(byteCount({2, 0, 3}, DType::f32) == 0);
  CHECK(byteCount({-1}, DType::u8) == std::nullopt);
  CHECK(byteCount({std::numeric_limits<int64_t>::max()}, DType::u8) == std::numeric_limits<int64_t>::max());
  CHECK(byteCount({std::numeric_limits<int64_t>::max()}, DType::i16) == std::nullopt);
  CHECK(byteCount({int64_t{1} << 32, int64_t{1} << 32, 0}, DType::u8) == std::nullopt);
}

TEST_CASE("safetensors: the bytes of a written file") {
  const TempFolder folder;
  Tensors tensors;
  tensors.add("b", DType::f32, {1}, std::string("\0\0\x80\x3f", 4));
  tensors.add("a", DType::boolean, {2}, std::string("\1\0", 2));
  writeSafetensors(folder / "w", tensors.views, {{"format", "hdtrain"}});
  std::string header =
      R"({"__metadata__":{"format":"hdtrain"},)"
      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"BOOL","shape":[2],"data_offsets":[4,6]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  CHECK(readAll(folder / "w") == image(header, std::string("\0\0\x80\x3f\1\0", 6)));
  CHECK(folder.count() == 1);
}

TEST_CASE("safetensors: large offsets are printed in full") {
  const TempFolder folder;
  Tensors tensors;
  tensors.add("a", DType::u8, {100000}, std::string(100000, 'a'));
  writeSafetensors(folder / "w", tensors.views, {});
  CHECK(readAll(folder / "w").find(R"("shape":[100000],"data_offsets":[0,100000])") != std::string::npos);
}

TEST_CASE("safetensors: random files survive a round trip, byte for byte") {
  const TempFolder folder;
  for (uint64_t i = 0; i < 60; ++i) {
    hd::Random random(1, "safetensors", 0, i);
    const Tensors tensors = randomTensors(random);
    const std::map<std::string, std::string> metadata =
        random.chance(0.5f) ? std::map<std::string, std::string>{{"a", "1"}, {"z", "\"\n"}}
                            : std::map<std::string, std::string>{};
    writeSafetensors(folder / "w", tensors.views, metadata);
    const TensorFile file = readSafetensors(folder / "w");
    REQUIRE(file.metadata == metadata);
    REQUIRE(file.tensors.size() == tensors.views.size());
    for (const TensorView& expected : tensors.views) {
      const TensorView* view = file.find(expected.name);
      REQUIRE(view != nullptr);
      REQUIRE(view->dtype == expected.dtype);
      REQUIRE(view->shape == expected.shape);
      REQUIRE(textOf(*view) == textOf(expected));
      REQUIRE(reinterpret_cast<uintptr_t>(view->data) % sizeOf(view->dtype) == 0);
    }
    writeSafetensors(folder / "again", tensors.views, metadata);
    REQUIRE(readAll(folder / "w") == readAll(folder / "again"));
  }
}

TEST_CASE("safetensors: the file may go while its tensors are in use") {
  const TempFolder folder;
  Tensors tensors;
  tensors.add("a", DType::u8, {3}, "abc");
  writeSafetensors(folder / "w", tensors.views, {});
  TensorFile file = readSafetensors(folder / "w");
  tensors.storage[0] = "xyz";
  writeSafetensors(folder / "w", tensors.views, {});
  std::filesystem::remove(folder / "w");
  CHECK(textOf(file.tensors[0]) == "abc");
  CHECK(file.find("missing") == nullptr);
}

TEST_CASE("safetensors: thousands of tensors read quickly and stay in file order") {
  Tensors tensors;
  const TempFolder folder;
  hd::Value::Object unused;
  std::vector<TensorView> views;
  const uint8_t bytes[4] = {};
  for (int i = 0; i < 20000; ++i) views.push_back({"layer" + std::to_string(i), DType::u8, {4}, bytes, 4});
  writeSafetensors(folder / "w", views, {});
  const TensorFile file = readSafetensors(folder / "w");
  REQUIRE(file.tensors.size() == 20000);
  for (size_t i = 0; i < 20000; i += 997) CHECK(file.tensors[i].name == views[i].name);
}

TEST_CASE("safetensors: what other writers may do is read") {
  // Spaces behind the header, members and tensors in any order, empty tensors anywhere, no metadata, unknown
  // members.
  const TensorFile file = parse(image(
      R"({"b":{"data_offsets":[2,4],"shape":[2],"dtype":"U8","note":1},"e":{"dtype":"F32","shape":[0,3],"data_offsets":[2,2]},)"
      R"("a":{"dtype":"I8","shape":[2,1],"data_offsets":[0,2]}}   )",
      "abcd"));
  REQUIRE(file.tensors.size() == 3);
  CHECK(file.tensors[0].name == "a");
  CHECK(file.tensors[1].name == "e");
  CHECK(file.tensors[2].name == "b");
  CHECK(textOf(*file.find("b")) == "cd");
  CHECK(file.find("e")->bytes == 0);
  CHECK(parse(image("{}", "")).tensors.empty());
  CHECK(parse(image(R"({"__metadata__":{}})", "")).metadata.empty());
}

TEST_CASE("safetensors: tensors at odd places are moved to where their type may stand") {
  const TensorFile file = parse(image(
      R"({"b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},"f":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}})",
      std::string("\1\0\0\0\0\0\0\xf0\x3f", 9)));
  const TensorView* view = file.find("f");
  REQUIRE(reinterpret_cast<uintptr_t>(view->data) % 8 == 0);
  CHECK(*reinterpret_cast<const double*>(view->data) == 1);
}

TEST_CASE("safetensors: the length of the header is checked against the file") {
  for (size_t size = 0; size < 8; ++size) {
    isCorrupt(thrownBy([&] { parse(std::string(size, '{')); }), "at least 8 bytes");
  }
  const auto withLength = [](uint64_t length, const std::string& rest) {
    return thrownBy([&] { parse(std::string(reinterpret_cast<const char*>(&length), 8) + rest); });
  };
  isCorrupt(withLength(3, "{}"), "at most the 2 bytes that follow");
  isCorrupt(withLength(100000001, "{}"), "at most 100 MB");
  isCorrupt(withLength(~uint64_t{0}, "{}"), "at most 100 MB");
  isCorrupt(withLength(~uint64_t{0} - 7, "{}"), "at most 100 MB");
  isCorrupt(withLength(0, "{}"), "'{'");
}

TEST_CASE("safetensors: the header is one JSON object") {
  isCorrupt(refusal("[]", ""), "'{'");
  isCorrupt(refusal(" {}", ""), "'{'");
  isCorrupt(refusal("{", ""), "strict JSON");
  isCorrupt(refusal("{} x", ""), "strict JSON");
  isCorrupt(refusal(std::string("{}\0\0", 4), ""), "strict JSON");
  isCorrupt(refusal("{\"\xff\":1}", ""), "UTF-8");
  isCorrupt(
      refusal(
          R"({"conv1.weight":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"conv1.weight":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
          "ab"),
      "duplicate key 'conv1.weight'");
  isCorrupt(refusal(R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "a"),
            "duplicate key 'dtype'");
}

TEST_CASE("safetensors: metadata holds strings only") {
  isCorrupt(refusal(R"({"__metadata__":1})", ""), "__metadata__");
  isCorrupt(refusal(R"({"__metadata__":[]})", ""), "__metadata__");
  isCorrupt(refusal(R"({"__metadata__":{"epoch":3}})", ""), "a string for __metadata__ 'epoch'");
  isCorrupt(refusal(R"({"__metadata__":{"epoch":null}})", ""), "received null");
}

TEST_CASE("safetensors: each entry is checked, and the message names the tensor") {
  const auto entry = [](const std::string& members) {
    return refusal("{\"conv\":{" + members + "}}", "abcd");
  };
  const std::string good = R"("dtype":"U8","shape":[4],"data_offsets":[0,4])";
  REQUIRE(entry(good).code.empty());

  isCorrupt(refusal(R"({"conv":[1]})", ""), "an object for tensor 'conv'");
  isCorrupt(entry(R"("shape":[4],"data_offsets":[0,4])"), "a member 'dtype' for tensor 'conv'");
  isCorrupt(entry(R"("dtype":"U8","data_offsets":[0,4])"), "a member 'shape' for tensor 'conv'");
  isCorrupt(entry(R"("dtype":"U8","shape":[4])"), "a member 'data_offsets' for tensor 'conv'");
  isCorrupt(entry(R"("dtype":3,"shape":[4],"data_offsets":[0,4])"), "a string in dtype for tensor 'conv'");
  isCorrupt(entry(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), "a known dtype for tensor 'conv'");
  isCorrupt(entry(R"("dtype":"U8","shape":4,"data_offsets":[0,4])"), "a list in shape for tensor 'conv'");
  isCorrupt(entry(R"("dtype":"U8","shape":[4],"data_offsets":[0])"), "two data_offsets for tensor 'conv'");
  isCorrupt(entry(R"("dtype":"U8","shape":[4],"data_offsets":[0,4,4])"),
            "two data_offsets for tensor 'conv'");
  isCorrupt(entry(R"("dtype":"U8","shape":[4],"data_offsets":4)"), "two data_offsets for tensor 'conv'");
  for (const char* shape : {"-4", "4.5", "\"4\"", "null", "[4]", "1e300", "9007199254740994"}) {
    isCorrupt(entry(std::string(R"("dtype":"U8","data_offsets":[0,4],"shape":[)") + shape + "]"),
              "whole numbers from 0 in shape for tensor 'conv'");
  }
  for (const char* offsets : {"-1,3", "0,-4", "0.5,4", "0,\"4\"", "0,18446744073709551616"}) {
    isCorrupt(entry(std::string(R"("dtype":"U8","shape":[4],"data_offsets":[)") + offsets + "]"),
              "whole numbers from 0 in data_offsets for tensor 'conv'");
  }
  for (const char* offsets : {"4,0", "0,5", "5,9", "1,9007199254740992"}) {
    isCorrupt(entry(std::string(R"("dtype":"U8","shape":[4],"data_offsets":[)") + offsets + "]"),
              "within 4 bytes of data for tensor 'conv'");
  }
  isCorrupt(entry(R"("dtype":"F32","shape":[4],"data_offsets":[0,4])"),
            "16 bytes of F32 data for tensor 'conv' of 'weights.safetensors' but received 4 bytes");
  isCorrupt(entry(R"("dtype":"F16","shape":[],"data_offsets":[0,4])"), "2 bytes of F16 data");
  isCorrupt(entry(R"("dtype":"U8","shape":[0],"data_offsets":[0,4])"), "0 bytes of U8 data");
  isCorrupt(entry(R"("dtype":"U8","shape":[4294967296,4294967296,4],"data_offsets":[0,4])"),
            "a size that fits 63 bits for tensor 'conv'");
  isCorrupt(entry(R"("dtype":"F64","shape":[4503599627370496,1024,1024],"data_offsets":[0,4])"),
            "a size that fits 63 bits");
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ",1";
  isCorrupt(entry("\"dtype\":\"F32\",\"data_offsets\":[0,4],\"shape\":[" + many + "]"),
            "at most 64 dimensions");
}

TEST_CASE("safetensors: types of the format that have no use here are told apart from damage") {
  for (const char* type : {"U16", "U32", "U64", "F8_E4M3", "F8_E5M2", "C64"}) {
    const auto thrown =
        refusal(std::string(R"({"a":{"dtype":")") + type + R"(","shape":[1],"data_offsets":[0,1]}})", "a");
    CHECK(thrown.code == "HD_CKPT_UNSUPPORTED");
    CHECK(thrown.says(type));
    CHECK(thrown.says("tensor 'a'"));
  }
}

TEST_CASE("safetensors: overlaps, holes and trailing bytes are refused") {
  const auto two = [](const std::string& a, const std::string& b, const std::string& data) {
    const auto entry = [](const std::string& offsets) {
      const size_t comma = offsets.find(',');
      const int size = std::stoi(offsets.substr(comma + 1)) - std::stoi(offsets.substr(0, comma));
      return R"({"dtype":"U8","shape":[)" + std::to_string(size) + R"(],"data_offsets":[)" + offsets + "]}";
    };
    return refusal("{\"a\":" + entry(a) + ",\"b\":" + entry(b) + "}", data);
  };
  CHECK(two("0,2", "2,4", "abcd").code.empty());
  CHECK(two("2,4", "0,2", "abcd").code.empty());
  CHECK(two("0,4", "4,4", "abcd").code.empty());
  isCorrupt(two("0,3", "2,4", "abcd"), "data of its own for tensor 'b'");
  isCorrupt(two("0,4", "0,4", "abcd"), "an overlap of 4 bytes");
  isCorrupt(two("0,4", "1,2", "abcd"), "data of its own for tensor 'b'");
  isCorrupt(two("0,1", "2,4", "abcd"), "a hole of 1 bytes");
  isCorrupt(two("1,2", "2,4", "abcd"), "data right behind the tensor before for tensor 'a'");
  isCorrupt(two("0,2", "2,3", "abcd"), "the end of the file for the end of tensor 'b'");
  isCorrupt(refusal("{}", "a"), "1 more bytes");
  isCorrupt(
      refusal(
          R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
          "abcd"),
      "tensor 'e'");
}

TEST_CASE("safetensors: a header cannot ask for more memory than a few hundred bytes a value") {
  std::string shape = "1";
  for (int i = 0; i < 3000000; ++i) shape += ",1";
  isCorrupt(refusal("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1],\"shape\":[" + shape + "]}}", "a"),
            "too many values");
}

TEST_CASE("safetensors: a file cut anywhere is corrupt") {
  hd::Random random(3, "safetensors", 0, 0);
  const TempFolder folder;
  Tensors tensors;
  tensors.add("stem", DType::f32, {3, 4}, std::string(48, 's'));
  tensors.add("head", DType::i64, {5}, std::string(40, 'h'));
  writeSafetensors(folder / "w", tensors.views, {{"k", "v"}});
  const std::string whole = readAll(folder / "w");
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto thrown = thrownBy([&] { parse(whole.substr(0, size)); });
    REQUIRE(thrown.code == "HD_CKPT_CORRUPT");
  }
  CHECK(thrownBy([&] { parse(whole.substr(0, whole.size() - 1)); }).says("tensor 'head'"));
  CHECK(thrownBy([&] { parse(whole + "x"); }).code == "HD_CKPT_CORRUPT");
}

TEST_CASE("safetensors: the writer refuses mistakes of its caller") {
  const TempFolder folder;
  const uint8_t bytes[8] = {};
  const auto written = [&](std::vector<TensorView> views) {
    return thrownBy([&] { writeSafetensors(folder / "w", views, {}); });
  };
  CHECK(written({{"a", DType::u8, {1}, bytes, 1}, {"a", DType::u8, {1}, bytes, 1}}).says("called 'a'"));
  CHECK(written({{"__metadata__", DType::u8, {1}, bytes, 1}}).says("__metadata__"));
  CHECK(written({{"a", DType::f32, {2}, bytes, 7}}).says("'a'"));
  CHECK(written({{"a", DType::f32, {-2}, bytes, 8}}).code == "HD_INTERNAL");
  CHECK(folder.count() == 0);
}

TEST_CASE("safetensors: a checksum in the metadata holds the tensors to what was written") {
  const TempFolder folder;
  const std::vector<float> a = {1, 2, 3}, b = {4};
  const auto view = [](const char* name, const std::vector<float>& values) {
    return TensorView{name,
                      DType::f32,
                      {static_cast<int64_t>(values.size())},
                      reinterpret_cast<const uint8_t*>(values.data()),
                      values.size() * 4};
  };
  const std::vector<TensorView> views = {view("a", a), view("b", b)};
  const std::string path = folder / "w", sum = hd::io::contentOf(views);
  writeSafetensors(path, views, {{hd::io::kContentKey, sum}});
  CHECK(readSafetensors(path).metadata.at(hd::io::kContentKey) == sum);
  const std::string whole = readAll(path);
  const size_t data = whole.size() - 16;
  for (size_t at = data; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    writeAll(path, changed);
    const auto thrown = thrownBy([&] { readSafetensors(path); });
    CHECK(thrown.code == "HD_CKPT_CORRUPT");
    CHECK(thrown.says("checksum"));
  }
  // Names and types count: exchanged names leave every number where it was.
  std::string renamed = whole;
  renamed.replace(renamed.find("\"a\":"), 4, "\"c\":");
  writeAll(path, renamed);
  CHECK(thrownBy([&] { readSafetensors(path); }).says("checksum"));
  CHECK(hd::io::contentOf({view("b", a)}) != hd::io::contentOf({view("a", a)}));
}
