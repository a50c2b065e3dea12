// Teacher outputs on disk: what a hit needs, what makes an entry another one, damage, limits.
#include "distill/cache.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "distill/transfer.h"
#include "native/detectors/gfl_fixture.h"

namespace {

using namespace hd::distill;
using hd::Batch;
using torch::Tensor;
namespace fs = std::filesystem;

constexpr int64_t kSide = 64;

struct Folder {
  std::string path;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "hdtrain-cache-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { fs::remove_all(path); }
};

/// Pictures that differ in their pixels.
struct Scene {
  std::vector<uint8_t> pixels;
  Batch batch;
  explicit Scene(std::vector<uint8_t> shades) {
    for (const uint8_t shade : shades) {
      pixels.insert(pixels.end(), kSide * kSide * 3, shade);
      batch.images.push_back(fixture::image(kSide, kSide, {8, 8, 40, 40}, {0}));
    }
    batch.pixels = pixels.data();
    batch.count = std::ssize(shades);
    batch.height = batch.width = kSide;
  }
};

const std::vector<std::string> kTaps{"head.cls.p3", "head.cls.p4", "head.reg.p3", "head.reg.p4"};

std::vector<hd::detectors::GridLevel> levels() {
  return hd::detectors::AnchorGrid(kSide, kSide, {8, 16}).levels();
}

/// A "teacher" whose maps follow from the first pixel of each picture; counts its runs.
struct Teacher {
  int runs = 0;
  std::vector<Tensor> operator()(const Batch& batch) {
    ++runs;
    std::vector<Tensor> maps;
    for (const std::string& tap : kTaps) {
      const auto level = levels()[static_cast<size_t>(tap.back() - '3')];
      const int64_t channels = tap[5] == 'c' ? 3 : 8;
      Tensor map = at::empty({batch.count, channels, level.height, level.width})
                       .contiguous(at::MemoryFormat::ChannelsLast);
      for (int64_t i = 0; i < batch.count; ++i) {
        const int shade = batch.pixels[i * kSide * kSide * 3];
        map[i] = at::arange(channels * level.count())
                     .reshape({level.height, level.width, channels})
                     .permute({2, 0, 1}) +
                 1000.0 * shade + (tap.back() == '4' ? 0.5 : 0);
      }
      maps.push_back(map);
    }
    return maps;
  }
};

std::vector<Tensor> rowsOfEvery(int64_t images, int64_t step) {
  std::vector<Tensor> rows;
  for (const auto& level : levels()) {
    Tensor mask = at::zeros({images * level.count()}, at::kByte);
    for (int64_t row = 0; row < mask.numel(); row += step) mask[row] = 1;
    rows.push_back(mask);
  }
  return rows;
}

/// What a run without a cache gives, outside the rows zeros.
std::map<std::string, Tensor> expected(const Batch& batch, const std::vector<Tensor>& rows) {
  Teacher teacher;
  std::map<std::string, Tensor> out;
  const auto maps = teacher(batch);
  for (size_t i = 0; i < kTaps.size(); ++i) {
    const Tensor& mask = rows[static_cast<size_t>(kTaps[i].back() - '3')];
    out[kTaps[i]] = (anchorRows(maps[i]) * mask.unsqueeze(1))
                        .reshape({batch.count, maps[i].size(2), maps[i].size(3), -1})
                        .permute({0, 3, 1, 2});
  }
  return out;
}

bool same(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  bool equal = a.size() == b.size();
  for (const auto& [tap, map] : a) equal = equal && b.count(tap) > 0 && at::equal(map, b.at(tap));
  return equal;
}

std::vector<fs::path> filesIn(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return files;
}

}  // namespace

