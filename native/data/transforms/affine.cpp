// affine: warps the picture about its centre; the size of the picture stays, what it leaves bare is padding.
// - probability: share of pictures, 0–1, default 1.
// - scale: [least, largest] zoom, 0.05–10, default [0.5, 1.5].
// - stretch: [least, largest] further zoom, drawn for each side, 0.05–10, default [1, 1].
// - translate: farthest move of the centre as a share of each side, 0–1, default 0.1.
// - rotate: largest turn either way in degrees, 0–180, default 0.
// - shear: largest slant either way in degrees, drawn for each axis, 0–40, default 0 (two slants
//   of 45 would flatten the picture to a line).
// - perspective: largest change of depth a pixel, drawn for each axis, 0–0.01, default 0. It is cut to
//   0.8 / (width + height), which keeps everything within twice the picture's sides before the viewer.
// - minVisible: objects with less than this share of their box left are dropped, 0–1, default 0.1.
// - minSide: objects with a side below this many pixels are dropped, 0–1000, default 2.
// - tight: boxes are drawn around the warped polygons of an object, where it has some, rather than around the
//   corners of its warped box, default false.
// - fill: [red, green, blue] of what is left bare, default: that of the padding.
// - close: the last epochs go without it, default 0.
//
// The matrix is NanoDet's (see warpOf()); NanoDet keeps every box and fills with black.
#include <algorithm>

#include "data/transforms/transform.h"

namespace hd::data {
namespace {

class Affine : public Transform {
 public:
  explicit Affine(const Value& options) {
    checkMembers("affine", options,
                 {"probability", "scale", "stretch", "translate", "rotate", "shear", "perspective",
                  "minVisible", "minSide", "tight", "fill", "close"});
    const auto number = [&](const char* key, double fallback, double high) {
      return static_cast<float>(numberWithin("affine", options, key, fallback, 0, high));
    };
    probability_ = number("probability", 1, 1);
    scale_ = rangeWithin("affine", options, "scale", {0.5f, 1.5f}, 0.05, 10);
    stretch_ = rangeWithin("affine", options, "stretch", {1, 1}, 0.05, 10);
    translate_ = number("translate", 0.1, 1);
    rotate_ = number("rotate", 0, 180);
    shear_ = number("shear", 0, 40);
    perspective_ = number("perspective", 0, 0.01);
    minVisible_ = number("minVisible", 0.1, 1);
    minSide_ = number("minSide", 2, 1000);
    tight_ = options.get("tight", false);
    fill_ = fillOf("affine", options);
  }

  bool turns() const override { return true; }

  void apply(Plan& plan, Random& random) const override {
    if (!random.chance(probability_)) return;
    const int width = plan.geometry.width, height = plan.geometry.height;
    const float depth = std::min(perspective_, 0.8f / static_cast<float>(width + height));
    const auto either = [&random](float limit) { return random.uniform(-limit, limit); };
    WarpDraw draw;  // every number is drawn, so that one option does not change what the others get
    draw.perspectiveX = either(depth);
    draw.perspectiveY = either(depth);
    const double scale = random.uniform(scale_[0], scale_[1]);
    draw.scaleX = scale * random.uniform(stretch_[0], stretch_[1]);
    draw.scaleY = scale * random.uniform(stretch_[0], stretch_[1]);
    draw.rotate = either(rotate_);
    draw.shearX = either(shear_);
    draw.shearY = either(shear_);
    draw.translateX = 0.5 + either(translate_);
    draw.translateY = 0.5 + either(translate_);
    plan.geometry.warp(warpOf(draw, width, height), width, height);
    plan.minVisible = std::max(plan.minVisible, minVisible_);
    plan.minSide = std::max(plan.minSide, minSide_);
    plan.tightBoxes |= tight_;
    if (fill_) plan.fill = fill_;
  }

 private:
  float probability_, translate_, rotate_, shear_, perspective_, minVisible_, minSide_;
  std::array<float, 2> scale_, stretch_;
  bool tight_;
  std::optional<std::array<uint8_t, 3>> fill_;
};

HD_TRANSFORM("affine", Affine);

}  // namespace
}  // namespace hd::data
