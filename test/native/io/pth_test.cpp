#include "io/pth.h"

#include <doctest/doctest.h>

#include "mutations.h"
#include "pth_checks.h"

using namespace hd::io;
using namespace hd::io::test;

TEST_CASE("pth: zip archives of every variant, and of other tools") {
  const TorchFile file = oneTensor(6, 0, {6}, {1});
  for (int variant = 0; variant < 8; ++variant) {
    ZipWriter writer;
    writer.descriptors = variant & 1;
    writer.zip64 = variant & 2;
    writer.aligned = variant & 4;
    CHECK(floatsOf(parseImage(file.zip(writer)).tensors.at(0)) == std::vector<float>{0, 1, 2, 3, 4, 5});
  }
  CHECK(parseImage(file.zip({}, "")).tensors.size() == 1);  // before torch 2.1
  const auto big = thrownBy([&] { parseImage(file.zip({}, "big")); });
  CHECK(big.code == "HD_PTH_UNSUPPORTED");
  CHECK(big.says("little-endian"));

  ZipWriter script;
  script.add("archive/constants.pkl", PickleWriter().emptyTuple().stop());
  CHECK(thrownBy([&] { parseImage(file.zip(script)); }).says("TorchScript"));
  ZipWriter other;
  other.add("word/document.xml", "<xml/>");
  other.add("deep/archive/data.pkl", file.pickle);
  CHECK(thrownBy([&] { parseImage(other.finish()); }).says("without data.pkl"));
}

TEST_CASE("pth: legacy streams of other versions and byte orders are unsupported") {
  const TorchFile file = oneTensor(6, 0, {6}, {1});
  CHECK(thrownBy([&] { parseImage(file.legacy(false)); }).says("little-endian"));
  CHECK(thrownBy([&] { parseImage(file.legacy(true, 1000)); }).code == "HD_PTH_UNSUPPORTED");
  CHECK(thrownBy([&] { parseImage(PickleWriter().integer(3).stop()); }).says("magic number"));
  CHECK(thrownBy([&] { parseImage(file.legacy() + "x"); }).says("end of the file"));
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
  CHECK(thrownBy([&] { parseImage(view.legacy()); }).says("storage view"));
  TorchFile unknown = oneTensor(6, 0, {6}, {1});
  unknown.pickle.replace(unknown.pickle.find("FloatStorage"), 12, "WhatsStorage");
  CHECK(thrownBy([&] { parseImage(unknown.legacy()); }).says("torch.WhatsStorage"));
}

TEST_CASE("pth: a file cut anywhere, or no file of torch at all, is corrupt") {
  const TorchFile file = oneTensor(6, 0, {2, 3}, {3, 1});
  for (const std::string& whole : {file.zip(), file.legacy()}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      REQUIRE(thrownBy([&] { parseImage(whole.substr(0, size)); }).code == "HD_PTH_CORRUPT");
    }
  }
  CHECK(thrownBy([] { parseImage("<html>not found</html>"); }).code == "HD_PTH_CORRUPT");
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
      for (const TensorView& view : parseImage(bytes).tensors) {
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
