// crop: cuts out a window of random size and place.
// - probability: share of pictures, 0–1, default 0.5.
// - scale: [least, largest] share of each side that is kept, drawn per side, 0.05–1, default [0.5, 1].
// - minVisible: objects with less than this share of their box inside the window are dropped, 0–1,
//   default 0.3.
// - keepObject: whether the window holds the middle of an object, each as often, default false (centerX);
//   anywhere when the picture has none, or its objects come only with its pixels.
//
// A window may hold no object: such a picture teaches the background.
#include <algorithm>

#include "data/transforms/scene.h"

namespace hd::data {
namespace {

class Crop : public Transform {
 public:
  explicit Crop(const Value& options) {
    checkMembers("crop", options, {"probability", "scale", "minVisible", "keepObject"});
    probability_ = static_cast<float>(numberWithin("crop", options, "probability", 0.5, 0, 1));
    minVisible_ = static_cast<float>(numberWithin("crop", options, "minVisible", 0.3, 0, 1));
    const auto [least, largest] = rangeWithin("crop", options, "scale", {0.5f, 1}, 0.05, 1);
    least_ = least;
    largest_ = largest;
    keepObject_ = options.get("keepObject", false);
  }

  void apply(Plan& plan, Random& random) const override { cut(plan, random, {}); }

  void compose(Scene& scene, Random& random, const Partners& partners) const override {
    Layer& only = scene.layers.front();
    if (!keepObject_ || scene.layers.size() > 1 || only.plan.geometry.warped) {
      Transform::compose(scene, random, partners);
    } else {
      cut(only.plan, random, partners.annotations(only.image));
    }
  }

 private:
  void cut(Plan& plan, Random& random, std::span<const Annotation> annotations) const {
    if (!random.chance(probability_)) return;
    Geometry& geometry = plan.geometry;
    const int width = drawSide(geometry.width, random), height = drawSide(geometry.height, random);
    int leastX = 0, leastY = 0, largestX = geometry.width - width, largestY = geometry.height - height;
    if (keepObject_) {  // the draw is taken in any case: canvases are chosen without annotations
      const uint32_t pick = random.below(std::max(1u, static_cast<uint32_t>(annotations.size())));
      if (!annotations.empty()) {
        const Annotation& a = annotations[pick];
        const int x = static_cast<int>(geometry.mapX((a.x1 + a.x2) / 2)),
                  y = static_cast<int>(geometry.mapY((a.y1 + a.y2) / 2));
        leastX = std::clamp(x - width + 1, 0, largestX);
        leastY = std::clamp(y - height + 1, 0, largestY);
        largestX = std::clamp(x, leastX, largestX);
        largestY = std::clamp(y, leastY, largestY);
      }
    }
    const int x = leastX + static_cast<int>(random.below(static_cast<uint32_t>(largestX - leastX + 1)));
    const int y = leastY + static_cast<int>(random.below(static_cast<uint32_t>(largestY - leastY + 1)));
    geometry.crop(x, y, width, height);
    plan.minVisible = std::max(plan.minVisible, minVisible_);
  }

  int drawSide(int side, Random& random) const {
    return std::clamp(static_cast<int>(static_cast<float>(side) * random.uniform(least_, largest_) + 0.5f), 1,
                      side);
  }

  float probability_ = 0.5f, minVisible_ = 0.3f, least_ = 0.5f, largest_ = 1;
  bool keepObject_ = false;
};

HD_TRANSFORM("crop", Crop);

}  // namespace
}  // namespace hd::data
