// colourJitter: brightness, contrast, saturation and lighting as detectron2 has them, and centerX after it.
// - probability: share of pictures, 0–1, default 1.
// - brightness: [least, largest] factor of all values, 0–10, default [0.6, 1.4].
// - contrast: [least, largest] factor of the distance to the picture's mean over all pixels and
//   channels, 0–10, default [0.6, 1.4].
// - saturation: [least, largest] factor of the distance to the pixel's luma (0.299, 0.587, 0.114),
//   0–10, default [0.6, 1.4].
// - lighting: deviation of the three normal draws that weigh the principal components of ImageNet's
//   colours, of values 0–255, 0–255, default 0.1. The components are those of values 0–1: 0.1 is what centerX
//   has, and next to nothing; 25.5 is CenterNet's 0.1.
// - randomOrder: whether the first three come in any order, default false.
// - clamp: whether each of the four is clamped to 0–255 and cut to whole numbers, default true, as detectron2
//   does. Without, it is the original CenterNet's (with randomOrder): one map in floating point on the way
//   into the network, whose values may leave 0…255; contrast and saturation blend with the mean luma and with
//   the luma of the picture before the first of the three. No step that joins pictures may follow.
//
// The mean is that of the picture as it is shown in the end, without what is bare.
#include <algorithm>
#include <span>

#include "data/transforms/transform.h"

namespace hd::data {
namespace {

// Krizhevsky et al. 2012, in detectron2's numbers; a row a channel: red, green, blue.
constexpr float kVectors[3][3] = {
    {-0.5675f, 0.7192f, 0.4009f}, {-0.5808f, -0.0045f, -0.8140f}, {-0.5836f, -0.6948f, 0.4203f}};
constexpr float kValues[3] = {0.2175f, 0.0188f, 0.0045f};

ColourMap scaled(float factor) {
  return ColourMap::contrast(factor, 0);
}

// The value itself and the pixel's luma, in these shares.
ColourMap mixed(float own, float luma) {
  ColourMap map;
  for (size_t row = 0; row < 3; ++row) {
    for (size_t column = 0; column < 3; ++column)
      map.rows[row * 4 + column] = (row == column ? own : 0) + luma * kLuma[column];
  }
  return map;
}

ColourMap lit(const std::array<float, 3>& weights) {
  ColourMap map;
  for (size_t row = 0; row < 3; ++row) {
    for (size_t i = 0; i < 3; ++i) map.rows[row * 4 + 3] += kVectors[row][i] * kValues[i] * weights[i];
  }
  return map;
}

enum class Change { Brightness, Contrast, Saturation };

struct Jitter {
  Change change;
  float factor;

  ColourTurn turn() const {
    if (change == Change::Brightness) return {.map = scaled(factor)};
    if (change == Change::Contrast) return {.contrast = factor};
    return {.map = mixed(factor, 1 - factor)};
  }
};

// All three as CenterNet blends them, with what the picture was before the first.
ColourTurn blended(std::span<const Jitter> jitters) {
  float own = 1, luma = 0, mean = 0;
  for (const auto& [change, factor] : jitters) {
    own *= factor;
    luma *= factor;
    mean *= factor;
    if (change == Change::Saturation) luma += 1 - factor;
    if (change == Change::Contrast) mean += 1 - factor;
  }
  return {.map = mixed(own, luma), .meanGrey = mean};
}

class ColourJitter : public Transform {
 public:
  explicit ColourJitter(const Value& options) {
    constexpr const char* kName = "colourJitter";
    checkMembers(kName, options,
                 {"probability", "brightness", "contrast", "saturation", "lighting", "randomOrder", "clamp"});
    probability_ = static_cast<float>(numberWithin(kName, options, "probability", 1, 0, 1));
    brightness_ = rangeWithin(kName, options, "brightness", {0.6f, 1.4f}, 0, 10);
    contrast_ = rangeWithin(kName, options, "contrast", {0.6f, 1.4f}, 0, 10);
    saturation_ = rangeWithin(kName, options, "saturation", {0.6f, 1.4f}, 0, 10);
    lighting_ = static_cast<float>(numberWithin(kName, options, "lighting", 0.1, 0, 255));
    randomOrder_ = options.get("randomOrder", false);
    clamp_ = options.get("clamp", true);
  }

  Needs needs() const override { return {.last = !clamp_}; }

  void apply(Plan& plan, Random& random) const override {
    if (!random.chance(probability_)) return;
    // Every number is drawn, so that one option does not change what the others get.
    const auto drawn = [&](const std::array<float, 2>& range) { return random.uniform(range[0], range[1]); };
    Jitter jitters[] = {{Change::Brightness, drawn(brightness_)},
                        {Change::Contrast, drawn(contrast_)},
                        {Change::Saturation, drawn(saturation_)}};
    std::array<float, 3> weights{};
    for (float& weight : weights) weight = lighting_ * random.normal();
    for (uint32_t i = 2; i > 0; --i) {
      const uint32_t other = random.below(i + 1);
      if (randomOrder_) std::swap(jitters[i], jitters[other]);
    }
    const ColourTurn light{.map = lit(weights)};
    if (clamp_) {
      for (const Jitter& jitter : jitters) recolour(plan, jitter.turn());
      recolour(plan, light);
    } else {
      ColourTurn all = blended(jitters);
      for (const size_t shift : {3, 7, 11}) all.map.rows[shift] += light.map.rows[shift];
      if (all != ColourTurn{}) plan.recolourBeyond(all);
    }
  }

 private:
  static void recolour(Plan& plan, ColourTurn turn) {
    if (turn == ColourTurn{}) return;
    turn.truncates = true;
    plan.recolour(turn);
  }

  float probability_, lighting_;
  std::array<float, 2> brightness_, contrast_, saturation_;
  bool randomOrder_, clamp_;
};

HD_TRANSFORM("colourJitter", ColourJitter);

}  // namespace
}  // namespace hd::data
