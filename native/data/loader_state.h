// The machinery behind Loader: slots, decode threads and the order between them.
//
// A slot is free → filling (its pictures are claimed one by one by any thread) → ready → taken → free.
// `opened_` holds the filling and ready slots in batch order; next() only ever takes its head. begin() turns
// slots with work in flight into `draining`: nobody waits for them, and the thread that finishes last frees
// them.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "data/loader.h"
#include "data/loader_fault.h"
#include "data/loader_fill.h"

namespace hd::data {

struct LoaderOptions {
  int threads = 1, slots = 3;
  bool skipBadSamples = true;
  double maxBad = 0.001;
  static LoaderOptions from(const Value& options);
};

struct LoaderState {
 public:
  LoaderState(std::shared_ptr<const Dataset> dataset, const Value& options);

  void startThreads();
  void begin(int64_t epoch, int64_t step);
  /// Index of the next ready slot, now taken; −1 at the end of the pass or after close().
  int take();
  void release(int index);
  /// Ends production for good: threads return after the picture they are at, take() returns −1.
  void close();
  void joinThreads();
  LoaderStatistics statistics();

  const BatchPlanner& planner() const { return planner_; }
  const Batch& batch(int index) const { return slots_[static_cast<size_t>(index)].batch; }
  const BatchPlan& plan(int index) const { return slots_[static_cast<size_t>(index)].plan; }
  std::pair<const uint8_t*, size_t> memory(int index) const;
  int slots() const { return static_cast<int>(slots_.size()); }

 private:
  enum class Stage { free, filling, ready, taken, draining };
  struct FreeMemory {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  struct SlotState {
    std::unique_ptr<uint8_t[], FreeMemory> memory;
    Stage stage = Stage::free;
    BatchPlan plan;
    Batch batch;
    int64_t claimed = 0, finished = 0;
    std::exception_ptr error;
  };
  struct Claim {
    int slot;
    int64_t index;
  };

  /// `reading` tells the others which image this thread is at; −1 between pictures.
  void work(std::atomic<int64_t>& reading);
  bool mayClaim() const;
  bool mayOpen() const;
  bool passIsOver() const;
  void open(int index);
  Claim claim();
  int64_t fill(const SlotState& slot, int64_t index, ImageTargets& targets, RenderScratch& scratch,
               std::atomic<int64_t>& reading);
  void finish(int index, std::exception_ptr error);
  void dropUnreadable(SlotState& slot);
  Canvas canvas(const SlotState& slot, int64_t index) const;

  BatchPlanner planner_;
  const LoaderOptions options_;
  BadSampleLedger ledger_;
  const std::unique_ptr<PictureCache> cache_;  // null without
  DecodeFaults faults_;
  size_t slotBytes_ = 0;
  std::vector<SlotState> slots_;
  std::vector<std::atomic<int64_t>> reading_;  // one a thread
  std::vector<std::thread> threads_;

  mutable std::mutex mutex_;
  std::condition_variable workCondition_, readyCondition_;
  std::deque<int> opened_;
  int64_t nextEpoch_ = 0, nextStep_ = 0;
  bool begun_ = false, closed_ = false;
  double waitSeconds_ = 0;
  std::optional<std::chrono::steady_clock::time_point> waitingSince_;  // set while a take() is blocked
  int64_t images_ = 0, copiedBytes_ = 0;
};

}  // namespace hd::data
