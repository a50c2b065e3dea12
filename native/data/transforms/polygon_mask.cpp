#include "data/transforms/polygon_mask.h"

#include <numeric>

namespace hd::data {

PolygonMask::PolygonMask(const std::array<float, 4>& box)
    : left_(static_cast<int>(box[0])),
      top_(static_cast<int>(box[1])),
      width_(std::max(0, static_cast<int>(std::ceil(box[2])) - left_)),
      height_(std::max(0, static_cast<int>(std::ceil(box[3])) - top_)),
      pixels_(static_cast<size_t>(width_) * static_cast<size_t>(height_)) {}

void PolygonMask::set(const std::vector<float>& polygon, uint8_t value) {
  forEachRun(polygon, left_ + width_, top_ + height_, [&](int y, int left, int right) {
    const int first = std::max(left, left_) - left_, count = right - left_ - first;
    if (y < top_ || count <= 0) return;
    std::fill_n(pixels_.begin() + int64_t{y - top_} * width_ + first, count, value);
  });
}

int64_t PolygonMask::count() const {
  return std::accumulate(pixels_.begin(), pixels_.end(), int64_t{0});
}

std::array<int, 4> PolygonMask::box() const {
  std::array<int, 4> out = {left_ + width_, top_ + height_, 0, 0};
  for (int y = 0; y < height_; ++y) {
    const auto row = pixels_.begin() + int64_t{y} * width_, end = row + width_;
    const auto first = std::find(row, end, 1);
    if (first == end) continue;
    const auto last = std::find(std::make_reverse_iterator(end), std::make_reverse_iterator(row), 1);
    out[0] = std::min(out[0], left_ + static_cast<int>(first - row));
    out[1] = std::min(out[1], top_ + y);
    out[2] = std::max(out[2], left_ + static_cast<int>(last.base() - row));
    out[3] = top_ + y + 1;
  }
  return out[3] == 0 ? std::array<int, 4>{} : out;
}

std::vector<std::vector<float>> PolygonMask::rectangles() const {
  struct Run {
    int left, right, top;
    bool operator==(const Run& other) const { return left == other.left && right == other.right; }
  };
  std::vector<std::vector<float>> out;
  std::vector<Run> open, now;
  for (int y = 0; y <= height_; ++y) {
    now.clear();
    for (int x = 0; y < height_ && x < width_;) {
      const auto row = pixels_.begin() + int64_t{y} * width_, end = row + width_;
      const auto first = std::find(row + x, end, 1), after = std::find(first, end, 0);
      if (first != end) now.push_back({static_cast<int>(first - row), static_cast<int>(after - row), y});
      x = static_cast<int>(after - row);
    }
    for (const Run& run : open) {
      if (const auto same = std::find(now.begin(), now.end(), run); same != now.end()) {
        same->top = run.top;
        continue;
      }
      const auto x1 = static_cast<float>(left_ + run.left), x2 = static_cast<float>(left_ + run.right);
      const auto y1 = static_cast<float>(top_ + run.top), y2 = static_cast<float>(top_ + y);
      out.push_back({x1, y1, x2, y1, x2, y2, x1, y2});
    }
    open.swap(now);
  }
  return out;
}

}  // namespace hd::data
