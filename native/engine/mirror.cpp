#include "engine/mirror.h"

#include <algorithm>

namespace hd::engine {
namespace {

ImageTargets mirrored(const ImageTargets& image) {
  ImageTargets out = image;
  out.flipped = !image.flipped;
  out.boxes.clear();
  out.labels.clear();
  out.crowd.clear();
  out.keypoints.clear();
  out.polygons.clear();
  return out;
}

}  // namespace

WithMirrors::WithMirrors(const Batch& batch) : batch_(batch) {
  const int64_t row = 3 * batch.width, bytes = batch.count * batch.height * row;
  pixels_.reserve(static_cast<size_t>(2 * bytes));
  pixels_.assign(batch.pixels, batch.pixels + bytes);
  pixels_.insert(pixels_.end(), batch.pixels, batch.pixels + bytes);
  uint8_t* out = pixels_.data() + bytes;
  for (const ImageTargets& image : batch.images) {
    for (int64_t y = 0; y < batch.height; ++y, out += row) {
      for (int64_t left = 0, right = image.width - 1; left < right; ++left, --right)
        std::swap_ranges(out + 3 * left, out + 3 * left + 3, out + 3 * right);
    }
    batch_.images.push_back(mirrored(image));
  }
  batch_.count = 2 * batch.count;
  batch_.pixels = pixels_.data();
}

}  // namespace hd::engine
