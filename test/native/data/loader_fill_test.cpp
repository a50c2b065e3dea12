#include "data/loader_fill.h"

#include <doctest/doctest.h>

#include <memory>

#include "data/decode.h"
#include "native/data/file_dataset.h"
#include "native/data/memory_dataset.h"

using namespace hd::data;
using fixture::Bytes;
using fixture::codeOf;
using fixture::FileDataset;
using fixture::Folder;
using fixture::MemoryDataset;
using fixture::options;

namespace {

struct Filled {
  FilledPicture picture;
  Bytes pixels;
};

Filled fill(const std::shared_ptr<const Dataset>& dataset, const char* json) {
  BatchPlanner planner(dataset, options(json));
  const BatchPlan batch = planner.batch(0, 0);
  Filled out;
  out.pixels.assign(static_cast<size_t>(batch.canvas.width) * static_cast<size_t>(batch.canvas.height) * 3,
                    0);
  RenderScratch scratch;
  out.picture = fillPicture(planner, batch, 0, 0,
                            {out.pixels.data(), batch.canvas.width, batch.canvas.height}, scratch);
  return out;
}

}  // namespace

TEST_CASE("a file that keeps its size decodes straight into the canvas") {
  const Folder folder;
  const Bytes pixels = fixture::waves(50, 40);
  writePicture(folder / "a.png", pixels.data(), 50, 40);
  const Filled out = fill(std::make_shared<FileDataset>(std::vector{folder / "a.png"}, 50, 40),
                          R"({"canvas": {"fill": [9, 8, 7]}})");
  CHECK(out.picture.copiedBytes == 0);
  REQUIRE(out.pixels.size() == 64 * 64 * 3);
  for (size_t y = 0; y < 40; ++y) {
    CHECK(std::equal(pixels.begin() + static_cast<int64_t>(y * 150),
                     pixels.begin() + static_cast<int64_t>((y + 1) * 150),
                     out.pixels.begin() + static_cast<int64_t>(y * 192)));
    CHECK(out.pixels[y * 192 + 150] == 9);
  }
  CHECK(out.pixels.back() == 7);
}

TEST_CASE("what a warp leaves bare has the step's own colour, and padding behind the picture its own") {
  const Folder folder;
  const Bytes pixels(40 * 40 * 3, 200);
  writePicture(folder / "a.png", pixels.data(), 40, 40);
  const auto dataset = std::make_shared<FileDataset>(std::vector{folder / "a.png"}, 40, 40);
  const auto at = [](const Filled& out, size_t x, size_t y) {
    const uint8_t* pixel = &out.pixels[(y * 64 + x) * 3];
    return Bytes(pixel, pixel + 3);
  };
  // Half as large about the middle: 10 pixels are bare on each side, and 24 of the canvas lie behind the
  // picture.
  for (const char* step :
       {R"({"affine": {"scale": [0.5, 0.5], "translate": 0, "fill": [0, 1, 2]}})",
        R"({"centreAffine": {"size": 40, "scales": [2], "border": 19, "fill": [0, 1, 2]}})"}) {
    const Filled out =
        fill(dataset, hd::concat(R"({"canvas": {"fill": [9, 8, 7]}, "augment": [)", step, "]}").c_str());
    REQUIRE(out.pixels.size() == 64 * 64 * 3);
    CHECK(at(out, 0, 0) == Bytes{0, 1, 2});
    CHECK(at(out, 39, 39) == Bytes{0, 1, 2});
    CHECK(at(out, 20, 20) == Bytes{200, 200, 200});
    CHECK(at(out, 40, 20) == Bytes{9, 8, 7});
    CHECK(at(out, 20, 40) == Bytes{9, 8, 7});
  }
  const Filled plain = fill(
      dataset,
      R"({"canvas": {"fill": [9, 8, 7]}, "augment": [{"affine": {"scale": [0.5, 0.5], "translate": 0}}]})");
  CHECK(at(plain, 0, 0) == Bytes{9, 8, 7});
}

