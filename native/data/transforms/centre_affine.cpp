// centreAffine: zooms into or out of a drawn place, straight into the size of the network (CenterNet's own).
// - probability: share of pictures that are zoomed, 0–1, default 1. The others are fitted whole, about their
//   centre.
// - size: [long, short] of the result in pixels, laid as the picture is; one number N stands for [N, N].
// - scales: list of shares of the longer side that the width of the result shows, each 0.05–10, of
//   which one is drawn, default [0.6, 0.7, …, 1.3].
// - border: the place in the middle of the result is at least so many pixels of the picture from its edges,
//   0–4096, default 128, halved until there is room.
// - minVisible, minSide: objects with less than this share of their box left, or a side below this
//   many pixels, are dropped, default 0 and 0: CenterNet keeps all.
// - fill: [red, green, blue] of what is left bare, default: that of the padding; CenterNet fills with black.
//
// x' = (x − centre) · width / (longer side · scale) + width / 2, likewise y.
#include <algorithm>

#include "core/error.h"
#include "data/transforms/transform.h"

namespace hd::data {
namespace {

constexpr const char* kName = "centreAffine";
constexpr int kLargestSide = 1 << 15;

[[noreturn]] void refuse(const char* key, const std::string& expected, const Value* received,
                         const char* cure) {
  throw Error("HD_DATA_TRANSFORM",
              concat("expected ", expected, " for data.augment.centreAffine.", key, " but received ",
                     received == nullptr ? "nothing" : printJson(*received), "; write for instance ", cure),
              concat("data.augment.centreAffine.", key));
}

class CentreAffine : public Transform {
 public:
  explicit CentreAffine(const Value& options) {
    checkMembers(kName, options,
                 {"probability", "size", "scales", "border", "minVisible", "minSide", "fill"});
    probability_ = static_cast<float>(numberWithin(kName, options, "probability", 1, 0, 1));
    border_ = static_cast<int>(numberWithin(kName, options, "border", 128, 0, 4096));
    minVisible_ = static_cast<float>(numberWithin(kName, options, "minVisible", 0, 0, 1));
    minSide_ = static_cast<float>(numberWithin(kName, options, "minSide", 0, 0, 1000));
    fill_ = fillOf(kName, options);
    const Value* size = options.find("size");
    std::vector<double> sides;
    if (size != nullptr && size->isNumber()) sides.assign(2, size->asNumber());
    if (size != nullptr && size->isArray()) sides = options.numbers("size");
    if (sides.size() != 2 || !(sides[1] >= 1 && sides[1] <= sides[0] && sides[0] <= kLargestSide))
      refuse("size", concat("[long, short] with 1 ≤ short ≤ long ≤ ", kLargestSide), size, "[512, 512]");
    longer_ = static_cast<int>(sides[0]);
    shorter_ = static_cast<int>(sides[1]);
    const Value* scales = options.find("scales");
    if (scales == nullptr || scales->isNull()) return;
    if (scales->isArray()) scales_ = options.numbers("scales");
    const auto valid = [](double scale) { return scale >= 0.05 && scale <= 10; };
    if (!scales->isArray() || scales_.empty() || !std::all_of(scales_.begin(), scales_.end(), valid))
      refuse("scales", "a list of numbers from 0.05 to 10", scales, "[0.6, 1, 1.3]");
  }

  void apply(Plan& plan, Random& random) const override {
    const Geometry& now = plan.geometry;
    // Every number is drawn, so that all pictures cost the same draws.
    const bool happens = random.chance(probability_);
    const double scale = scales_[random.below(static_cast<uint32_t>(scales_.size()))];
    const int x = place(now.width, random), y = place(now.height, random);
    if (happens) {
      zoom(plan, x, y, scale);
    } else {
      zoom(plan, now.width / 2.0, now.height / 2.0, 1);
    }
    plan.minVisible = std::max(plan.minVisible, minVisible_);
    plan.minSide = std::max(plan.minSide, minSide_);
    if (fill_) plan.fill = fill_;
  }

  void applyLargest(Plan& plan) const override { zoom(plan, 0, 0, 1); }

  Extent bound(Extent) const override { return {longer_, longer_}; }

 private:
  // Whole pixels, the far edge of the border not included.
  int place(int side, Random& random) const {
    int border = border_;
    while (side - border <= border && border > 0) border /= 2;
    return border + static_cast<int>(random.below(static_cast<uint32_t>(side - 2 * border)));
  }

  void zoom(Plan& plan, double x, double y, double scale) const {
    const Geometry& now = plan.geometry;
    const bool tall = now.height > now.width;
    const int width = tall ? shorter_ : longer_, height = tall ? longer_ : shorter_;
    const double factor = width / (std::max(now.width, now.height) * scale);
    plan.geometry.warp(Projection::moved(-x, -y)
                           .then(Projection::scaled(factor, factor))
                           .then(Projection::moved(width / 2.0, height / 2.0)),
                       width, height);
  }

  float probability_, minVisible_, minSide_;
  int border_, longer_ = 0, shorter_ = 0;
  std::optional<std::array<uint8_t, 3>> fill_;
  std::vector<double> scales_ = {0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3};
};

HD_TRANSFORM("centreAffine", CentreAffine);

}  // namespace
}  // namespace hd::data
