#include "io/state_dict.h"

#include <doctest/doctest.h>

#include "core/rng.h"
#include "pth_checks.h"

using namespace hd::io;
using namespace hd::io::test;

TEST_CASE("state dict: every type of storage") {
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

TEST_CASE("state dict: strides become row-major order") {
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

TEST_CASE("state dict: random strided views equal a plain gather") {
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
    REQUIRE(refusalOf(oneTensor(last, offset, shape, stride)).code == "HD_PTH_CORRUPT");
  }
}

TEST_CASE("state dict: tensors may share a storage, and the zip's own data is not copied") {
  PickleWriter writer;
  writer.emptyDict().mark().text("a").tensor("FloatStorage", "0", 4, 0, {4}, {1});
  writer.text("b").tensor("FloatStorage", "0", 4, 2, {2}, {1}).setItems();
  const TensorFile file = parseBoth({writer.stop(), {{"0", 4, floats(4)}}});
  CHECK(file.tensors[1].data == file.tensors[0].data + 8);
}

TEST_CASE("state dict: the state dict is found where training tools put it") {
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

TEST_CASE("state dict: attributes of the state dict and plain members beside tensors are left out") {
  PickleWriter writer;
  writer.orderedDict().mark().text("w").tensor("FloatStorage", "0", 1, 0, {}, {});
  writer.text("epoch").integer(3).text("name").text("x").text("nothing").none().text("list").emptyList();
  writer.text("bn._extra_state").attack().setItems();
  writer.emptyDict().mark().text("_metadata").orderedDict().setItems().build();
  const TensorFile file = parseBoth({writer.stop(), {{"0", 4, floats(1)}}});
  REQUIRE(file.tensors.size() == 1);
  CHECK(file.tensors[0].name == "w");
}

TEST_CASE("state dict: weights behind a call are refused by name; the call is never made") {
  PickleWriter member;
  member.emptyDict().mark().text("w").tensor("FloatStorage", "0", 1, 0, {}, {}).text("x").attack().setItems();
  auto thrown = refusalOf({member.stop(), {{"0", 4, floats(1)}}});
  CHECK(thrown.code == "HD_PTH_UNSAFE");
  CHECK(thrown.says("'x'"));
  CHECK(thrown.says("os.system"));

  PickleWriter inner;
  inner.emptyDict().mark().text("state_dict").attack().setItems();
  thrown = refusalOf({inner.stop(), {}});
  CHECK(thrown.code == "HD_PTH_UNSAFE");
  CHECK(thrown.says("'state_dict'"));

  thrown = refusalOf(
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
  CHECK(refusalOf({all.stop(), {}}).says("_rebuild_qtensor"));

  PickleWriter storage;
  storage.emptyDict().mark().text("w").global("torch._utils", "_rebuild_tensor_v2").mark().attack();
  storage.integer(0).integers({}).integers({}).tuple().reduce().setItems();
  CHECK(refusalOf({storage.stop(), {}}).code == "HD_PTH_UNSAFE");
  CHECK_FALSE(std::filesystem::exists("/tmp/hdtrain-was-here"));
}

TEST_CASE("state dict: objects without weights are unsupported") {
  for (const std::string& pickle :
       {PickleWriter().none().stop(), PickleWriter().emptyDict().stop(), PickleWriter().emptyList().stop(),
        PickleWriter().emptyDict().mark().text("a").integer(1).setItems().stop()}) {
    const auto thrown = refusalOf({pickle, {}});
    CHECK(thrown.code == "HD_PTH_UNSUPPORTED");
    CHECK(thrown.says("'state_dict'"));
  }
  PickleWriter bare;
  bare.tensor("FloatStorage", "0", 1, 0, {}, {});
  CHECK(refusalOf({bare.stop(), {{"0", 4, floats(1)}}}).code == "HD_PTH_UNSUPPORTED");
  PickleWriter numbered;
  numbered.emptyDict().mark().integer(1).tensor("FloatStorage", "0", 1, 0, {}, {}).setItems();
  CHECK(refusalOf({numbered.stop(), {{"0", 4, floats(1)}}}).code == "HD_PTH_UNSUPPORTED");
}

TEST_CASE("state dict: types without use here are unsupported when a weight has them, else passed over") {
  PickleWriter writer;
  writer.emptyDict().mark().text("w").tensor("ComplexFloatStorage", "0", 1, 0, {}, {}).setItems();
  const auto thrown = refusalOf({writer.stop(), {{"0", 8, std::string(8, '\0')}}});
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

TEST_CASE("state dict: sizes, strides and offsets that leave the storage are corrupt") {
  const int64_t large = int64_t{1} << 62;
  CHECK(refusalOf(oneTensor(6, 1, {2, 3}, {3, 1})).says("elements within the 6 of its storage"));
  CHECK(refusalOf(oneTensor(6, 6, {}, {})).code == "HD_PTH_CORRUPT");
  CHECK(refusalOf(oneTensor(6, 0, {7}, {1})).code == "HD_PTH_CORRUPT");
  CHECK(refusalOf(oneTensor(6, 0, {2}, {6})).code == "HD_PTH_CORRUPT");
  CHECK(refusalOf(oneTensor(6, 0, {2}, {large})).code == "HD_PTH_CORRUPT");
  CHECK(refusalOf(oneTensor(6, large, {2}, {large})).code == "HD_PTH_CORRUPT");
  CHECK(refusalOf(oneTensor(6, -1, {2}, {1})).says("whole numbers from 0"));
  CHECK(refusalOf(oneTensor(6, 5, {2}, {-1})).says("whole numbers from 0"));
  CHECK(refusalOf(oneTensor(6, 0, {-2}, {1})).says("whole numbers from 0"));
  CHECK(refusalOf(oneTensor(6, 0, {2, 3}, {1})).says("as many strides as sizes"));
  CHECK(refusalOf(oneTensor(6, 0, {large, large}, {0, 0})).says("63 bits"));
  CHECK(refusalOf(oneTensor(6, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1)))
            .says("at most 64"));
  const auto thrown = refusalOf(oneTensor(6, 1, {2, 3}, {3, 1}));
  CHECK(thrown.says("tensor 'w'"));
  CHECK(thrown.says("(byte "));
}

TEST_CASE("state dict: a small file cannot ask for much memory") {
  const auto thrown = refusalOf(oneTensor(1, 0, {int64_t{1} << 40}, {0}));
  CHECK(thrown.code == "HD_PTH_UNSUPPORTED");
  CHECK(thrown.says("no more than the file's size"));
  // Nor piece by piece.
  PickleWriter writer;
  writer.emptyDict().mark();
  for (int i = 0; i < 100; ++i)
    writer.text(std::to_string(i)).tensor("FloatStorage", "0", 1, 0, {1 << 18}, {0});
  CHECK(refusalOf({writer.setItems().stop(), {{"0", 4, floats(1)}}}).code == "HD_PTH_UNSUPPORTED");
}

TEST_CASE("state dict: names are unique") {
  PickleWriter writer;
  writer.emptyDict().mark();
  for (const char* name : {"b", "a", "b"}) writer.text(name).tensor("FloatStorage", "0", 1, 0, {}, {});
  const auto thrown = refusalOf({writer.setItems().stop(), {{"0", 4, floats(1)}}});
  CHECK(thrown.code == "HD_PTH_CORRUPT");
  CHECK(thrown.says("tensor 'b'"));
}

TEST_CASE("state dict: storages that are missing or of another size are corrupt") {
  TorchFile file = oneTensor(6, 0, {6}, {1});
  file.storages[0].bytes = floats(5);
  CHECK(refusalOf(file).code == "HD_PTH_CORRUPT");
  file.storages[0].bytes = floats(7);
  CHECK(refusalOf(file).code == "HD_PTH_CORRUPT");
  file.storages.clear();
  CHECK(refusalOf(file).code == "HD_PTH_CORRUPT");
  CHECK(refusalOf(oneTensor(0, 0, {6}, {1})).code == "HD_PTH_CORRUPT");
  PickleWriter negative;
  negative.emptyDict().mark().text("w").tensor("FloatStorage", "0", -1, 0, {0}, {1}).setItems();
  CHECK(refusalOf({negative.stop(), {{"0", 4, ""}}}).code == "HD_PTH_CORRUPT");
}
