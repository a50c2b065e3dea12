// Polygons as pixels: those whose centre lies inside (even-odd rule), a polygon at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace hd::data {

/// Calls run(y, left, right) for every run of pixels [left, right) of row y that a polygon (x, y pairs,
/// closed) covers within width × height.
template <class Run>
void forEachRun(const std::vector<float>& polygon, int width, int height, const Run& run) {
  float top = static_cast<float>(height), bottom = 0;
  for (size_t i = 1; i < polygon.size(); i += 2) {
    top = std::min(top, polygon[i]);
    bottom = std::max(bottom, polygon[i]);
  }
  std::vector<float> crossings;
  const int last = std::min(height, static_cast<int>(std::ceil(bottom)));
  for (int y = std::max(0, static_cast<int>(top)); y < last; ++y) {
    const float middle = static_cast<float>(y) + 0.5f;
    crossings.clear();
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
      const size_t j = (i + 2) % polygon.size();
      const float y1 = polygon[i + 1], y2 = polygon[j + 1];
      if ((y1 > middle) != (y2 > middle))
        crossings.push_back(polygon[i] + (middle - y1) / (y2 - y1) * (polygon[j] - polygon[i]));
    }
    std::sort(crossings.begin(), crossings.end());
    for (size_t i = 0; i + 1 < crossings.size(); i += 2) {
      const int left = std::clamp(static_cast<int>(std::ceil(crossings[i] - 0.5f)), 0, width);
      const int right = std::clamp(static_cast<int>(std::ceil(crossings[i + 1] - 0.5f)), left, width);
      if (left < right) run(y, left, right);
    }
  }
}

/// The pixels of one object, within a rectangle of whole pixels.
class PolygonMask {
 public:
  /// Empty, with room for what lies in `box` (x1, y1, x2, y2, none below 0).
  explicit PolygonMask(const std::array<float, 4>& box);

  void add(const std::vector<float>& polygon) { set(polygon, 1); }
  void cut(const std::vector<float>& polygon) { set(polygon, 0); }

  int64_t count() const;
  /// x1, y1, x2, y2 around the pixels; all 0 without any.
  std::array<int, 4> box() const;
  /// Rectangles that together are the mask: runs of a row, grown down as long as the rows are alike. Unlike
  /// one outline, they hold for masks with holes, too.
  std::vector<std::vector<float>> rectangles() const;

 private:
  void set(const std::vector<float>& polygon, uint8_t value);

  int left_, top_, width_, height_;
  std::vector<uint8_t> pixels_;
};

}  // namespace hd::data
