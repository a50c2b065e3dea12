// A feature map as rows of channels, and work on it in runs of rows that do not depend on the number of
// threads.
#pragma once

#include <c10/core/MemoryFormat.h>

#include "ops/dispatch.h"

namespace hd::ops {

/// Pixels of one task.
constexpr int64_t kPixelsPerRun = 256;

/// [N, C, H, W] in channels_last: `images` times `pixels` rows of `channels` neighbours in memory.
struct ChannelRows {
  Tensor tensor;
  int64_t images, channels, pixels;

  explicit ChannelRows(const Tensor& map) {
    require(map.dim() == 4, "expected a map [N, C, H, W] but received ", map.sizes(),
            ": add the missing dimensions");
    tensor = map.contiguous(at::MemoryFormat::ChannelsLast);
    images = map.size(0);
    channels = map.size(1);
    pixels = map.size(2) * map.size(3);
  }

  int64_t runsPerImage() const { return (pixels + kPixelsPerRun - 1) / kPixelsPerRun; }
  int64_t runs() const { return images * runsPerImage(); }
  int64_t imageOf(int64_t run) const { return run / runsPerImage(); }
  int64_t beginOf(int64_t run) const { return imageOf(run) * pixels + run % runsPerImage() * kPixelsPerRun; }
  int64_t endOf(int64_t run) const {
    return std::min(beginOf(run) + kPixelsPerRun, (imageOf(run) + 1) * pixels);
  }
};

/// Calls `body(run, begin, end)` with the rows of every run, in parallel.
template <class Body>
void forEachRun(const ChannelRows& map, const Body& body) {
  at::parallel_for(0, map.runs(), 1, [&](int64_t first, int64_t last) {
    for (int64_t run = first; run < last; ++run) body(run, map.beginOf(run), map.endOf(run));
  });
}

/// Two doubles a channel and run, [runs, 2, C]: `fill(begin, end, first, second)` writes those of one run.
template <class Fill>
std::vector<double> sumsOfRuns(const ChannelRows& map, const Fill& fill) {
  std::vector<double> sums(static_cast<size_t>(map.runs() * 2 * map.channels));
  forEachRun(map, [&](int64_t run, int64_t begin, int64_t end) {
    double* out = sums.data() + run * 2 * map.channels;
    fill(begin, end, out, out + map.channels);
  });
  return sums;
}

inline void requireChannels(const Tensor& tensor, int64_t channels, const char* what) {
  require(tensor.dim() == 1 && tensor.size(0) == channels, "expected shape [", channels, "] for ", what,
          " but received ", tensor.sizes(), ": pass one value a channel");
}

}  // namespace hd::ops
