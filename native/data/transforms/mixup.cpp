// mixup: lays a second picture over the first, half transparent; the objects of both count in full.
// - probability: share of pictures, 0–1, default 0.5.
// - ratio: [least, largest] share of the first picture, 0–1, default [0.4, 0.6].
// - close: the last epochs go without it, default 0.
//
// The second picture is what the steps before this one make of it (a mosaic, after `mosaic`), scaled down to
// fit when it is larger, somewhere on the first. Where it is not, padding is mixed in.
#include <algorithm>
#include <iterator>

#include "data/transforms/scene.h"

namespace hd::data {
namespace {

class Mixup : public Transform {
 public:
  explicit Mixup(const Value& options) {
    checkMembers("mixup", options, {"probability", "ratio", "close"});
    probability_ = static_cast<float>(numberWithin("mixup", options, "probability", 0.5, 0, 1));
    ratio_ = rangeWithin("mixup", options, "ratio", {0.4f, 0.6f}, 0, 1);
  }

  Needs needs() const override { return {.partners = true, .last = true}; }

  void apply(Plan&, Random& random) const override {
    if (random.chance(probability_)) forked(random);
  }

  void compose(Scene& scene, Random& random, const Partners& partners) const override {
    if (!random.chance(probability_)) return;
    Random own = forked(random);
    const float share = own.uniform(ratio_[0], ratio_[1]);
    Scene over = partners.draw(own);
    const int width = scene.width(), height = scene.height();
    over.fitInto(width, height, own);
    scene.place(0, 0, width, height);
    scene.share = share;
    scene.upper = scene.layers.size();
    std::move(over.layers.begin(), over.layers.end(), std::back_inserter(scene.layers));
  }

 private:
  float probability_;
  std::array<float, 2> ratio_;
};

HD_TRANSFORM("mixup", Mixup);

}  // namespace
}  // namespace hd::data
