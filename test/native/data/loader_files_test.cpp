// Loaders over real files: hostile ones, and a slow reference for what a batch must hold.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <memory>

#include "data/decode.h"
#include "data/pipeline.h"
#include "native/data/file_dataset.h"
#include "native/data/memory_dataset.h"

using namespace hd::data;
using fixture::Bytes;
using fixture::codeOf;
using fixture::FileDataset;
using fixture::Folder;
using fixture::options;

namespace {

// Every way in which a file of a data set can be unusable.
std::vector<std::string> hostileFiles(const Folder& folder, int width, int height) {
  const Bytes good = fixture::jpeg(fixture::waves(width, height), width, height);
  const auto add = [&](const std::string& name, const Bytes& bytes) { fixture::write(folder / name, bytes); };
  add("cut.jpg", {good.begin(), good.begin() + static_cast<int64_t>(good.size() / 2)});
  Bytes bomb = good;
  fixture::setJpegSize(bomb, 65535, 65535);
  add("bomb.jpg", bomb);
  add("empty.jpg", {});
  add("text.jpg", {'n', 'o', 't', ' ', 'a', ' ', 'p', 'i', 'c', 't', 'u', 'r', 'e'});
  add("other-size.jpg", fixture::jpeg(fixture::waves(width + 8, height), width + 8, height));
  std::filesystem::create_directory(folder / "folder.jpg");
  REQUIRE(::mkfifo((folder / "fifo.jpg").c_str(), 0600) == 0);
  std::vector<std::string> out;
  for (const char* name : {"cut.jpg", "bomb.jpg", "empty.jpg", "text.jpg", "other-size.jpg", "folder.jpg",
                           "fifo.jpg", "missing.jpg"}) {
    out.push_back(folder / name);
  }
  return out;
}

// What a canvas must hold at (x, y), channel c: the full picture, interpolated in double.
double expectedValue(const Picture& picture, const Plan& plan, int x, int y, int c) {
  const Geometry& g = plan.geometry;
  const double u = g.flipped ? g.width - (x + 0.5) : x + 0.5;
  const double sx = std::clamp((u - g.offsetX) / g.scaleX - 0.5, 0.0, picture.width - 1.0);
  const double sy = std::clamp((y + 0.5 - g.offsetY) / g.scaleY - 0.5, 0.0, picture.height - 1.0);
  const int x0 = static_cast<int>(sx), y0 = static_cast<int>(sy);
  const auto at = [&](int px, int py) {
    const int cx = std::min(px, picture.width - 1), cy = std::min(py, picture.height - 1);
    return static_cast<double>(
        picture
            .pixels[(static_cast<size_t>(cy) * static_cast<size_t>(picture.width) + static_cast<size_t>(cx)) *
                        3 +
                    static_cast<size_t>(c)]);
  };
  const double fx = sx - x0, fy = sy - y0;
  return (at(x0, y0) * (1 - fx) + at(x0 + 1, y0) * fx) * (1 - fy) +
         (at(x0, y0 + 1) * (1 - fx) + at(x0 + 1, y0 + 1) * fx) * fy;
}

}  // namespace

TEST_CASE("hostile files are skipped, listed and never part of a batch") {
  const Folder folder;
  constexpr int kGood = 8;
  std::vector<std::string> files;
  for (int i = 0; i < kGood; ++i) {
    files.push_back(folder / hd::concat("good", i, ".jpg"));
    fixture::write(files.back(), fixture::jpeg(fixture::waves(48, 32, 3, i), 48, 32));
  }
  const std::vector<std::string> hostile = hostileFiles(folder, 48, 32);
  files.insert(files.end(), hostile.begin(), hostile.end());
  const auto dataset = std::make_shared<FileDataset>(files, 48, 32);
  for (const char* augment :
       {"[]", R"([{"flip": {"probability": 1}}])", R"([{"resize": {"sizes": [24]}}, {"flip": {}}])"}) {
    Loader loader(dataset, options(hd::concat(R"({"batch": 4, "threads": 3, "maxBad": 0.6, "augment": )",
                                              augment, "}")));
    loader.begin(0, 0);
    for (int i = 0; i < 8; ++i) {
      const Slot slot = loader.next();
      for (const hd::ImageTargets& image : slot.batch().images) CHECK(image.image < kGood);
    }
    const LoaderStatistics statistics = loader.statistics();
    CHECK(statistics.badSamples == static_cast<int64_t>(hostile.size()));
    for (const BadSample& bad : statistics.newBadSamples) {
      CHECK(bad.code == "HD_DATA_IMAGE");
      CHECK(std::find(hostile.begin(), hostile.end(), bad.file) != hostile.end());
      CHECK(bad.message.find("expected") == 0);
    }
    CHECK(statistics.copiedBytes == 0);
  }
}