TEST_CASE("the second time everything comes from disk, with the same values, in any batch") {
  const Folder folder;
  Teacher teacher;
  const auto run = [&](const Scene& scene, int64_t step = 3) {
    OutputCache cache(folder.path, "t", 1 << 30);
    const auto rows = rowsOfEvery(scene.batch.count, step);
    const auto out = runCached(cache, scene.batch, levels(), kTaps, rows, std::ref(teacher));
    CHECK(same(out, expected(scene.batch, rows)));
    for (const auto& [tap, map] : out) CHECK(map.is_contiguous(at::MemoryFormat::ChannelsLast));
    return cache.statistics();
  };
  CHECK(run(Scene({10, 20, 30})).misses == 3);
  CHECK(teacher.runs == 3);
  CHECK(run(Scene({10, 20, 30})).hits == 3);
  CHECK(teacher.runs == 3);
  // Rows depend on the place in the batch here, so a single picture asks for others: what is there is used.
  run(Scene({10}));
  const int before = teacher.runs;
  run(Scene({10}));
  CHECK(teacher.runs == before);
}

TEST_CASE("more rows than stored: the entry is made anew and then serves both") {
  const Folder folder;
  const Scene scene({7});
  Teacher teacher;
  OutputCache cache(folder.path, "t", 1 << 30);
  runCached(cache, scene.batch, levels(), kTaps, rowsOfEvery(1, 4), std::ref(teacher));
  runCached(cache, scene.batch, levels(), kTaps, rowsOfEvery(1, 2), std::ref(teacher));
  CHECK(teacher.runs == 2);
  const auto rows = rowsOfEvery(1, 4);
  CHECK(same(runCached(cache, scene.batch, levels(), kTaps, rows, std::ref(teacher)),
             expected(scene.batch, rows)));
  CHECK(teacher.runs == 2);
  CHECK(filesIn(folder.path).size() == 1);
}

TEST_CASE("pixels, valid size, canvas, taps and teacher each make another entry") {
  const Scene a({5}), b({6});
  Batch narrow = a.batch;
  narrow.images[0].width = 32;
  Batch wide = a.batch;  // the same bytes as another shape
  wide.height = kSide / 2;
  wide.width = kSide * 2;
  const auto key = [](const Batch& batch, const std::vector<std::string>& taps = kTaps) {
    return OutputCache::keyOf(batch, 0, taps);
  };
  CHECK(key(a.batch) == key(Scene({5, 9}).batch));
  for (const std::string& other : {key(b.batch), key(narrow), key(wide), key(a.batch, {"head.cls.p3"})})
    CHECK(other != key(a.batch));
  const Folder folder;
  Teacher teacher;
  for (const char* name : {"one", "two"}) {
    OutputCache cache(folder.path, name, 1 << 30);
    runCached(cache, a.batch, levels(), kTaps, rowsOfEvery(1, 3), std::ref(teacher));
  }
  CHECK(teacher.runs == 2);
}

TEST_CASE("a damaged or cut entry is a missing one and is mended") {
  const Folder folder;
  const Scene scene({50});
  const auto rows = rowsOfEvery(1, 3);
  Teacher teacher;
  const auto run = [&] {
    OutputCache cache(folder.path, "t", 1 << 30);
    CHECK(same(runCached(cache, scene.batch, levels(), kTaps, rows, std::ref(teacher)),
               expected(scene.batch, rows)));
    return cache.statistics().misses;
  };
  run();
  const fs::path file = filesIn(folder.path).at(0);
  std::ifstream in(file, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto write = [&](const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; };
  for (const size_t size : {size_t{0}, size_t{5}, size_t{19}, size_t{20}, size_t{40}, whole.size() - 1}) {
    CAPTURE(size);
    write(whole.substr(0, size));
    CHECK(run() == 1);
    CHECK(run() == 0);
  }
  for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 60) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
    write(bytes);
    CHECK(run() == 1);
  }
  write(whole + "x");
  CHECK(run() == 1);
}

TEST_CASE("at its limit it stores nothing more, and what it knows still serves") {
  const Folder folder;
  Teacher teacher;
  const auto rows = rowsOfEvery(1, 1);
  OutputCache cache(folder.path, "t", 6000);  // one entry has 20 + 2·4 + 80 rows · 48 bytes
  for (int round = 0; round < 2; ++round) {
    for (const uint8_t shade : {1, 2, 3})
      runCached(cache, Scene({shade}).batch, levels(), kTaps, rows, std::ref(teacher));
  }
  CHECK(filesIn(folder.path).size() == 1);
  CHECK(teacher.runs == 5);
  CHECK(cache.statistics().full);
  CHECK(cache.statistics().bytes <= 6000);
  CHECK(cache.statistics().hits == 1);
}

