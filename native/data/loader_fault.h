// Trouble that is asked for (debug.fault of a recipe), in the threads that read pictures.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "core/value.h"

namespace hd::data {

class DecodeFaults {
 public:
  /// A list of { action: 'stall' | 'error' | 'memory', step (0): batches before it are left alone, times (1),
  /// seconds (1): of a stall }; null for none.
  explicit DecodeFaults(const Value& list);

  bool any() const { return !faults_.empty(); }
  /// Right before a picture of batch `step`, counted from the first of the run, is read. Stalls as a hanging
  /// file system would: nothing wakes it. Throws HD_DATA_FAULT, or std::bad_alloc. Thread-safe.
  void at(int64_t step, std::string_view file);

 private:
  struct Fault {
    Fault(std::string action, int64_t step, double seconds, int64_t times)
        : action(std::move(action)), step(step), seconds(seconds), left(times) {}
    std::string action;
    int64_t step;
    double seconds;
    std::atomic<int64_t> left;
  };
  std::deque<Fault> faults_;
};

}  // namespace hd::data
