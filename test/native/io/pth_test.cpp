#include "io/pth.h"

#include <doctest/doctest.h>

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
