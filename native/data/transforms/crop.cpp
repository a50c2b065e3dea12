// crop: cuts out a window of random size and place.
// - probability: share of pictures, 0–1, default 0.5.
// - scale: [least, largest] share of each side that is kept, drawn per side, 0.05–1, default [0.5, 1].
// - minVisible: objects with less than this share of their box inside the window are dropped, 0–1,
//   default 0.3.
//
// A window may hold no object: such a picture teaches the background.
#include <algorithm>

#include "data/transforms/transform.h"

namespace hd::data {
namespace {

class Crop : public Transform {
 public:
  explicit Crop(const Value& options) {
    checkMembers("crop", options, {"probability", "scale", "minVisible"});
    probability_ = static_cast<float>(numberWithin("crop", options, "probability", 0.5, 0, 1));
    minVisible_ = static_cast<float>(numberWithin("crop", options, "minVisible", 0.3, 0, 1));
    const auto [least, largest] = rangeWithin("crop", options, "scale", {0.5f, 1}, 0.05, 1);
    least_ = least;
    largest_ = largest;
  }

  void apply(Plan& plan, Random& random) const override {
    if (!random.chance(probability_)) return;
    const int width = drawSide(plan.geometry.width, random), height = drawSide(plan.geometry.height, random);
    const int x = static_cast<int>(random.below(static_cast<uint32_t>(plan.geometry.width - width + 1)));
    const int y = static_cast<int>(random.below(static_cast<uint32_t>(plan.geometry.height - height + 1)));
    plan.geometry.crop(x, y, width, height);
    plan.minVisible = std::max(plan.minVisible, minVisible_);
  }

 private:
  int drawSide(int side, Random& random) const {
    return std::clamp(static_cast<int>(static_cast<float>(side) * random.uniform(least_, largest_) + 0.5f), 1,
                      side);
  }

  float probability_ = 0.5f, minVisible_ = 0.3f, least_ = 0.5f, largest_ = 1;
};

HD_TRANSFORM("crop", Crop);

}  // namespace
}  // namespace hd::data
