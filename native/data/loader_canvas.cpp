#include "data/loader_canvas.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace hd::data {
namespace {

constexpr int kLargestSide = 1 << 15;
constexpr size_t kMergeable = 200;  // merging is cubic in the number of sizes

struct Candidate {
  Extent extent;
  int64_t count;
};

int64_t area(Extent extent) {
  return int64_t{extent.width} * extent.height;
}
Extent join(Extent a, Extent b) {
  return {std::max(a.width, b.width), std::max(a.height, b.height)};
}
bool fits(Extent inner, Extent outer) {
  return inner.width <= outer.width && inner.height <= outer.height;
}

Extent roundedUp(Extent extent, int multiple) {
  const auto up = [multiple](int side) { return std::max(1, (side + multiple - 1) / multiple) * multiple; };
  return {up(extent.width), up(extent.height)};
}

std::vector<Candidate> roundedDemand(const CanvasDemand& demand, const std::vector<Extent>& always,
                                     int multiple) {
  std::map<std::pair<int, int>, int64_t> merged;
  const auto add = [&](Extent extent, int64_t count) {
    extent = roundedUp(extent, multiple);
    merged[{extent.height, extent.width}] += count;
  };
  for (const auto& [size, count] : demand) add({size.second, size.first}, count);
  for (const Extent extent : always) add(extent, 0);
  std::vector<Candidate> out;
  for (const auto& [size, count] : merged) out.push_back({{size.second, size.first}, count});
  return out;
}

// Joins the two sizes whose common size adds the least padding. Ties: the first pair in order.
void mergeCheapest(std::vector<Candidate>& sizes) {
  size_t bestA = 0, bestB = 1;
  int64_t bestCost = std::numeric_limits<int64_t>::max();
  for (size_t a = 0; a < sizes.size(); ++a) {
    for (size_t b = a + 1; b < sizes.size(); ++b) {
      const int64_t joined = area(join(sizes[a].extent, sizes[b].extent));
      const int64_t cost = (joined - area(sizes[a].extent)) * sizes[a].count +
                           (joined - area(sizes[b].extent)) * sizes[b].count;
      if (cost >= bestCost) continue;
      bestCost = cost;
      bestA = a;
      bestB = b;
    }
  }
  sizes[bestA] = {join(sizes[bestA].extent, sizes[bestB].extent), sizes[bestA].count + sizes[bestB].count};
  sizes.erase(sizes.begin() + static_cast<int64_t>(bestB));
}

[[noreturn]] void refuse(const char* expected, const char* key, const Value& received) {
  throw Error("HD_DATA_CANVAS",
              concat("expected ", expected, " for canvas.", key, " but received ", printJson(received),
                     "; change it"),
              concat("canvas.", key));
}

int wholeWithin(const Value& options, const char* key, int fallback, int high, const char* expected) {
  const int64_t value = options.get(key, int64_t{fallback});
  if (value < 1 || value > high) refuse(expected, key, value);
  return static_cast<int>(value);
}

}  // namespace

CanvasOptions CanvasOptions::from(const Value& options) {
  CanvasOptions out;
  out.divisor = wholeWithin(options, "divisor", out.divisor, 1024, "a whole number from 1 to 1024");
  out.maxCanvases = wholeWithin(options, "maxCanvases", out.maxCanvases, 12, "a whole number from 1 to 12");
  if (const std::vector<double> fixed = options.numbers("fixed"); !fixed.empty()) {
    const auto valid = [&](double side) {
      return side >= 1 && side <= kLargestSide && static_cast<int>(side) == side &&
             static_cast<int>(side) % out.divisor == 0;
    };
    if (fixed.size() != 2 || !valid(fixed[0]) || !valid(fixed[1])) {
      refuse("[height, width] as multiples of the divisor", "fixed", *options.find("fixed"));
    }
    out.fixed = Extent{static_cast<int>(fixed[1]), static_cast<int>(fixed[0])};
  }
  if (const std::vector<double> fill = options.numbers("fill"); !fill.empty()) {
    const auto valid = [](double value) { return value >= 0 && value <= 255; };
    if (fill.size() != 3 || !std::all_of(fill.begin(), fill.end(), valid)) {
      refuse("[red, green, blue] from 0 to 255", "fill", *options.find("fill"));
    }
    for (size_t c = 0; c < 3; ++c) out.fill[c] = static_cast<uint8_t>(fill[c] + 0.5);
  }
  return out;
}

CanvasSet::CanvasSet(const CanvasOptions& options, const CanvasDemand& demand,
                     const std::vector<Extent>& always) {
  if (options.fixed) {
    canvases_ = {*options.fixed};
    return;
  }
  std::vector<Candidate> sizes = roundedDemand(demand, always, options.divisor);
  for (int multiple = options.divisor * 2; sizes.size() > kMergeable; multiple *= 2) {
    sizes = roundedDemand(demand, always, multiple);
  }
  while (sizes.size() > static_cast<size_t>(options.maxCanvases)) mergeCheapest(sizes);
  for (const Candidate& size : sizes) {
    if (std::find(canvases_.begin(), canvases_.end(), size.extent) == canvases_.end())
      canvases_.push_back(size.extent);
  }
  if (canvases_.empty()) canvases_.push_back(roundedUp({}, options.divisor));
  std::sort(canvases_.begin(), canvases_.end(),
            [](Extent a, Extent b) { return area(a) != area(b) ? area(a) < area(b) : a.height < b.height; });
}

int64_t CanvasSet::largestArea() const {
  return area(canvases_.back());
}

Extent CanvasSet::choose(Extent need) const {
  for (const Extent canvas : canvases_) {
    if (fits(need, canvas)) return canvas;
  }
  const auto scale = [need](Extent canvas) {
    return std::min(static_cast<double>(canvas.width) / need.width,
                    static_cast<double>(canvas.height) / need.height);
  };
  return *std::max_element(canvases_.begin(), canvases_.end(),
                           [&](Extent a, Extent b) { return scale(a) < scale(b); });
}

}  // namespace hd::data
