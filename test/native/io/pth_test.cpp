#include "io/pth.h"

#include <doctest/doctest.h>

#include <cstring>

#include "files.h"
#include "mutations.h"
#include "torch_files.h"

using namespace hd::io;
using namespace hd::io::test;

namespace {

TensorFile parse(const std::string& bytes) {
  const std::shared_ptr<uint8_t[]> block(new uint8_t[bytes.size()]);
  std::memcpy(block.get(), bytes.data(), bytes.size());
  return parsePth(block.get(), bytes.size(), block, "w.pth");
}

/// Parses both containers of one file and checks that they agree.
TensorFile parseBoth(const TorchFile& file) {
  TensorFile zip = parse(file.zip()), legacy = parse(file.legacy());
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
Thrown refusal(const TorchFile& file) {
  const auto zip = thrownBy([&] { parse(file.zip()); }), legacy = thrownBy([&] { parse(file.legacy()); });
  CHECK(zip.code == legacy.code);
  CHECK(zip.says("w.pth"));
  CHECK(legacy.says("w.pth"));
  return zip;
}

std::vector<float> floatsOf(const TensorView& view) {
  std::vector<float> out(view.bytes / 4);
  std::memcpy(out.data(), view.data, view.bytes);
  return out;
}

std::string floats(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += littleEndian(static_cast<float>(i));
  return out;
}

/// {"w": tensor} over one FloatStorage of `count` elements.
TorchFile oneTensor(int64_t count, int64_t offset, const std::vector<int64_t>& size,
                    const std::vector<int64_t>& stride) {
  PickleWriter writer;
  writer.emptyDict().mark().text("w").tensor("FloatStorage", "0", count, offset, size, stride).setItems();
  return {writer.stop(), {{"0", 4, floats(static_cast<size_t>(count))}}};
}

}  // namespace

TEST_CASE("pth: every type of storage") {
  const struct {
    const char* storage;
    DType dtype;
  } types[] = {{"DoubleStorage", DType::f64},    {"FloatStorage", DType::f32}, {"HalfStorage", DType::f16},
               {"BFloat16Storage", DType::bf16}, {"LongStorage", DType::i64},  {"IntStorage", DType::i32},
               {"ShortStorage", DType::i16},     {"CharStorage", DType::i8},   {"ByteStorage", DType::u8},
               {"BoolStorage", DType::boolean}};
  PickleWriter writer;
  TorchFile file;
  writer.orderedDict().mark();
  for (const auto& type : types) {
    const std::string key = std::to_string(file.storages.size());
    writer.text(type.storage).tensor(type.storage, key, 3, 1, {2}, {1});
    std::string bytes(3 * sizeOf(type.dtype), '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i + 1);
    file.storages.push_back({key, sizeOf(type.dtype), bytes});
  }
  file.pickle = writer.setItems().stop();
  const TensorFile read = parseBoth(file);
  REQUIRE(read.tensors.size() == 10);
  for (size_t i = 0; i < 10; ++i) {
    CHECK(read.tensors[i].name == types[i].storage);
    CHECK(read.tensors[i].dtype == types[i].dtype);
    CHECK(read.tensors[i].shape == std::vector<int64_t>{2});
    const size_t size = sizeOf(types[i].dtype);
    CHECK(std::memcmp(read.tensors[i].data, file.storages[i].bytes.data() + size, 2 * size) == 0);
  }
}

TEST_CASE("pth: strides become row-major order") {
  const auto values = [](const TorchFile& file) { return floatsOf(parseBoth(file).tensors.at(0)); };
  CHECK(values(oneTensor(6, 0, {2, 3}, {3, 1})) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(values(oneTensor(6, 0, {3, 2}, {1, 3})) == std::vector<float>{0, 3, 1, 4, 2, 5});  // transposed
  CHECK(values(oneTensor(6, 1, {2}, {3})) == std::vector<float>{1, 4});                    // a column
  CHECK(values(oneTensor(6, 2, {2, 2}, {2, 0})) == std::vector<float>{2, 2, 4, 4});        // expanded
  CHECK(values(oneTensor(8, 0, {1, 2, 2, 2}, {8, 1, 4, 2})) ==
        std::vector<float>{0, 2, 4, 6, 1, 3, 5, 7});                // channels last
  CHECK(values(oneTensor(3, 2, {}, {})) == std::vector<float>{2});  // scalar
  CHECK(values(oneTensor(3, 0, {1, 3}, {77, 1})) ==
        std::vector<float>{0, 1, 2});  // the stride of one element is free
  CHECK(values(oneTensor(3, 3, {0, 3}, {3, 1})).empty());
  CHECK(values(oneTensor(0, 9, {0}, {1})).empty());
}

TEST_CASE("pth: random strided views equal a plain gather") {
  for (uint64_t i = 0; i < 300; ++i) {
    hd::Random random(1, "pth", 0, i);
    std::vector<int64_t> shape(random.below(5)), stride(shape.size());
    int64_t last = random.below(3);
    const int64_t offset = last;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      shape[axis] = 1 + random.below(4);
      stride[axis] = random.below(6);
      last += (shape[axis] - 1) * stride[axis];
    }
    std::vector<float> expected{static_cast<float>(offset)};
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      std::vector<float> next;
      for (const float base : expected) {
        for (int64_t k = 0; k < shape[axis]; ++k) next.push_back(base + static_cast<float>(k * stride[axis]));
      }
      expected = std::move(next);
    }
    REQUIRE(floatsOf(parseBoth(oneTensor(last + 1, offset, shape, stride)).tensors.at(0)) == expected);
    REQUIRE(refusal(oneTensor(last, offset, shape, stride)).code == "HD_PTH_CORRUPT");
  }
}

TEST_CASE("pth: tensors may share a storage, and the zip's own data is not copied") {
  PickleWriter writer;
  writer.emptyDict().mark().text("a").tensor("FloatStorage", "0", 4, 0, {4}, {1});
  writer.text("b").tensor("FloatStorage", "0", 4, 2, {2}, {1}).setItems();
  const TensorFile file = parseBoth({writer.stop(), {{"0", 4, floats(4)}}});
  CHECK(file.tensors[1].data == file.tensors[0].data + 8);
}

TEST_CASE("pth: the state dict is found where training tools put it") {
  const auto names = [](const PickleWriter& writer, size_t storages) {
    TorchFile file{writer.stop(), {}};
    for (size_t i = 0; i < storages; ++i) file.storages.push_back({std::to_string(i), 4, floats(1)});
    std::string out;
    for (const TensorView& view : parseBoth(file).tensors) out += view.name + " ";
    return out;
  };
  const auto dictOf = [](PickleWriter& writer, const char* name, const char* key) {
    writer.orderedDict().mark().text(name).tensor("FloatStorage", key, 1, 0, {}, {}).setItems();
  };
  for (const char* wrapper : {"state_dict", "model", "ema_state_dict"}) {
    PickleWriter writer;
    writer.emptyDict().mark().text("meta").attack().text("epoch").integer(3).text(wrapper);
    dictOf(writer, "inner", "0");
    CHECK(names(writer.setItems(), 1) == "inner ");
  }
  {
    PickleWriter writer;  // in order: state_dict, model, ema_state_dict, top
    writer.emptyDict().mark().text("top").tensor("FloatStorage", "0", 1, 0, {}, {}).text("ema_state_dict");
    dictOf(writer, "ema", "1");
    writer.text("model");
    dictOf(writer, "model", "2");
    CHECK(names(writer.setItems(), 3) == "model ");
  }
  {
    PickleWriter writer;  // a wrapper's name without tensors is no wrapper
    writer.emptyDict().mark().text("model").text("resnet").text("top").tensor("FloatStorage", "0", 1, 0, {},
                                                                              {});
    CHECK(names(writer.setItems(), 1) == "top ");
  }
}

TEST_CASE("pth: attributes of the state dict and plain members beside tensors are left out") {
  PickleWriter writer;
  writer.orderedDict().mark().text("w").tensor("FloatStorage", "0", 1, 0, {}, {});
  writer.text("epoch").integer(3).text("name").text("x").text("nothing").none().text("list").emptyList();
  writer.text("bn._extra_state").attack().setItems();
  writer.emptyDict().mark().text("_metadata").orderedDict().setItems().build();
  const TensorFile file = parseBoth({writer.stop(), {{"0", 4, floats(1)}}});
  REQUIRE(file.tensors.size() == 1);
  CHECK(file.tensors[0].name == "w");
}

TEST_CASE("pth: weights behind a call are refused by name; the call is never made") {
  PickleWriter member;
  member.emptyDict().mark().text("w").tensor("FloatStorage", "0", 1, 0, {}, {}).text("x").attack().setItems();
  auto thrown = refusal({member.stop(), {{"0", 4, floats(1)}}});
  CHECK(thrown.code == "HD_PTH_UNSAFE");
  CHECK(thrown.says("'x'"));
  CHECK(thrown.says("os.system"));

  PickleWriter inner;
  inner.emptyDict().mark().text("state_dict").attack().setItems();
  thrown = refusal({inner.stop(), {}});
  CHECK(thrown.code == "HD_PTH_UNSAFE");
  CHECK(thrown.says("'state_dict'"));

  thrown = refusal(
      {PickleWriter().global("models", "ResNet").emptyTuple().raw("\x81").emptyDict().build().stop(), {}});
  CHECK(thrown.code == "HD_PTH_UNSAFE");
  CHECK(thrown.says("models.ResNet"));

  PickleWriter all;
  all.emptyDict()
      .mark()
      .text("w")
      .global("torch._utils", "_rebuild_qtensor")
      .emptyTuple()
      .reduce()
      .setItems();
  CHECK(refusal({all.stop(), {}}).says("_rebuild_qtensor"));

  PickleWriter storage;
  storage.emptyDict().mark().text("w").global("torch._utils", "_rebuild_tensor_v2").mark().attack();
  storage.integer(0).integers({}).integers({}).tuple().reduce().setItems();
  CHECK(refusal({storage.stop(), {}}).code == "HD_PTH_UNSAFE");
  CHECK_FALSE(std::filesystem::exists("/tmp/hdtrain-was-here"));
}

TEST_CASE("pth: objects without weights are unsupported") {
  for (const std::string& pickle :
       {PickleWriter().none().stop(), PickleWriter().emptyDict().stop(), PickleWriter().emptyList().stop(),
        PickleWriter().emptyDict().mark().text("a").integer(1).setItems().stop()}) {
    const auto thrown = refusal({pickle, {}});
    CHECK(thrown.code == "HD_PTH_UNSUPPORTED");
    CHECK(thrown.says("'state_dict'"));
  }
  PickleWriter bare;
  bare.tensor("FloatStorage", "0", 1, 0, {}, {});
  CHECK(refusal({bare.stop(), {{"0", 4, floats(1)}}}).code == "HD_PTH_UNSUPPORTED");
  PickleWriter numbered;
  numbered.emptyDict().mark().integer(1).tensor("FloatStorage", "0", 1, 0, {}, {}).setItems();
  CHECK(refusal({numbered.stop(), {{"0", 4, floats(1)}}}).code == "HD_PTH_UNSUPPORTED");
}

TEST_CASE("pth: types without use here are unsupported when a weight has them, else passed over") {
  PickleWriter writer;
  writer.emptyDict().mark().text("w").tensor("ComplexFloatStorage", "0", 1, 0, {}, {}).setItems();
  const auto thrown = refusal({writer.stop(), {{"0", 8, std::string(8, '\0')}}});
  CHECK(thrown.code == "HD_PTH_UNSUPPORTED");
  CHECK(thrown.says("torch.ComplexFloatStorage"));

  PickleWriter other;
  other.emptyDict()
      .mark()
      .text("spectrum")
      .tensor("ComplexFloatStorage", "0", 1, 0, {}, {})
      .text("state_dict")
      .emptyDict()
      .mark();
  other.text("w").tensor("FloatStorage", "1", 1, 0, {}, {}).setItems().setItems();
  CHECK(parseBoth({other.stop(), {{"0", 8, std::string(8, '\0')}, {"1", 4, floats(1)}}}).tensors.size() == 1);
}

TEST_CASE("pth: sizes, strides and offsets that leave the storage are corrupt") {
  const int64_t large = int64_t{1} << 62;
  CHECK(refusal(oneTensor(6, 1, {2, 3}, {3, 1})).says("elements within the 6 of its storage"));
  CHECK(refusal(oneTensor(6, 6, {}, {})).code == "HD_PTH_CORRUPT");
  CHECK(refusal(oneTensor(6, 0, {7}, {1})).code == "HD_PTH_CORRUPT");
  CHECK(refusal(oneTensor(6, 0, {2}, {6})).code == "HD_PTH_CORRUPT");
  CHECK(refusal(oneTensor(6, 0, {2}, {large})).code == "HD_PTH_CORRUPT");
  CHECK(refusal(oneTensor(6, large, {2}, {large})).code == "HD_PTH_CORRUPT");
  CHECK(refusal(oneTensor(6, -1, {2}, {1})).says("whole numbers from 0"));
  CHECK(refusal(oneTensor(6, 5, {2}, {-1})).says("whole numbers from 0"));
  CHECK(refusal(oneTensor(6, 0, {-2}, {1})).says("whole numbers from 0"));
  CHECK(refusal(oneTensor(6, 0, {2, 3}, {1})).says("as many strides as sizes"));
  CHECK(refusal(oneTensor(6, 0, {large, large}, {0, 0})).says("63 bits"));
  CHECK(
      refusal(oneTensor(6, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1))).says("at most 64"));
  const auto thrown = refusal(oneTensor(6, 1, {2, 3}, {3, 1}));
  CHECK(thrown.says("tensor 'w'"));
  CHECK(thrown.says("(byte "));
}