TEST_CASE("stop: each hostile file ends the run with its name") {
  const Folder folder;
  for (const std::string& file : hostileFiles(folder, 48, 32)) {
    CAPTURE(file);
    Loader loader(std::make_shared<FileDataset>(std::vector{file}, 48, 32),
                  options(R"({"onBadSample": "stop"})"));
    loader.begin(0, 0);
    try {
      loader.next();
      FAIL("expected an error");
    } catch (const hd::Error& error) {
      CHECK(error.code() == "HD_DATA_IMAGE");
      CHECK(error.where() == file);
    }
  }
}

TEST_CASE("batches hold what full decoding and exact interpolation give") {
  const Folder folder;
  std::vector<std::string> files;
  for (int i = 0; i < 6; ++i) {
    files.push_back(folder / hd::concat(i, i % 2 == 0 ? ".png" : ".jpg"));
    writePicture(files.back(), fixture::waves(90, 70, 3, i).data(), 90, 70);
  }
  const auto dataset = std::make_shared<FileDataset>(files, 90, 70);
  for (const char* augment : {R"([{"resize": {"sizes": [[100, 60], [70, 50]]}}, {"flip": {}}])",
                              R"([{"crop": {"probability": 1}}, {"resize": {"sizes": [64]}}])",
                              R"([{"flip": {}}, {"crop": {}}])"}) {
    Loader loader(dataset,
                  options(hd::concat(R"({"batch": 3, "seed": 21, "threads": 2, "augment": )", augment, "}")));
    const Pipeline pipeline(hd::parseJson(augment));
    loader.begin(0, 0);
    for (int step = 0; step < 4; ++step) {
      const Slot slot = loader.next();
      const hd::Batch& batch = slot.batch();
      for (int64_t i = 0; i < batch.count; ++i) {
        const hd::ImageTargets& image = batch.images[static_cast<size_t>(i)];
        const Plan plan = pipeline.plan(90, 70,
                                        hd::Random(21, "augment", static_cast<uint64_t>(slot.epoch()),
                                                   static_cast<uint64_t>(image.position)));
        REQUIRE(image.width == plan.geometry.width);
        REQUIRE(image.height == plan.geometry.height);
        const Picture whole = dataset->load(image.image, 0, 0);
        const uint8_t* pixels = batch.pixels + i * batch.height * batch.width * 3;
        double largest = 0;
        for (int y = 0; y < batch.height; ++y) {
          for (int x = 0; x < batch.width; ++x) {
            for (int c = 0; c < 3; ++c) {
              const bool valid = x < image.width && y < image.height;
              const double expected = valid ? expectedValue(whole, plan, x, y, c)
                                            : (c == 0   ? 124
                                               : c == 1 ? 116
                                                        : 104);
              largest = std::max(largest, std::abs(pixels[(y * batch.width + x) * 3 + c] - expected));
            }
          }
        }
        CHECK(largest <= 1.02);
      }
    }
  }
}

TEST_CASE("files of a data set that vanish while the run goes on are skipped from then on") {
  const Folder folder;
  std::vector<std::string> files;
  for (int i = 0; i < 4; ++i) {
    files.push_back(folder / hd::concat(i, ".png"));
    writePicture(files.back(), fixture::waves(40, 40, 3, i).data(), 40, 40);
  }
  Loader loader(std::make_shared<FileDataset>(files, 40, 40),
                options(R"({"batch": 4, "slots": 1, "threads": 1})"));
  loader.begin(0, 0);
  Slot first = loader.next();
  std::filesystem::remove(files[2]);
  first.release();
  for (int i = 0; i < 3; ++i) {
    const Slot slot = loader.next();
    for (const hd::ImageTargets& image : slot.batch().images) CHECK(image.image != 2);
  }
  CHECK(loader.statistics().badSamples == 1);
}
