// Decode threads fill preallocated slots (uint8 NHWC); an engine takes them in order. Nothing is copied
// between the decoder's output and the slot except by a transform that writes there.
//
// Invariants: the content of global batch k of epoch e is a pure function of (data set, pipeline, seed, e, k)
// — never of the number of threads, slots or ranks. Slots are handed out in order. A slot belongs to the
// taker until released.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "data/dataset.h"
#include "data/picture_cache.h"

namespace hd::data {

/// One filled slot. Movable; gives the slot back when destroyed or released.
class Slot {
 public:
  Slot() = default;
  Slot(Slot&&) noexcept;
  Slot& operator=(Slot&&) noexcept;
  ~Slot();
  void release();
  explicit operator bool() const { return owner_ != nullptr; }

  const Batch& batch() const;
  int index() const { return index_; }  ///< which of the loader's slots
  int64_t epoch() const;
  int64_t step() const;  ///< batch number in the epoch

 private:
  friend class Loader;
  std::shared_ptr<struct LoaderState> owner_;
  int index_ = -1;
};

struct BadSample {
  int64_t image;
  std::string file, code, message;
};

struct LoaderStatistics {
  double waitSeconds = 0;   ///< time that next() was blocked, since begin()
  int64_t images = 0;       ///< decoded since begin()
  int64_t copiedBytes = 0;  ///< bytes moved by anything but a decoder or a transform: 0 when zero-copy holds
  int64_t badSamples = 0;
  std::vector<BadSample> newBadSamples;  ///< since the last call
  double waiting = 0;                    ///< seconds that a next() is blocked by now; 0 when none is
  PictureCacheStatistics cache;          ///< since the loader was made; all 0 without a cache
  std::vector<std::string> reading;      ///< files that decode threads are at; "" for generated pictures
};

class Loader {
 public:
  /// `options`, all optional, defaults in brackets:
  /// - batch (1): pictures of this rank in one step;
  /// - threads (one a core): decode threads;
  /// - slots (3): batches held in memory, those taken included;
  /// - rank (0), ranks (1), seed (0), shuffle (true), groupByAspect (false): see SamplerOptions;
  /// - augment ([]): list of transforms, see Pipeline;
  /// - epochs or steps (0, unknown): the length of the run, after which transforms with `close` are off;
  /// - canvas: { divisor, maxCanvases, fixed: [height, width], fill: [r, g, b] }, see CanvasOptions;
  /// - cache ({}): { kind: 'none' | 'ram' | 'disk', limit: bytes, folder }, see PictureCache;
  /// - onBadSample ('skip'): a picture that throws HD_DATA_…, or that there is no memory for, is noted, and
  ///   its place goes to the picture at the next position; 'stop': next() throws what it threw;
  /// - faults ([]): trouble on purpose, see DecodeFaults;
  /// - maxBad (0.001): largest share of different bad pictures under 'skip'; a single one is forgiven;
  /// - evaluate (false): every image once, in file order or, with groupByAspect, by aspect; last batch short;
  ///   a bad picture leaves its batch shorter.
  ///
  /// Pictures of unknown size (0 × 0 and no file) need a resize step or canvas.fixed.
  /// Throws HD_DATA_TRANSFORM, HD_DATA_CANVAS, HD_DATA_EMPTY, HD_DATA_MEMORY.
  Loader(std::shared_ptr<const Dataset> dataset, const Value& options);
  /// Closes, then joins the threads: waits for the pictures that are being decoded. A data set whose source
  /// waits for somebody must be woken by its owner first. Slots that are still taken keep their memory.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  int64_t stepsPerEpoch() const;
  /// Starts producing from batch `step` of `epoch` and runs on through the following epochs (train) or to the
  /// end of the one pass (evaluate). Drops what was prepared for another place.
  void begin(int64_t epoch, int64_t step);
  /// The next batch in order; blocks. Empty slot: the pass is over (evaluate only). Throws what a sample
  /// threw under 'stop', or HD_DATA_TOO_MANY_BAD.
  Slot next();
  /// Ends production for good, from any thread: a blocked next() returns an empty slot, as all later ones do.
  void close();
  LoaderStatistics statistics();
  /// Memory of slot `index`, for views and zero-copy proofs.
  std::pair<const uint8_t*, size_t> slotMemory(int index) const;
  int slots() const;
  /// Canvases (height, width) that this loader can produce.
  std::vector<std::pair<int, int>> canvases() const;
  const Dataset& dataset() const;

 private:
  std::shared_ptr<struct LoaderState> state_;
};

}  // namespace hd::data