TEST_CASE("colours change a directly decoded file too") {
  const Folder folder;
  const Bytes pixels(32 * 32 * 3, 100);
  writePicture(folder / "a.png", pixels.data(), 32, 32);
  const auto dataset = std::make_shared<FileDataset>(std::vector{folder / "a.png"}, 32, 32);
  const Filled out = fill(
      dataset, R"({"augment": [{"colour": {"contrast": 0, "saturation": 0, "hue": 0, "brightness": 0.5}}]})");
  CHECK(out.pixels[0] != 100);
  CHECK(out.pixels.front() == out.pixels.back());
}

TEST_CASE("a JPEG that shrinks a lot is decoded at a fraction and still lies right") {
  const Folder folder;
  const Bytes pixels = fixture::waves(400, 320);
  fixture::write(folder / "a.jpg", fixture::jpeg(pixels, 400, 320));
  const auto dataset = std::make_shared<FileDataset>(std::vector{folder / "a.jpg"}, 400, 320);
  const Filled out =
      fill(dataset, R"({"augment": [{"resize": {"sizes": [100]}}, {"flip": {"probability": 1}}]})");
  CHECK(out.picture.targets.width == 100);
  CHECK(out.picture.targets.height == 80);
  CHECK(out.picture.copiedBytes == 0);
  int largest = 0;
  for (int y = 2; y < 78; ++y) {
    for (int x = 2; x < 98; ++x) {
      const int here = out.pixels[static_cast<size_t>((y * 128 + x) * 3)];
      const int there = pixels[static_cast<size_t>(((4 * y + 2) * 400 + (4 * (99 - x) + 2)) * 3)];
      largest = std::max(largest, std::abs(here - there));
    }
  }
  CHECK(largest <= 12);
}

TEST_CASE("a file of another size than announced is refused") {
  const Folder folder;
  writePicture(folder / "a.png", fixture::waves(50, 40).data(), 50, 40);
  const auto dataset = std::make_shared<FileDataset>(std::vector{folder / "a.png"}, 40, 50);
  CHECK(codeOf([&] { fill(dataset, "{}"); }) == "HD_DATA_IMAGE");
  CHECK(codeOf([&] { fill(dataset, R"({"augment": [{"flip": {"probability": 1}}]})"); }) == "HD_DATA_IMAGE");
  const auto memory = std::make_shared<MemoryDataset>(fixture::mixedSizes(1));
  memory->announce(0, 41, 37);
  CHECK(codeOf([&] { fill(memory, "{}"); }) == "HD_DATA_IMAGE");
}

TEST_CASE("targets carry image, position and the map") {
  const auto dataset = std::make_shared<MemoryDataset>(std::vector<std::pair<int, int>>{{100, 50}});
  const Filled out = fill(dataset, R"({"augment": [{"resize": {"sizes": [200]}}]})");
  CHECK(out.picture.targets.image == 0);
  CHECK(out.picture.targets.position == 0);
  CHECK(out.picture.targets.boxes == std::vector<float>{50, 25, 150, 75});
}

TEST_CASE("the ledger notes a picture once and stops above its share") {
  BadSampleLedger ledger(2000, 0.001);
  const hd::Error error("HD_DATA_IMAGE", "damaged");
  CHECK(ledger.allowed() == 2);
  ledger.add(7, "a.jpg", error);
  ledger.add(7, "a.jpg", error);
  CHECK(ledger.count() == 1);
  CHECK(ledger.contains(7));
  CHECK_FALSE(ledger.contains(8));
  ledger.add(3, "b.jpg", error);
  const std::vector<BadSample> fresh = ledger.takeNew();
  REQUIRE(fresh.size() == 2);
  CHECK(fresh[0].image == 7);
  CHECK(fresh[1].file == "b.jpg");
  CHECK(fresh[1].code == "HD_DATA_IMAGE");
  CHECK(ledger.takeNew().empty());
  CHECK(codeOf([&] { ledger.add(9, "c.jpg", error); }) == "HD_DATA_TOO_MANY_BAD");
  CHECK(BadSampleLedger(100, 0).allowed() == 1);
  CHECK(codeOf([] { BadSampleLedger(100, 1.5); }) == "HD_INTERNAL");
}
