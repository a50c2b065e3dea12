// Runs independent pieces of work on a few threads. The pieces must write to disjoint memory; results never
// depend on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace hd::eval {

/// Calls `body(i)` for every i < count, each exactly once unless one throws; the first exception is rethrown
/// here after all threads have ended. `threads`: 0 = all of the machine.
template <class Body>
void parallelFor(size_t count, int threads, const Body& body) {
  const size_t wanted =
      threads > 0 ? static_cast<size_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  const size_t workers = std::min(wanted, count);
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex failureMutex;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < count; i = next++) body(i);
    } catch (...) {
      next = count;  // the others stop at their next piece
      const std::lock_guard lock(failureMutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (size_t i = 1; i < workers; ++i) helpers.emplace_back(work);
    if (workers > 0) work();
  }
  if (failure) std::rethrow_exception(failure);
}

/// The same for ranges: calls `body(begin, end)` on consecutive pieces of [0, count) of at most `grain`.
template <class Body>
void parallelRanges(size_t count, size_t grain, int threads, const Body& body) {
  parallelFor((count + grain - 1) / grain, threads,
              [&](size_t i) { body(i * grain, std::min(count, (i + 1) * grain)); });
}

}  // namespace hd::eval
