// Pictures whose objects can be found again by their colours, and what a loader makes of them.
#pragma once

#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "native/data/memory_dataset.h"

namespace fixture {

inline constexpr std::array<uint8_t, 3> kFill = {10, 10, 10};
inline constexpr int32_t kBackground = -1, kBare = -2;

/// Grey pictures with three squares: one colour a class, with the square as polygon and its middle as
/// keypoint. Where they lie differs from picture to picture; they never touch.
class PaintedDataset : public hd::data::Dataset {
 public:
  static constexpr int kObjects = 3;
  static std::array<uint8_t, 3> colour(int32_t label) {
    std::array<uint8_t, 3> out = {30, 30, 30};
    out[static_cast<size_t>(label)] = 230;
    return out;
  }

  PaintedDataset(int count, int width, int height, bool shapes = true) : width_(width), height_(height) {
    classes_ = {"red", "green", "blue"};
    categoryIds_ = {1, 2, 3};
    nameOffsets_.assign(static_cast<size_t>(count) + 1, 0);
    firstAnnotation_.push_back(0);
    for (int image = 0; image < count; ++image) {
      imageIds_.push_back(image + 1);
      widths_.push_back(width);
      heights_.push_back(height);
      trainable_.push_back(image);
      hd::Random random(12, "test", 0, static_cast<uint64_t>(image));
      for (int32_t label = 0; label < kObjects; ++label) {
        const int third = width / kObjects, side = third / 2 + static_cast<int>(random.below(8));
        const auto x = static_cast<float>(
            label * third + static_cast<int>(random.below(static_cast<uint32_t>(third - side - 2))) + 1);
        const auto y = static_cast<float>(1 + random.below(static_cast<uint32_t>(height - side - 2)));
        const auto s = static_cast<float>(side);
        hd::data::Annotation box{x,  y,  x + s, y + s, double{s} * s, label, false, false, image * 3 + label,
                                 -1, -1, -1};
        if (shapes) {
          box.polygons = table_.addPolygons({{x, y, x + s, y, x + s, y + s, x, y + s}});
          box.keypoints = table_.addKeypoints(std::vector<float>{x + s / 2, y + s / 2, 2});
        }
        table_.annotations.push_back(box);
      }
      firstAnnotation_.push_back(static_cast<int64_t>(table_.annotations.size()));
    }
  }

  hd::data::Picture load(int64_t image, int, int) const override {
    hd::data::Picture out{width_, height_, Bytes(static_cast<size_t>(width_ * height_ * 3), 128), nullptr,
                          nullptr};
    for (const hd::data::Annotation& a : annotations(image)) {
      for (int y = static_cast<int>(a.y1); y < static_cast<int>(a.y2); ++y) {
        for (int x = static_cast<int>(a.x1); x < static_cast<int>(a.x2); ++x) {
          const auto paint = colour(a.label);
          std::copy(paint.begin(), paint.end(), out.storage.begin() + (y * width_ + x) * 3);
        }
      }
    }
    out.pixels = out.storage.data();
    return out;
  }

 private:
  int width_, height_;
};

struct PaintedPicture {
  hd::ImageTargets targets;
  int width = 0, height = 0;  ///< of the canvas
  Bytes pixels;
};

/// The first `count` pictures that a loader with this pipeline gives.
inline std::vector<PaintedPicture> painted(const std::shared_ptr<const hd::data::Dataset>& dataset,
                                           const std::string& augment, int count,
                                           const std::string& more = "", int64_t epoch = 0) {
  hd::data::Loader loader(
      dataset, options(hd::concat(
                   R"({"seed": 4, "batch": 4, "threads": 2, "canvas": {"fill": [10, 10, 10]}, "augment": )",
                   augment, more, "}")));
  loader.begin(epoch, 0);
  std::vector<PaintedPicture> out;
  while (static_cast<int>(out.size()) < count) {
    hd::data::Slot slot = loader.next();
    const hd::Batch& batch = slot.batch();
    const auto bytes = static_cast<size_t>(batch.height * batch.width * 3);
    for (size_t i = 0; i < batch.images.size(); ++i) {
      const uint8_t* from = batch.pixels + i * bytes;
      out.push_back({batch.images[i], static_cast<int>(batch.width), static_cast<int>(batch.height),
                     Bytes(from, from + bytes)});
    }
  }
  return out;
}

/// The class painted at a point; kBackground for grey, kBare for the fill.
inline int32_t objectAt(const PaintedPicture& picture, double x, double y) {
  const auto at = static_cast<size_t>((static_cast<int>(y) * picture.width + static_cast<int>(x)) * 3);
  const uint8_t* pixel = &picture.pixels[at];
  for (int32_t label = 0; label < PaintedDataset::kObjects; ++label) {
    // Half way between the colour and the grey around it, and the fill.
    const auto c = static_cast<size_t>(label);
    if (pixel[c] > 128 && pixel[(c + 1) % 3] < 80 && pixel[(c + 2) % 3] < 80) return label;
  }
  return pixel[0] < 70 && pixel[1] < 70 && pixel[2] < 70 ? kBare : kBackground;
}

/// x1, y1, x2, y2 around all pixels of a class; x1 > x2 without any.
inline std::array<double, 4> extentOf(const PaintedPicture& picture, int32_t label) {
  std::array<double, 4> out = {1e9, 1e9, -1e9, -1e9};
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      if (objectAt(picture, x, y) != label) continue;
      out = {std::min(out[0], double(x)), std::min(out[1], double(y)), std::max(out[2], x + 1.0),
             std::max(out[3], y + 1.0)};
    }
  }
  return out;
}

}  // namespace fixture
