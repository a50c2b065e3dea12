// photometric: the distortion that SSD introduced: each of its parts happens to a share of the pictures.
// - probability: that share, for each part by itself, 0–1, default 0.5.
// - brightness: largest shift of all values as a share of 255, default 0.125.
// - contrast: [least, largest] factor of all values, 0–10, default [0.5, 1.5].
// - saturation: [least, largest] factor of HSV's saturation, its value kept, 0–10, default [0.5, 1.5].
// - hue: largest turn of HSV's hue, in turns, 0–0.5, default 0.05.
// - shuffleChannels: whether the three channels change places, too, default true.
// - clamp: whether values are rounded and clamped to bytes, default true. Without, all of it happens in
//   floating point on the way into the network, and values may leave 0…255; no step that joins pictures may
//   follow.
//
// SSD draws whether contrast comes before or after saturation and hue. It makes no difference, as all three
// are proportional to the values and nothing is clamped between them; here it always comes before. NanoDet's
// colours are { brightness: 0.2, contrast: [0.6, 1.4], saturation: [0.5, 1.2], hue: 0, shuffleChannels:
// false, clamp: false }. `colour` differs: it turns about mid-grey and luma, always changes all four, and is
// one matrix.
#include "data/transforms/transform.h"

namespace hd::data {
namespace {

class Photometric : public Transform {
 public:
  explicit Photometric(const Value& options) {
    checkMembers("photometric", options,
                 {"probability", "brightness", "contrast", "saturation", "hue", "shuffleChannels", "clamp"});
    const auto number = [&](const char* key, double fallback, double high) {
      return static_cast<float>(numberWithin("photometric", options, key, fallback, 0, high));
    };
    probability_ = number("probability", 0.5, 1);
    brightness_ = number("brightness", 0.125, 1);
    contrast_ = rangeWithin("photometric", options, "contrast", {0.5f, 1.5f}, 0, 10);
    saturation_ = rangeWithin("photometric", options, "saturation", {0.5f, 1.5f}, 0, 10);
    hue_ = number("hue", 0.05, 0.5);
    shuffle_ = options.get("shuffleChannels", true);
    clamp_ = options.get("clamp", true);
  }

  Needs needs() const override { return {.last = !clamp_}; }

  void apply(Plan& plan, Random& random) const override {
    // Every number is drawn, so that one option does not change what the others get.
    const auto drawn = [&](float low, float high, float otherwise) {
      const bool happens = random.chance(probability_);
      const float value = random.uniform(low, high);
      return happens ? value : otherwise;
    };
    const float shift = 255 * drawn(-brightness_, brightness_, 0);
    const float contrast = drawn(contrast_[0], contrast_[1], 1);
    ColourMap map;
    for (const size_t row : {0, 1, 2}) {
      map.rows[row * 4 + row] = contrast;
      map.rows[row * 4 + 3] = contrast * shift;
    }
    const float saturation = drawn(saturation_[0], saturation_[1], 1), hue = drawn(-hue_, hue_, 0);
    const bool shuffles = random.chance(probability_);
    const uint32_t order = random.below(6);
    const ColourMap last = shuffle_ && shuffles ? shuffled(order) : ColourMap{};
    if (!clamp_) {
      plan.recolourBeyond({map, saturation, hue});
      if (!last.identity()) plan.recolourBeyond({last});
    } else {
      if (saturation != 1 || hue != 0) {
        plan.recolour(ColourTurn{map, saturation, hue});
      } else {
        plan.recolour(map);
      }
      plan.recolour(last);
    }
  }

 private:
  static ColourMap shuffled(uint32_t order) {
    constexpr size_t kOrders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    ColourMap map{{}};
    for (size_t row = 0; row < 3; ++row) map.rows[row * 4 + kOrders[order][row]] = 1;
    return map;
  }

  float probability_, brightness_, hue_;
  std::array<float, 2> contrast_, saturation_;
  bool shuffle_, clamp_;
};

HD_TRANSFORM("photometric", Photometric);

}  // namespace
}  // namespace hd::data
