// A data set in memory for loader tests, and a summary of what a loader hands out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "data/loader.h"
#include "native/data/picture_fixture.h"

namespace fixture {

/// Pictures of waves of different sizes, each with one box per class-of-index; some can be bad, slow or of
/// unknown size. A picture points into this object's memory, so a loader that copied it first would show.
class MemoryDataset : public hd::data::Dataset {
 public:
  explicit MemoryDataset(const std::vector<std::pair<int, int>>& sizes, bool sizesKnown = true) {
    classes_ = {"a", "b", "c"};
    categoryIds_ = {1, 2, 3};
    firstAnnotation_.push_back(0);
    nameOffsets_.assign(sizes.size() + 1, 0);
    for (const auto& [width, height] : sizes) {
      const auto image = static_cast<int64_t>(pixels_.size());
      pixels_.push_back(waves(width, height, 3, static_cast<int>(image)));
      sizes_.emplace_back(width, height);
      imageIds_.push_back(100 + image);
      widths_.push_back(sizesKnown ? width : 0);
      heights_.push_back(sizesKnown ? height : 0);
      const auto w = static_cast<float>(width), h = static_cast<float>(height);
      table_.annotations.push_back({w / 4, h / 4, w * 3 / 4, h * 3 / 4, w * h / 4,
                                    static_cast<int32_t>(image % 3), false, false, image, -1, -1, -1});
      firstAnnotation_.push_back(image + 1);
      trainable_.push_back(image);
    }
  }

  hd::data::Picture load(int64_t image, int, int) const override {
    ++loads;
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    if (bad.contains(image))
      throw hd::Error("HD_DATA_IMAGE", hd::concat("expected a picture but received noise ", image), "memory");
    const auto [width, height] = sizes_[static_cast<size_t>(image)];
    return {width, height, {}, pixels_[static_cast<size_t>(image)].data(), nullptr};
  }
  hd::data::Sample sample(int64_t image, int minWidth, int minHeight) const override {
    hd::data::Sample out;
    out.picture = load(image, minWidth, minHeight);
    out.width = out.picture.width;
    out.height = out.picture.height;
    out.annotations = annotations(image);
    out.table = &table();
    return out;
  }
  void announce(int64_t image, int width, int height) {
    widths_[static_cast<size_t>(image)] = width;
    heights_[static_cast<size_t>(image)] = height;
  }

  std::set<int64_t> bad;
  std::chrono::milliseconds delay{0};
  mutable std::atomic<int> loads{0};

 private:
  std::vector<Bytes> pixels_;
  std::vector<std::pair<int, int>> sizes_;
};

/// Wide and tall pictures, 37–~100 pixels a side.
inline std::vector<std::pair<int, int>> mixedSizes(int count) {
  std::vector<std::pair<int, int>> out;
  for (int i = 0; i < count; ++i) out.emplace_back(40 + i * 13 % 60, 37 + i * 29 % 50);
  return out;
}

inline hd::Value options(std::string_view json) {
  return hd::parseJson(json);
}

/// Everything of one picture in a batch, for comparing bit by bit.
struct Seen {
  int64_t image, position, canvasHeight, canvasWidth;
  std::vector<float> boxes;
  std::vector<int32_t> labels;
  Bytes pixels;
  bool operator==(const Seen&) const = default;
};

inline std::vector<Seen> seen(const hd::Batch& batch) {
  std::vector<Seen> out;
  const int64_t bytes = batch.height * batch.width * 3;
  for (int64_t i = 0; i < batch.count; ++i) {
    const hd::ImageTargets& targets = batch.images[static_cast<size_t>(i)];
    out.push_back({targets.image, targets.position, batch.height, batch.width, targets.boxes, targets.labels,
                   Bytes(batch.pixels + i * bytes, batch.pixels + (i + 1) * bytes)});
  }
  return out;
}

/// The next `steps` batches, one vector each.
inline std::vector<std::vector<Seen>> take(hd::data::Loader& loader, int64_t steps) {
  std::vector<std::vector<Seen>> out;
  for (int64_t i = 0; i < steps; ++i) {
    hd::data::Slot slot = loader.next();
    if (!slot) break;
    out.push_back(seen(slot.batch()));
  }
  return out;
}

}  // namespace fixture
