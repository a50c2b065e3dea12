// resizeCrop: scales the shorter side to a drawn size, then cuts out a window of drawn sides (DETR).
// - probability: share of pictures, 0–1, default 0.5.
// - short: list of lengths of the shorter side in pixels, one is drawn, default [400, 500, 600].
// - window: [least, largest] side of the window in pixels, drawn per side, at most the picture's, default
//   [384, 600].
// - minVisible: objects with less than this share of their box inside are dropped, 0–1, default 0.3.
#include <algorithm>

#include "core/error.h"
#include "data/transforms/transform.h"

namespace hd::data {
namespace {

constexpr int kLargestSide = 1 << 15;

class ResizeCrop : public Transform {
 public:
  explicit ResizeCrop(const Value& options) {
    checkMembers("resizeCrop", options, {"probability", "short", "window", "minVisible"});
    probability_ = static_cast<float>(numberWithin("resizeCrop", options, "probability", 0.5, 0, 1));
    minVisible_ = static_cast<float>(numberWithin("resizeCrop", options, "minVisible", 0.3, 0, 1));
    const auto [least, largest] = rangeWithin("resizeCrop", options, "window", {384, 600}, 1, kLargestSide);
    least_ = static_cast<int>(least);
    largest_ = static_cast<int>(largest);
    const Value* given = options.find("short");
    if (given == nullptr || given->isNull()) return;
    sizes_.clear();
    if (given->isArray()) {
      for (const Value& size : given->asArray()) {
        const double side = size.isNumber() ? size.asNumber() : 0;
        if (side >= 1 && side <= kLargestSide) sizes_.push_back(static_cast<int>(side));
      }
    }
    if (sizes_.empty() || sizes_.size() != given->asArray().size()) {
      throw Error("HD_DATA_TRANSFORM",
                  concat("expected a list of lengths from 1 to ", kLargestSide,
                         " for data.augment.resizeCrop.short but received ", printJson(*given),
                         "; write for instance [400, 500, 600]"),
                  "data.augment.resizeCrop.short");
    }
  }

  void apply(Plan& plan, Random& random) const override {
    if (!random.chance(probability_)) return;
    Geometry& geometry = plan.geometry;
    const int size = sizes_[random.below(static_cast<uint32_t>(sizes_.size()))];
    const double scale = static_cast<double>(size) / std::min(geometry.width, geometry.height);
    geometry.resize(std::max(1, static_cast<int>(geometry.width * scale + 0.5)),
                    std::max(1, static_cast<int>(geometry.height * scale + 0.5)));
    const int width = drawSide(geometry.width, random), height = drawSide(geometry.height, random);
    const int x = static_cast<int>(random.below(static_cast<uint32_t>(geometry.width - width + 1)));
    const int y = static_cast<int>(random.below(static_cast<uint32_t>(geometry.height - height + 1)));
    geometry.crop(x, y, width, height);
    plan.minVisible = std::max(plan.minVisible, minVisible_);
  }

 private:
  int drawSide(int side, Random& random) const {
    const int least = std::min(least_, side), largest = std::min(largest_, side);
    return least + static_cast<int>(random.below(static_cast<uint32_t>(largest - least + 1)));
  }

  float probability_, minVisible_;
  int least_, largest_;
  std::vector<int> sizes_ = {400, 500, 600};
};

HD_TRANSFORM("resizeCrop", ResizeCrop);

}  // namespace
}  // namespace hd::data
