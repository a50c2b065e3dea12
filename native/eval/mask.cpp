#include "eval/mask.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace hd::eval {
namespace {

[[noreturn]] void invalidMask(const std::string& message) {
  throw Error("HD_DATA_MASK", message);
}

uint64_t pixelsOf(uint32_t height, uint32_t width) {
  return uint64_t{height} * width;
}

void checkSum(const std::vector<uint32_t>& counts, uint32_t height, uint32_t width) {
  const uint64_t sum = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  if (sum != pixelsOf(height, width)) {
    invalidMask(concat("expected run lengths that add up to ", height, "x", width,
                       " pixels for a mask but received a sum of ", sum,
                       "; write the mask for the size of its picture"));
  }
}

/// Walks the runs of a mask; `left` pixels of value `set` come next.
struct RunCursor {
  explicit RunCursor(const Mask& mask) : counts(mask.counts), left(counts.empty() ? 0 : counts[0]) {
    skipEmpty();
  }

  void take(uint32_t pixels) {
    left -= pixels;
    skipEmpty();
  }
  bool atEnd() const { return left == 0; }

  const std::vector<uint32_t>& counts;
  size_t run = 0;
  uint32_t left;
  bool set = false;

 private:
  void skipEmpty() {
    while (left == 0 && run + 1 < counts.size()) {
      left = counts[++run];
      set = !set;
    }
  }
};

Mask mergePair(const Mask& first, const Mask& second, bool intersect) {
  Mask merged{first.height, first.width, {}};
  RunCursor a(first), b(second);
  uint32_t run = 0;
  bool value = false;
  while (!a.atEnd() && !b.atEnd()) {
    const bool next = intersect ? a.set && b.set : a.set || b.set;
    if (next != value) {
      merged.counts.push_back(run);
      run = 0;
      value = next;
    }
    const uint32_t step = std::min(a.left, b.left);
    run += step;
    a.take(step);
    b.take(step);
  }
  merged.counts.push_back(run);
  return merged;
}

uint64_t intersectionArea(const Mask& first, const Mask& second) {
  RunCursor a(first), b(second);
  uint64_t area = 0;
  while (!a.atEnd() && !b.atEnd()) {
    const uint32_t step = std::min(a.left, b.left);
    if (a.set && b.set) area += step;
    a.take(step);
    b.take(step);
  }
  return area;
}

}  // namespace

Mask maskFromCounts(std::vector<uint32_t> counts, uint32_t height, uint32_t width) {
  checkSum(counts, height, width);
  return {height, width, std::move(counts)};
}

Mask maskFromPixels(std::span<const uint8_t> pixels, uint32_t height, uint32_t width) {
  require(pixels.size() == pixelsOf(height, width), "mask of ", pixels.size(), " pixels for ", height, "x",
          width);
  Mask mask{height, width, {}};
  uint32_t run = 0;
  bool value = false;
  for (const uint8_t pixel : pixels) {
    if ((pixel != 0) != value) {
      mask.counts.push_back(run);
      run = 0;
      value = !value;
    }
    ++run;
  }
  mask.counts.push_back(run);
  return mask;
}

std::vector<uint8_t> maskToPixels(const Mask& mask) {
  std::vector<uint8_t> pixels;
  pixels.reserve(pixelsOf(mask.height, mask.width));
  for (size_t run = 0; run < mask.counts.size(); ++run)
    pixels.insert(pixels.end(), mask.counts[run], run % 2);
  return pixels;
}

std::string compressCounts(const Mask& mask) {
  std::string text;
  for (size_t i = 0; i < mask.counts.size(); ++i) {
    int64_t value = mask.counts[i];
    if (i > 2) value -= mask.counts[i - 2];
    for (bool more = true; more;) {
      int digit = static_cast<int>(value & 31);
      value >>= 5;
      more = (digit & 16) != 0 ? value != -1 : value != 0;  // bit 4 of the last digit is the sign
      if (more) digit |= 32;
      text.push_back(static_cast<char>(digit + 48));
    }
  }
  return text;
}

