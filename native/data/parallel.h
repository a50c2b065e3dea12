// A loop over independent items on several threads, for work outside the training step (indexing, checking).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "core/error.h"

namespace hd::data {

/// Calls `work(i)` once for each i in [0, count), in any order, on `threads` threads (0: one a core). After
/// an exception no new item starts; the first one is rethrown here. Throws HD_CANCELLED when `stop` is
/// requested.
template <class Work>
void parallelFor(int64_t count, int threads, const Work& work, std::stop_token stop = {}) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  threads = static_cast<int>(std::min<int64_t>(threads, count));
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr first;
  std::mutex mutex;
  const auto run = [&] {
    while (!failed && !stop.stop_requested()) {
      const int64_t item = next++;
      if (item >= count) return;
      try {
        work(item);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        failed = true;
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (int i = 1; i < threads; ++i) workers.emplace_back(run);
    run();
  }
  if (first) std::rethrow_exception(first);
  if (stop.stop_requested()) throw Error("HD_CANCELLED", "stopped on request; start again to get a result");
}

}  // namespace hd::data
