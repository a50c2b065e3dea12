#include "ops/cpu/nms_kernel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "core/kernel.h"

namespace hd::ops {
namespace {

/// Orders scores as unsigned integers, the highest score first; every NaN after all numbers, so that sorting
/// is a total order whatever the input. Both zeros are equal.
uint32_t fallingKey(float score) {
  if (std::isnan(score)) return std::numeric_limits<uint32_t>::max();
  const uint32_t bits = std::bit_cast<uint32_t>(score + 0.0f);
  const uint32_t rising = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return ~rising;
}

/// One candidate in visiting order: falling score, then class, then index.
struct Visit {
  uint32_t key;
  int32_t group;
  int64_t index;
  bool operator<(const Visit& other) const {
    if (key != other.key) return key < other.key;
    if (group != other.group) return group < other.group;
    return index < other.index;
  }
};

/// Kept boxes of one class, as separate columns so that one candidate meets eight or sixteen of them at a
/// time.
struct Kept {
  std::vector<float> x1, y1, x2, y2, area;
};

/// The largest float that is not above `threshold`: comparing floats with it equals comparing them with the
/// double.
float floatLimit(double threshold) {
  const auto nearest = static_cast<float>(threshold);
  return static_cast<double>(nearest) > threshold
             ? std::nextafterf(nearest, -std::numeric_limits<float>::infinity())
             : nearest;
}

/// True when one of the `count` kept boxes overlaps the candidate by more than `limit`. 0/0 is NaN and never
/// more.
HD_KERNEL bool suppressed(const float* x1, const float* y1, const float* x2, const float* y2,
                          const float* area, int64_t count, float left, float top, float right, float bottom,
                          float limit) {
  const float own = (right - left) * (bottom - top);
  constexpr int64_t block = 64;  // tests between two looks at the outcome
  for (int64_t start = 0; start < count; start += block) {
    const int64_t end = std::min(start + block, count);
    int hits = 0;
    for (int64_t i = start; i < end; ++i) {
      const float width = std::min(x2[i], right) - std::max(x1[i], left);
      const float height = std::min(y2[i], bottom) - std::max(y1[i], top);
      const float overlap = (width > 0 ? width : 0) * (height > 0 ? height : 0);
      hits |= overlap / (own + area[i] - overlap) > limit ? 1 : 0;
    }
    if (hits != 0) return true;
  }
  return false;
}

/// Visits the candidates lazily sorted: only as many are put in order as it takes to fill `limit`.
std::vector<int64_t> greedy(std::vector<Visit>& visits, const float* boxes, int64_t groups, double threshold,
                            int64_t limit, OverlapKind overlap) {
  std::vector<int64_t> keep;
  std::vector<Kept> kept(static_cast<size_t>(groups));
  const float bound = floatLimit(threshold);
  const auto count = static_cast<int64_t>(visits.size());
  int64_t sorted = 0;
  for (int64_t i = 0; i < count && (limit < 0 || std::ssize(keep) < limit); ++i) {
    if (i == sorted) {
      const int64_t chunk = limit < 0 ? count : std::min(count - sorted, std::max<int64_t>(4 * limit, 256));
      sorted = std::min(count, sorted + chunk);
      if (sorted < count) std::nth_element(visits.begin() + i, visits.begin() + sorted, visits.end());
      std::sort(visits.begin() + i, visits.begin() + sorted);
    }
    const Visit& visit = visits[i];
    const float* box = boxes + 4 * visit.index;
    Kept& others = kept[visit.group];
    const auto met = std::ssize(others.x1);
    // The penalty only lowers an overlap: without one by IoU there is none by distance either.
    if (suppressed(others.x1.data(), others.y1.data(), others.x2.data(), others.y2.data(), others.area.data(),
                   met, box[0], box[1], box[2], box[3], bound) &&
        (!overlap.distance || [&] {
          for (int64_t k = 0; k < met; ++k) {
            const float other[] = {others.x1[k], others.y1[k], others.x2[k], others.y2[k]};
            if (distanceOverlap(other, box, overlap.beta) > threshold) return true;
          }
          return false;
        }())) {
      continue;
    }
    others.x1.push_back(box[0]);
    others.y1.push_back(box[1]);
    others.x2.push_back(box[2]);
    others.y2.push_back(box[3]);
    others.area.push_back((box[2] - box[0]) * (box[3] - box[1]));
    keep.push_back(visit.index);
  }
  return keep;
}

}  // namespace

double distanceOverlap(const float* a, const float* b, double beta) {
  const double width = std::max(0.0, std::min<double>(a[2], b[2]) - std::max<double>(a[0], b[0]));
  const double height = std::max(0.0, std::min<double>(a[3], b[3]) - std::max<double>(a[1], b[1]));
  const double common = width * height;
  const auto area = [](const float* box) { return (double{box[2]} - box[0]) * (double{box[3]} - box[1]); };
  const double dx = (double{a[0]} + a[2] - b[0] - b[2]) / 2, dy = (double{a[1]} + a[3] - b[1] - b[3]) / 2;
  const double hullWidth = std::max<double>(a[2], b[2]) - std::min<double>(a[0], b[0]);
  const double hullHeight = std::max<double>(a[3], b[3]) - std::min<double>(a[1], b[1]);
  const double diagonal = hullWidth * hullWidth + hullHeight * hullHeight + 1e-7;
  return common / (area(a) + area(b) - common) - std::pow((dx * dx + dy * dy) / diagonal, beta);
}

std::vector<int64_t> nms(const float* boxes, const float* scores, int64_t count, double threshold) {
  std::vector<Visit> visits(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) visits[i] = {fallingKey(scores[i]), 0, i};
  return greedy(visits, boxes, 1, threshold, -1, {});
}

std::vector<int64_t> batchedNms(const float* boxes, const float* scores, const int32_t* labels, int64_t count,
                                double threshold, int64_t limit, OverlapKind overlap) {
  // Any labels become dense groups in the order of the labels; sorting a copy keeps this independent of their
  // range.
  std::vector<int32_t> classes(labels, labels + count);
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  std::vector<Visit> visits(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto group = std::lower_bound(classes.begin(), classes.end(), labels[i]) - classes.begin();
    visits[i] = {fallingKey(scores[i]), static_cast<int32_t>(group), i};
  }
  return greedy(visits, boxes, std::ssize(classes), threshold, limit, overlap);
}

}  // namespace hd::ops
