#include "data/loader_fault.h"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <new>
#include <thread>

#include "native/data/file_dataset.h"
#include "native/data/memory_dataset.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::Folder;
using fixture::MemoryDataset;
using fixture::mixedSizes;
using fixture::options;
using fixture::take;

namespace {

/// Two pictures that no memory is left for.
struct Starved : MemoryDataset {
  using MemoryDataset::MemoryDataset;
  hd::data::Picture load(int64_t image, int minWidth, int minHeight) const override {
    if (image == 3 || image == 5) throw std::bad_alloc();
    return MemoryDataset::load(image, minWidth, minHeight);
  }
};

std::string withFaults(const std::string& faults, const std::string& more = "") {
  return hd::concat(R"({"batch": 4, "threads": 2, "maxBad": 0.5, "faults": )", faults, more, "}");
}

}  // namespace

TEST_CASE("memory that runs out while a picture is decoded is that picture's fault") {
  const auto dataset = std::make_shared<Starved>(mixedSizes(12));
  Loader loader(dataset, options(withFaults("[]")));
  loader.begin(0, 0);
  for (const auto& batch : take(loader, 3)) {
    CHECK(batch.size() == 4);
    for (const auto& picture : batch) CHECK((picture.image != 3 && picture.image != 5));
  }
  const LoaderStatistics statistics = loader.statistics();
  CHECK(statistics.badSamples == 2);
  for (const BadSample& sample : statistics.newBadSamples) {
    CHECK(sample.code == "HD_DATA_MEMORY");
    CHECK(sample.message.find("lower data.workers") != std::string::npos);
  }
  Loader strict(dataset, options(withFaults("[]", R"(, "onBadSample": "stop")")));
  strict.begin(0, 0);
  CHECK(codeOf([&] { take(strict, 3); }) == "HD_DATA_MEMORY");
}

TEST_CASE(
    "faults of decoding: an error and missing memory are bad samples, from their step on, as often as said") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(12));
  Loader loader(dataset, options(withFaults(R"([{"action": "error", "step": 1, "times": 2},
                                                {"action": "memory", "step": 4}])")));
  CHECK(loader.stepsPerEpoch() == 3);
  loader.begin(0, 0);
  const auto codes = [&](int64_t steps) {
    std::vector<std::string> out;
    for (const auto& batch : take(loader, steps)) CHECK(batch.size() == 4);
    for (const BadSample& sample : loader.statistics().newBadSamples) out.push_back(sample.code);
    return out;
  };
  CHECK(codes(6) == std::vector<std::string>{"HD_DATA_FAULT", "HD_DATA_FAULT", "HD_DATA_MEMORY"});
  CHECK(codes(3).empty());
}

TEST_CASE("faults of decoding: a stall holds the batch up and changes nothing; what is read is told") {
  const Folder folder;
  std::vector<std::string> files;
  for (int i = 0; i < 8; ++i) {
    files.push_back(folder / hd::concat(i, ".jpg"));
    fixture::write(files.back(), fixture::jpeg(fixture::waves(48, 40, 3, i), 48, 40));
  }
  const auto dataset = std::make_shared<fixture::FileDataset>(files, 48, 40);
  Loader calm(dataset, options(withFaults("[]")));
  calm.begin(0, 0);
  const auto expected = take(calm, 2);
  Loader loader(dataset, options(withFaults(R"([{"action": "stall", "seconds": 0.4, "step": 1}])")));
  loader.begin(0, 0);
  CHECK(take(loader, 1).front() == expected[0]);
  std::atomic<bool> done = false;
  bool told = false;
  std::thread watcher([&] {
    while (!done) {
      const LoaderStatistics statistics = loader.statistics();
      told = told || (statistics.waiting > 0.1 && statistics.reading.size() == 1 &&
                      statistics.reading.front().ends_with(".jpg"));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  const auto start = std::chrono::steady_clock::now();
  CHECK(take(loader, 1).front() == expected[1]);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  done = true;
  watcher.join();
  CHECK(took.count() > 0.2);
  CHECK(told);
}

TEST_CASE("faults of decoding: none unless asked for; what is unknown is refused") {
  CHECK_FALSE(DecodeFaults(hd::Value()).any());
  CHECK_FALSE(DecodeFaults(options("[]")).any());
  CHECK(codeOf([] { DecodeFaults(options(R"([{"action": "kill"}])")); }) != "");
}