TEST_CASE("pth: a small file cannot ask for much memory") {
  const auto thrown = refusal(oneTensor(1, 0, {int64_t{1} << 40}, {0}));
  CHECK(thrown.code == "HD_PTH_UNSUPPORTED");
  CHECK(thrown.says("no more than the file's size"));
  // Nor piece by piece.
  PickleWriter writer;
  writer.emptyDict().mark();
  for (int i = 0; i < 100; ++i)
    writer.text(std::to_string(i)).tensor("FloatStorage", "0", 1, 0, {1 << 18}, {0});
  CHECK(refusal({writer.setItems().stop(), {{"0", 4, floats(1)}}}).code == "HD_PTH_UNSUPPORTED");
}

TEST_CASE("pth: names are unique") {
  PickleWriter writer;
  writer.emptyDict().mark();
  for (const char* name : {"b", "a", "b"}) writer.text(name).tensor("FloatStorage", "0", 1, 0, {}, {});
  const auto thrown = refusal({writer.setItems().stop(), {{"0", 4, floats(1)}}});
  CHECK(thrown.code == "HD_PTH_CORRUPT");
  CHECK(thrown.says("tensor 'b'"));
}

TEST_CASE("pth: storages that are missing or of another size are corrupt") {
  TorchFile file = oneTensor(6, 0, {6}, {1});
  file.storages[0].bytes = floats(5);
  CHECK(refusal(file).code == "HD_PTH_CORRUPT");
  file.storages[0].bytes = floats(7);
  CHECK(refusal(file).code == "HD_PTH_CORRUPT");
  file.storages.clear();
  CHECK(refusal(file).code == "HD_PTH_CORRUPT");
  CHECK(refusal(oneTensor(0, 0, {6}, {1})).code == "HD_PTH_CORRUPT");
  PickleWriter negative;
  negative.emptyDict().mark().text("w").tensor("FloatStorage", "0", -1, 0, {0}, {1}).setItems();
  CHECK(refusal({negative.stop(), {{"0", 4, ""}}}).code == "HD_PTH_CORRUPT");
}

