#include "core/kept_memory.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

namespace {

int64_t residentMegabytes() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE) / 1'000'000;
}

/// Takes 160 MB in pieces, writes to all of it and frees it.
void work() {
  std::vector<std::unique_ptr<char[]>> pieces;
  for (int i = 0; i < 40; ++i) {
    pieces.push_back(std::make_unique_for_overwrite<char[]>(4'000'000));
    std::memset(pieces.back().get(), i, 4'000'000);
  }
}

}  // namespace

#ifndef HD_SANITIZE  // sanitizers have an allocator of their own
TEST_CASE("what work frees stays until it ends, then goes back, on whatever threads it was") {
  const int64_t before = residentMegabytes();
  for (int round = 0; round < 6; ++round) {
    {
      const hd::KeptMemory kept;
      std::thread(work).join();
      work();
      CHECK(residentMegabytes() - before > 100);
    }
    CHECK(residentMegabytes() - before < 60);
  }
}

TEST_CASE(
    "freed memory stays: the same blocks again cost no page faults, on a thread with a heap of its own") {
  const hd::KeptMemory kept;
  std::vector<int64_t> faults;
  std::thread([&faults] {
    constexpr size_t block = size_t{13} << 20;
    for (int round = 0; round < 3; ++round) {
      rusage before{}, after{};
      ::getrusage(RUSAGE_THREAD, &before);
      std::vector<std::unique_ptr<char[]>> blocks;
      for (int i = 0; i < 8; ++i) {
        blocks.emplace_back(new char[block]);
        std::memset(blocks.back().get(), round, block);
      }
      blocks.clear();
      ::getrusage(RUSAGE_THREAD, &after);
      faults.push_back(after.ru_minflt - before.ru_minflt);
    }
  }).join();
  const int64_t pages = 8 * (13 << 20) / ::sysconf(_SC_PAGESIZE);
  CHECK(faults[2] < pages / 10);
}
#endif
