#include "data/picture_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "data/decode.h"
#include "native/data/file_dataset.h"
#include "native/data/memory_dataset.h"

using namespace hd::data;
using fixture::Bytes;
using fixture::codeOf;
using fixture::FileDataset;
using fixture::Folder;
namespace fs = std::filesystem;

namespace {

constexpr int kWidth = 200, kHeight = 160;

std::shared_ptr<FileDataset> filesIn(const Folder& folder, int count) {
  std::vector<std::string> files;
  for (int i = 0; i < count; ++i) {
    const Bytes pixels = fixture::waves(kWidth, kHeight, 3, i);
    files.push_back(folder / hd::concat(i, i % 2 == 0 ? ".jpg" : ".png"));
    if (i % 2 == 0) {
      fixture::write(files.back(), fixture::jpeg(pixels, kWidth, kHeight));
    } else {
      writePicture(files.back(), pixels.data(), kWidth, kHeight);
    }
  }
  return std::make_shared<FileDataset>(files, kWidth, kHeight);
}

Bytes bytesOf(const Sample& sample) {
  const auto size = static_cast<int64_t>(sample.picture.width) * sample.picture.height * 3;
  return {sample.picture.pixels, sample.picture.pixels + size};
}

std::unique_ptr<PictureCache> cacheOf(const std::string& kind, const Folder& folder,
                                      int64_t limit = 100'000'000) {
  return PictureCache::from(
      hd::Value().set("kind", kind).set("limit", limit).set("folder", folder / "cache"));
}

std::vector<std::string> entriesIn(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("a picture has the same pixels with and without a cache, at every fraction and for every format") {
  const Folder folder;
  const auto dataset = filesIn(folder, 4);
  for (const char* kind : {"ram", "disk"}) {
    const auto cache = cacheOf(kind, folder);
    for (int round = 0; round < 3; ++round) {
      for (int64_t image = 0; image < 4; ++image) {
        for (const auto& [width, height] :
             {std::pair{0, 0}, {kWidth, kHeight}, {100, 80}, {60, 40}, {10, 10}}) {
          const Sample plain = dataset->sample(image, width, height);
          const Sample cached = cache->sample(*dataset, image, width, height);
          CHECK(cached.picture.width == plain.picture.width);
          CHECK(bytesOf(cached) == bytesOf(plain));
          CHECK(cached.width == plain.width);
          CHECK(cached.table == plain.table);
        }
      }
    }
    const PictureCacheStatistics statistics = cache->statistics();
    CHECK(statistics.hits + statistics.misses == 60);
    // Of a JPEG three fractions were asked for; of a PNG the whole is learnt to serve for all at the first
    // smaller wish.
    CHECK(statistics.misses == 2 * 3 + 2 * 2);
    CHECK(statistics.bytes > 4 * kWidth * kHeight * 3);
    CHECK(statistics.closed.empty());
  }
}

TEST_CASE("a file that changes is decoded anew, and one that goes away is missed") {
  const Folder folder;
  const auto dataset = filesIn(folder, 1);
  for (const char* kind : {"ram", "disk"}) {
    const auto cache = cacheOf(kind, folder);
    const std::string file(dataset->file(0));
    fixture::write(file, fixture::jpeg(fixture::waves(kWidth, kHeight, 3, 1), kWidth, kHeight));
    const Bytes before = bytesOf(cache->sample(*dataset, 0, 0, 0));
    fixture::write(file, fixture::jpeg(fixture::waves(kWidth, kHeight, 3, 5), kWidth, kHeight));
    fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(2));
    const Bytes after = bytesOf(cache->sample(*dataset, 0, 0, 0));
    CHECK(after != before);
    CHECK(after == bytesOf(dataset->sample(0, 0, 0)));
    CHECK(bytesOf(cache->sample(*dataset, 0, 0, 0)) == after);
    CHECK(cache->statistics().misses == 2);
    fs::remove(file);
    CHECK(codeOf([&] { cache->sample(*dataset, 0, 0, 0); }) == "HD_DATA_IMAGE");
  }
}

TEST_CASE("a limit is kept: what does not fit is decoded, what is there stays") {
  const Folder folder;
  const auto dataset = filesIn(folder, 4);
  for (const char* kind : {"ram", "disk"}) {
    const auto cache = cacheOf(kind, folder, 2 * (kWidth * kHeight * 3 + 1000));
    for (int round = 0; round < 2; ++round) {
      for (int64_t image = 0; image < 4; ++image)
        CHECK(bytesOf(cache->sample(*dataset, image, 0, 0)) == bytesOf(dataset->sample(image, 0, 0)));
    }
    CHECK(cache->statistics().hits == 2);
    CHECK(cache->statistics().bytes <= 2 * (kWidth * kHeight * 3 + 1000));
    CHECK(cache->statistics().closed.find("limit") != std::string::npos);
  }
}

TEST_CASE("disk: a later run finds the entries of an earlier one") {
  const Folder folder;
  const auto dataset = filesIn(folder, 3);
  for (int run = 0; run < 2; ++run) {
    const auto cache = cacheOf("disk", folder);
    for (int64_t image = 0; image < 3; ++image) cache->sample(*dataset, image, 100, 80);
    CHECK(cache->statistics().hits == (run == 0 ? 0 : 3));
    CHECK(entriesIn(folder / "cache").size() == 3);
  }
}

TEST_CASE("disk: another announced size is another entry") {
  const Folder folder;
  const auto dataset = filesIn(folder, 1);
  const auto cache = cacheOf("disk", folder);
  cache->sample(*dataset, 0, 0, 0);
  const FileDataset turned({std::string(dataset->file(0))}, kHeight, kWidth);
  CHECK(codeOf([&] { cache->sample(turned, 0, 0, 0); }) == "HD_DATA_IMAGE");
}

TEST_CASE("disk: damaged entries are missing ones, whichever byte is wrong or wherever they end") {
  const Folder folder;
  const auto dataset = filesIn(folder, 1);
  const Bytes expected = bytesOf(dataset->sample(0, 0, 0));
  cacheOf("disk", folder)->sample(*dataset, 0, 0, 0);
  const std::string entry = entriesIn(folder / "cache").front();
  std::ifstream in(entry, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (uint64_t round = 0; round < 60; ++round) {
    hd::Random random(5, "test", 0, round);
    std::string damaged = whole;
    const uint32_t size = static_cast<uint32_t>(random.chance(0.5f) ? 400 : damaged.size());
    if (random.chance(0.5f)) {
      damaged[random.below(size)] ^= static_cast<char>(1 + random.below(255));
    } else {
      damaged.resize(random.below(size));
    }
    std::ofstream(entry, std::ios::binary) << damaged;
    const auto cache = cacheOf("disk", folder);
    CHECK(bytesOf(cache->sample(*dataset, 0, 0, 0)) == expected);
    CHECK(cache->statistics().misses == 1);
    CHECK(bytesOf(cache->sample(*dataset, 0, 0, 0)) == expected);  // mended
    CHECK(cache->statistics().hits == 1);
    CHECK(entriesIn(folder / "cache").size() == 1);
  }
}

TEST_CASE("disk: entries of earlier runs that this one does not use make room, the oldest first") {
  const Folder folder;
  const auto dataset = filesIn(folder, 4);
  const int64_t limit = 3 * (kWidth * kHeight * 3 + 1000);
  {
    const auto cache = cacheOf("disk", folder, limit);
    for (const int64_t image : {0, 1, 2}) {
      cache->sample(*dataset, image, 0, 0);
      for (const std::string& entry : entriesIn(folder / "cache"))
        fs::last_write_time(entry, fs::last_write_time(entry) - std::chrono::hours(1));
    }
  }
  const auto cache = cacheOf("disk", folder, limit);
  cache->sample(*dataset, 0, 0, 0);  // the oldest, but used
  cache->sample(*dataset, 3, 0, 0);
  CHECK(cache->statistics().closed.empty());
  CHECK(entriesIn(folder / "cache").size() == 3);
  const auto later = cacheOf("disk", folder, limit);
  for (const int64_t image : {0, 2, 3}) later->sample(*dataset, image, 0, 0);
  CHECK(later->statistics().hits == 3);
}

TEST_CASE("disk: what a killed writer left goes; what somebody may be writing counts and stays") {
  const Folder folder;
  const auto dataset = filesIn(folder, 1);
  cacheOf("disk", folder)->sample(*dataset, 0, 0, 0);
  const std::string left = folder / "cache/0123.pixels.tmp-7-8-1",
                    writing = folder / "cache/0123.pixels.tmp-7-8-2", other = folder / "cache/notes.tmp-1";
  for (const std::string& file : {left, writing, other}) fixture::write(file, Bytes(1000));
  for (const std::string& file : {left, other})
    fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(1));
  const auto cache = cacheOf("disk", folder);
  CHECK_FALSE(fs::exists(left));
  CHECK(fs::exists(writing));
  CHECK(fs::exists(other));  // not ours
  fs::remove(writing);
  const int64_t without = cacheOf("disk", folder)->statistics().bytes;
  CHECK(cache->statistics().bytes == without + 1000);
}

TEST_CASE("disk: a folder that takes nothing more lets the run go on") {
  const Folder folder;
  const auto dataset = filesIn(folder, 2);
  const auto cache = cacheOf("disk", folder);
  fs::remove_all(folder / "cache");  // as a disk that refuses, also for root
  for (int round = 0; round < 2; ++round) {
    for (int64_t image = 0; image < 2; ++image)
      CHECK(bytesOf(cache->sample(*dataset, image, 0, 0)) == bytesOf(dataset->sample(image, 0, 0)));
  }
  CHECK(cache->statistics().misses == 4);
  CHECK(cache->statistics().bytes == 0);
  CHECK(cache->statistics().closed.find("takes no more") != std::string::npos);
}

TEST_CASE("a folder that cannot be made, an unknown kind and no limit are refused") {
  const Folder folder;
  fixture::write(folder / "cache", {1});
  CHECK(codeOf([&] { cacheOf("disk", folder); }) == "HD_DATA_CACHE");
  CHECK(codeOf([&] { cacheOf("tape", folder); }) == "HD_DATA_CACHE");
  CHECK(codeOf([&] { cacheOf("ram", folder, 0); }) == "HD_DATA_CACHE");
  CHECK(cacheOf("none", folder) == nullptr);
  CHECK(PictureCache::from(hd::Value()) == nullptr);
}

TEST_CASE("loaders: batches are equal with and without a cache, and its hits are told") {
  const Folder folder;
  const auto dataset = filesIn(folder, 6);
  for (const char* steps : {R"([{"resize": {"sizes": [[60, 60], [200, 160]]}}, {"flip": {}}])", "[]",
                            R"([{"mosaic": {"size": 96}}, {"affine": {"scale": [0.4, 1.2]}}])"}) {
    const auto batches = [&](const std::string& cache) {
      Loader loader(dataset,
                    fixture::options(hd::concat(R"({"seed": 2, "batch": 3, "threads": 3, "augment": )", steps,
                                                R"(, "cache": )", cache, "}")));
      loader.begin(0, 0);
      auto out = fixture::take(loader, 8);
      return std::pair{out, loader.statistics()};
    };
    const auto [plain, without] = batches("{}");
    const auto [ram, inMemory] = batches(R"({"kind": "ram", "limit": 100000000})");
    const auto [disk, onDisk] =
        batches(hd::concat(R"({"kind": "disk", "limit": 100000000, "folder": ")", folder / "kept", "\"}"));
    CHECK(ram == plain);
    CHECK(disk == plain);
    CHECK(without.cache.hits == 0);
    CHECK(without.cache.misses == 0);
    CHECK(inMemory.cache.hits > inMemory.cache.misses / 2);
    CHECK(onDisk.cache.hits > 0);
    CHECK(inMemory.copiedBytes == 0);
  }
}

TEST_CASE("pictures without a file are not kept") {
  const auto dataset = std::make_shared<fixture::MemoryDataset>(fixture::mixedSizes(3));
  CHECK_FALSE(PictureCache::takes(*dataset, 0));
  PictureCache cache(makeMemoryStore(1'000'000));
  cache.sample(*dataset, 0, 0, 0);
  CHECK(cache.statistics().misses == 0);
}

TEST_CASE("fractions: the largest that still serves") {
  CHECK(decodeDivisor(200, 160, 0, 0) == 1);
  CHECK(decodeDivisor(200, 160, 101, 80) == 1);
  CHECK(decodeDivisor(200, 160, 100, 80) == 2);
  CHECK(decodeDivisor(200, 160, 50, 41) == 2);
  CHECK(decodeDivisor(200, 160, 1, 1) == 8);
}