TEST_CASE("pth: zip archives of every variant, and of other tools") {
  const TorchFile file = oneTensor(6, 0, {6}, {1});
  for (int variant = 0; variant < 8; ++variant) {
    ZipWriter writer;
    writer.descriptors = variant & 1;
    writer.zip64 = variant & 2;
    writer.aligned = variant & 4;
    CHECK(floatsOf(parse(file.zip(writer)).tensors.at(0)) == std::vector<float>{0, 1, 2, 3, 4, 5});
  }
  CHECK(parse(file.zip({}, "")).tensors.size() == 1);  // before torch 2.1
  const auto big = thrownBy([&] { parse(file.zip({}, "big")); });
  CHECK(big.code == "HD_PTH_UNSUPPORTED");
  CHECK(big.says("little-endian"));

  ZipWriter script;
  script.add("archive/constants.pkl", PickleWriter().emptyTuple().stop());
  CHECK(thrownBy([&] { parse(file.zip(script)); }).says("TorchScript"));
  ZipWriter other;
  other.add("word/document.xml", "<xml/>");
  other.add("deep/archive/data.pkl", file.pickle);
  CHECK(thrownBy([&] { parse(other.finish()); }).says("without data.pkl"));
}

TEST_CASE("pth: legacy streams of other versions and byte orders are unsupported") {
  const TorchFile file = oneTensor(6, 0, {6}, {1});
  CHECK(thrownBy([&] { parse(file.legacy(false)); }).says("little-endian"));
  CHECK(thrownBy([&] { parse(file.legacy(true, 1000)); }).code == "HD_PTH_UNSUPPORTED");
  CHECK(thrownBy([&] { parse(PickleWriter().integer(3).stop()); }).says("magic number"));
  CHECK(thrownBy([&] { parse(file.legacy() + "x"); }).says("end of the file"));
  TorchFile view;
  view.pickle = PickleWriter()
                    .mark()
                    .text("storage")
                    .global("torch", "FloatStorage")
                    .text("0")
                    .text("cpu")
                    .integer(6)
                    .raw("K\1K\2\x86")
                    .tuple()
                    .raw("Q")
                    .stop();
  CHECK(thrownBy([&] { parse(view.legacy()); }).says("storage view"));
  TorchFile unknown = oneTensor(6, 0, {6}, {1});
  unknown.pickle.replace(unknown.pickle.find("FloatStorage"), 12, "WhatsStorage");
  CHECK(thrownBy([&] { parse(unknown.legacy()); }).says("torch.WhatsStorage"));
}

