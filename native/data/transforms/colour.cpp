// colour: jitters brightness, contrast, saturation and hue, in this order; each amount is drawn uniformly
// from ± its limit.
// - probability: share of pictures, 0–1, default 1.
// - brightness: largest shift of all values as a share of 255, default 0.125.
// - contrast: largest relative change of the distance to mid-grey (127.5), default 0.5.
// - saturation: largest relative change of the distance to the pixel's luma (Rec. 601), default 0.5.
// - hue: largest turn of the hue, in turns, 0–0.5, default 0.05: a rotation of chroma in the YIQ plane.
//
// All four are affine in the values, so they fold into one matrix (ColourMap) and cost one pass; values are
// clamped once, at the end.
#include <cmath>
#include <numbers>

#include "data/transforms/transform.h"

namespace hd::data {
namespace {

ColourMap shifted(float shift) {
  ColourMap map;
  for (const size_t row : {0, 1, 2}) map.rows[row * 4 + 3] = shift;
  return map;
}

ColourMap contrasted(float factor) {
  ColourMap map;
  for (const size_t row : {0, 1, 2}) {
    map.rows[row * 4 + row] = factor;
    map.rows[row * 4 + 3] = 127.5f * (1 - factor);
  }
  return map;
}

ColourMap saturated(float factor) {
  ColourMap map;
  for (size_t row = 0; row < 3; ++row) {
    for (size_t column = 0; column < 3; ++column) {
      map.rows[row * 4 + column] = (row == column ? factor : 0) + (1 - factor) * kLuma[column];
    }
  }
  return map;
}

// RGB → YIQ, turn the (I, Q) plane, and back: luma stays, greys stay.
ColourMap turned(float turns) {
  constexpr ColourMap toYiq{
      {0.299f, 0.587f, 0.114f, 0, 0.595716f, -0.274453f, -0.321263f, 0, 0.211456f, -0.522591f, 0.311135f, 0}};
  constexpr ColourMap toRgb{
      {1, 0.9562957f, 0.6210244f, 0, 1, -0.2721221f, -0.6473806f, 0, 1, -1.1069890f, 1.7046150f, 0}};
  const float angle = turns * 2 * std::numbers::pi_v<float>;
  const float c = std::cos(angle), s = std::sin(angle);
  const ColourMap turn{{1, 0, 0, 0, 0, c, -s, 0, 0, s, c, 0}};
  return toYiq.then(turn).then(toRgb);
}

class Colour : public Transform {
 public:
  explicit Colour(const Value& options) {
    checkMembers("colour", options, {"probability", "brightness", "contrast", "saturation", "hue"});
    const auto number = [&](const char* key, double fallback, double high) {
      return static_cast<float>(numberWithin("colour", options, key, fallback, 0, high));
    };
    probability_ = number("probability", 1, 1);
    brightness_ = number("brightness", 0.125, 1);
    contrast_ = number("contrast", 0.5, 1);
    saturation_ = number("saturation", 0.5, 1);
    hue_ = number("hue", 0.05, 0.5);
  }

  void apply(Plan& plan, Random& random) const override {
    if (!random.chance(probability_)) return;
    const float brightness = random.uniform(-brightness_, brightness_);
    const float contrast = random.uniform(-contrast_, contrast_);
    const float saturation = random.uniform(-saturation_, saturation_);
    const float hue = random.uniform(-hue_, hue_);
    if (brightness_ > 0) plan.recolour(shifted(255 * brightness));
    if (contrast_ > 0) plan.recolour(contrasted(1 + contrast));
    if (saturation_ > 0) plan.recolour(saturated(1 + saturation));
    if (hue_ > 0) plan.recolour(turned(hue));
  }

 private:
  float probability_, brightness_, contrast_, saturation_, hue_;
};

HD_TRANSFORM("colour", Colour);

}  // namespace
}  // namespace hd::data