Mask maskFromCompressed(std::string_view text, uint32_t height, uint32_t width) {
  constexpr int kMaxDigits = 8;  // 40 bits: more than any difference of two 32-bit counts needs
  std::vector<uint32_t> counts;
  for (size_t at = 0; at < text.size();) {
    int64_t value = 0;
    int digits = 0;
    for (bool more = true; more;) {
      const int digit = at < text.size() ? static_cast<unsigned char>(text[at]) - 48 : -1;
      if (digit < 0 || digit > 63 || digits == kMaxDigits) {
        invalidMask(concat("expected COCO's compressed run lengths for a mask but received ",
                           at < text.size() ? "an invalid character" : "the end of the text",
                           " at character ", at, "; encode the mask again"));
      }
      value |= int64_t{digit & 31} << (5 * digits);
      more = (digit & 32) != 0;
      ++at, ++digits;
      if (!more && (digit & 16) != 0) value |= -(int64_t{1} << (5 * digits));
    }
    if (counts.size() > 2) value += counts[counts.size() - 2];
    if (value < 0 || value > static_cast<int64_t>(UINT32_MAX)) {
      invalidMask(concat("expected non-negative run lengths for a mask but received ", value, " as number ",
                         counts.size(), "; encode the mask again"));
    }
    counts.push_back(static_cast<uint32_t>(value));
  }
  return maskFromCounts(std::move(counts), height, width);
}

uint64_t maskArea(const Mask& mask) {
  uint64_t area = 0;
  for (size_t run = 1; run < mask.counts.size(); run += 2) area += mask.counts[run];
  return area;
}

std::array<double, 4> maskBox(const Mask& mask) {
  uint64_t left = mask.width, right = 0, top = mask.height, bottom = 0, position = 0;
  bool any = false;
  for (size_t run = 0; run < mask.counts.size(); ++run) {
    const uint64_t begin = position;
    position += mask.counts[run];
    if (run % 2 == 0 || mask.counts[run] == 0) continue;
    any = true;
    const uint64_t last = position - 1;
    left = std::min(left, begin / mask.height);
    right = std::max(right, last / mask.height);
    const bool wraps =
        begin / mask.height != last / mask.height;  // a run over a column's end covers its full height
    top = std::min(top, wraps ? 0 : begin % mask.height);
    bottom = std::max(bottom, wraps ? mask.height - 1 : last % mask.height);
  }
  if (!any) return {0, 0, 0, 0};
  return {static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left + 1),
          static_cast<double>(bottom - top + 1)};
}

Mask mergeMasks(std::span<const Mask> masks, bool intersect) {
  if (masks.empty())
    invalidMask("expected at least one part for a mask but received none; remove the annotation");
  Mask merged = masks[0];
  for (const Mask& mask : masks.subspan(1)) {
    if (mask.height != merged.height || mask.width != merged.width) {
      invalidMask(concat("expected masks of one size but received ", merged.height, "x", merged.width,
                         " and ", mask.height, "x", mask.width,
                         "; write them for the size of their picture"));
    }
    merged = mergePair(merged, mask, intersect);
  }
  return merged;
}

double boxOverlap(const std::array<double, 4>& detection, const std::array<double, 4>& truth, bool crowd) {
  const auto& [dx, dy, dw, dh] = detection;
  const auto& [tx, ty, tw, th] = truth;
  const double width = std::min(dw + dx, tw + tx) - std::max(dx, tx);
  if (width <= 0) return 0;
  const double height = std::min(dh + dy, th + ty) - std::max(dy, ty);
  if (height <= 0) return 0;
  const double intersection = width * height;
  const double area = dw * dh;
  return intersection / (crowd ? area : area + tw * th - intersection);
}

double maskOverlap(const Mask& detection, const Mask& truth, bool crowd) {
  if (detection.height != truth.height || detection.width != truth.width) return -1;
  const uint64_t intersection = intersectionArea(detection, truth);
  if (intersection == 0) return 0;
  const uint64_t area = maskArea(detection);
  const uint64_t whole = crowd ? area : area + maskArea(truth) - intersection;
  return static_cast<double>(intersection) / static_cast<double>(whole);
}

}  // namespace hd::eval