TEST_CASE("pth: a file cut anywhere, or no file of torch at all, is corrupt") {
  const TorchFile file = oneTensor(6, 0, {2, 3}, {3, 1});
  for (const std::string& whole : {file.zip(), file.legacy()}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      REQUIRE(thrownBy([&] { parse(whole.substr(0, size)); }).code == "HD_PTH_CORRUPT");
    }
  }
  CHECK(thrownBy([] { parse("<html>not found</html>"); }).code == "HD_PTH_CORRUPT");
}

TEST_CASE("pth: mutated files are read or refused, never more") {
  PickleWriter writer;
  writer.emptyDict().mark().text("meta").attack().text("state_dict").orderedDict().mark();
  writer.text("conv.weight").tensor("FloatStorage", "0", 12, 0, {2, 3, 2}, {6, 1, 3});
  writer.text("bn.count").tensor("LongStorage", "1", 1, 0, {}, {}).setItems().setItems();
  const TorchFile whole{writer.stop(), {{"0", 4, floats(12)}, {"1", 8, littleEndian(int64_t{5})}}};
  const char* const symbols = "(.012GJKMNQRTUXabcd}ehjl]oqrst)uBC\x81\x85\x86\x87\x8a\x8c\x93";
  int accepted = 0;
  for (uint64_t i = 0; i < 3 * fuzzIterations(); ++i) {
    hd::Random random(2, "pth", 0, i);
    TorchFile file = whole;
    std::string bytes;
    switch (i % 3) {
      case 0:  // inside a container whose checksums are right
        file.pickle = mutate(file.pickle, random, symbols);
        bytes = file.zip();
        break;
      case 1:
        bytes = mutate(file.legacy(), random, symbols);
        break;
      default:
        bytes = mutate(file.zip(), random, symbols);
        break;
    }
    try {
      size_t total = 0;
      unsigned sum = 0;
      for (const TensorView& view : parse(bytes).tensors) {
        REQUIRE(byteCount(view.shape, view.dtype) == view.bytes);
        for (size_t k = 0; k < view.bytes; ++k) sum += view.data[k];
        total += view.bytes;
      }
      REQUIRE(sum <= 255 * total);
      REQUIRE(total <= bytes.size() + (size_t{16} << 20));
      ++accepted;
    } catch (const hd::Error& error) {
      const bool expected = error.code() == "HD_PTH_CORRUPT" || error.code() == "HD_PTH_UNSUPPORTED" ||
                            error.code() == "HD_PTH_UNSAFE";
      REQUIRE_MESSAGE(expected, error.code());
    }
  }
  CHECK(accepted * 50 > static_cast<int>(fuzzIterations()));
}

TEST_CASE("pth: a real checkpoint (NanoDet-m, when the shared weights are there)") {
  const std::string path = std::string(HD_SOURCE_DIR) + "/../shared/weights/nanodet_m_coco.pth";
  if (!std::filesystem::exists(path)) {
    MESSAGE("skipped: no ", path);
    return;
  }
  const TensorFile file = readPth(path);
  CHECK(file.tensors.size() == 421);
  const TensorView* stem = file.find("backbone.conv1.0.weight");
  REQUIRE(stem != nullptr);
  CHECK(stem->shape == std::vector<int64_t>{24, 3, 3, 3});
  for (const TensorView& view : file.tensors) {
    if (view.dtype != DType::f32) continue;
    for (const float value : floatsOf(view)) REQUIRE(std::abs(value) < 1000);
  }
}