TEST_CASE("at its limit, what this run has not used makes room; what it has used stays") {
  const Folder folder;
  Teacher teacher;
  const auto rows = rowsOfEvery(1, 1);
  const auto show = [&](OutputCache& cache, uint8_t shade) {
    runCached(cache, Scene({shade}).batch, levels(), kTaps, rows, std::ref(teacher));
  };
  {
    OutputCache before(folder.path, "t", 1 << 30);
    for (const uint8_t shade : {1, 2, 3}) show(before, shade);
  }
  int64_t age = 3;
  for (const uint8_t shade : {1, 2, 3}) {
    const std::string key = OutputCache::keyOf(Scene({shade}).batch, 0, kTaps);
    fs::last_write_time(fs::path(folder.path) / "t" / key.substr(0, 2) / key,
                        fs::file_time_type::clock::now() - std::chrono::hours(age--));
  }
  OutputCache cache(folder.path, "t", 12'500);  // three entries of 3868 bytes
  show(cache, 1);                               // the oldest, but in use
  CHECK(cache.statistics().hits == 1);
  show(cache, 4);
  show(cache, 5);
  CHECK_FALSE(cache.statistics().full);
  CHECK(filesIn(folder.path).size() == 3);
  for (const uint8_t shade : {1, 4, 5}) show(cache, shade);
  CHECK(cache.statistics().hits == 4);
  show(cache, 6);
  CHECK(cache.statistics().full);
  CHECK(cache.statistics().bytes <= 12'500);
}

TEST_CASE("what is no cache stays, whatever the limit, and does not count") {
  const Folder folder;
  fs::create_directories(fs::path(folder.path) / "photos");
  fs::create_directories(fs::path(folder.path) / "hex" / "ab");
  for (const char* file : {"photos/holiday.jpg", "hex/ab/notes"})
    std::ofstream(fs::path(folder.path) / file) << std::string(5000, 'x');
  const OutputCache cache(folder.path, "t", 100);
  CHECK(fs::exists(fs::path(folder.path) / "photos/holiday.jpg"));
  CHECK(fs::exists(fs::path(folder.path) / "hex/ab/notes"));
  CHECK(cache.statistics().bytes == 0);
}

TEST_CASE(
    "other teachers' entries go when there is no room, the longest unused first; a folder that cannot be is "
    "refused") {
  const Folder folder;
  Teacher teacher;
  const Scene scene({9});
  for (const char* name : {"old", "new"}) {
    OutputCache cache(folder.path, name, 1 << 30);
    runCached(cache, scene.batch, levels(), kTaps, rowsOfEvery(1, 1), std::ref(teacher));
  }
  fs::last_write_time(fs::path(folder.path) / "old",
                      fs::file_time_type::clock::now() - std::chrono::hours(1));
  OutputCache cache(folder.path, "mine", 5000);
  CHECK(!fs::exists(fs::path(folder.path) / "old"));
  CHECK(fs::exists(fs::path(folder.path) / "new"));
  std::ofstream(fs::path(folder.path) / "file") << "x";
  CHECK_THROWS_AS(OutputCache(folder.path + "/file", "t", 1), hd::Error);
}

TEST_CASE("without a place to write the teacher computes") {
  const Folder folder;
  Teacher teacher;
  const Scene scene({3});
  const auto rows = rowsOfEvery(1, 2);
  OutputCache cache(folder.path, "t", 1 << 30);
  const std::string key = OutputCache::keyOf(scene.batch, 0, kTaps);
  std::ofstream(folder.path + "/t/" + key.substr(0, 2)) << "a file where a folder should be";
  CHECK(same(runCached(cache, scene.batch, levels(), kTaps, rows, std::ref(teacher)),
             expected(scene.batch, rows)));
  CHECK(cache.statistics().full);
}
