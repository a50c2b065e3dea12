// resize: scales with the ratio kept until the picture fits a drawn [long, short] size, up or down.
// - keepRatio: whether it is, default true. Without, every picture becomes exactly [width, height], whatever
//   its shape, as NanoDet's keep_ratio: False and centerX's Resize have it.
// - sizes: list of [long, short] in pixels, each ≥ 1, long ≥ short; one number N stands for [N, N]. Of
//   [width, height] without keepRatio, in which either may be longer.
// - mode: 'value' draws one of `sizes`; 'range' (default) draws long and short, each uniform between the
//   least and the largest of the list, whole pixels, both ends included. With one size both are that size.
//   Likewise width and height.
//
// The arithmetic is mmdetection's: s = min(long / max(w, h), short / min(w, h)), side = int(side · s + 0.5);
// the scale that boxes get is the exact quotient of the sides, per axis.
#include <algorithm>

#include "core/error.h"
#include "data/transforms/transform.h"

namespace hd::data {
namespace {

// [long, short], or [width, height] where the ratio is not kept.
struct LongShort {
  int longer, shorter;
};

constexpr int kLargestSide = 1 << 15;

LongShort readSize(const Value& value, bool keepRatio) {
  LongShort size{};
  if (value.isNumber()) {
    size.longer = size.shorter = static_cast<int>(std::clamp(value.asNumber(), 0.0, 1e9));
  } else if (value.isArray() && value.asArray().size() == 2) {
    size.longer = static_cast<int>(std::clamp(value.asArray()[0].asNumber(), 0.0, 1e9));
    size.shorter = static_cast<int>(std::clamp(value.asArray()[1].asNumber(), 0.0, 1e9));
  }
  const bool positive = size.shorter >= 1 && size.longer >= 1;
  const bool ordered = !keepRatio || size.longer >= size.shorter;
  if (positive && ordered && std::max(size.longer, size.shorter) <= kLargestSide) return size;
  throw Error(
      "HD_DATA_TRANSFORM",
      concat("expected ",
             keepRatio ? "[long, short] with 1 ≤ short ≤ long ≤ " : "[width, height], each from 1 to ",
             kLargestSide, " for data.augment.resize.sizes but received ", printJson(value),
             "; write for instance [1333, 800]"),
      "data.augment.resize.sizes");
}

class Resize : public Transform {
 public:
  explicit Resize(const Value& options) {
    checkMembers("resize", options, {"sizes", "mode", "keepRatio"});
    keepRatio_ = options.get("keepRatio", true);
    const Value* sizes = options.find("sizes");
    if (sizes != nullptr && sizes->isArray()) {
      for (const Value& size : sizes->asArray()) sizes_.push_back(readSize(size, keepRatio_));
    }
    if (sizes_.empty()) {
      throw Error("HD_DATA_TRANSFORM",
                  "expected at least one size for data.augment.resize.sizes but received none; write for "
                  "instance [[1333, 800]]",
                  "data.augment.resize.sizes");
    }
    const std::string mode = options.get("mode", "range");
    if (mode != "range" && mode != "value") {
      throw Error("HD_DATA_TRANSFORM",
                  concat("expected 'range' or 'value' for data.augment.resize.mode but received '", mode,
                         "'; choose one"),
                  "data.augment.resize.mode");
    }
    range_ = mode == "range";
    least_ = largest_ = sizes_.front();
    for (const LongShort& size : sizes_) {
      least_ = {std::min(least_.longer, size.longer), std::min(least_.shorter, size.shorter)};
      largest_ = {std::max(largest_.longer, size.longer), std::max(largest_.shorter, size.shorter)};
    }
  }

  void apply(Plan& plan, Random& random) const override { fit(plan.geometry, draw(random)); }

  void applyLargest(Plan& plan) const override {
    const Geometry before = plan.geometry;
    fit(plan.geometry, sizes_.front());
    if (range_ || !keepRatio_) {
      plan.geometry = before;
      fit(plan.geometry, largest_);
      return;
    }
    for (const LongShort& size : sizes_) {
      Geometry candidate = before;
      fit(candidate, size);
      if (candidate.width > plan.geometry.width) plan.geometry = candidate;
    }
  }

  Extent bound(Extent) const override {
    return {largest_.longer, keepRatio_ ? largest_.longer : largest_.shorter};
  }

 private:
  LongShort draw(Random& random) const {
    if (sizes_.size() == 1) return sizes_.front();
    if (!range_) return sizes_[random.below(static_cast<uint32_t>(sizes_.size()))];
    const int longer =
        least_.longer +
        static_cast<int>(random.below(static_cast<uint32_t>(largest_.longer - least_.longer + 1)));
    const int shorter =
        least_.shorter +
        static_cast<int>(random.below(static_cast<uint32_t>(largest_.shorter - least_.shorter + 1)));
    return {longer, keepRatio_ ? std::min(longer, shorter) : shorter};
  }

  void fit(Geometry& geometry, const LongShort& size) const {
    if (!keepRatio_) return geometry.resize(size.longer, size.shorter);
    const double scale =
        std::min(static_cast<double>(size.longer) / std::max(geometry.width, geometry.height),
                 static_cast<double>(size.shorter) / std::min(geometry.width, geometry.height));
    geometry.resize(std::max(1, static_cast<int>(geometry.width * scale + 0.5)),
                    std::max(1, static_cast<int>(geometry.height * scale + 0.5)));
  }

  std::vector<LongShort> sizes_;
  LongShort least_{}, largest_{};
  bool range_ = true, keepRatio_ = true;
};

HD_TRANSFORM("resize", Resize);

}  // namespace
}  // namespace hd::data
