// mosaic: joins four pictures around a point.
// - probability: share of pictures, 0–1, default 1.
// - size: [long, short] of the result in pixels, laid as the first picture is; one number N stands for [N,
// N].
// - keepRatio: default true; without, each picture is stretched to `size`, which is [width, height].
// - centre: [least, largest] place of the point where the four meet, as a share of each side of a sheet of
//   twice the size, drawn for each axis, 0.1–0.9, default [0.25, 0.75].
// - minVisible: objects with less than this share of their box left are dropped, 0–1, default 0.1.
// - minSide: objects with a side below this many pixels are dropped, 0–1000, default 2.
// - close: the last epochs go without it, default 0.
//
// Each picture is scaled, ratio kept, until it fits `size`, and laid with a corner at the point; the sheet is
// twice as large, and its middle is the result. An `affine` that follows may zoom out and so show the rest,
// as YOLOv5 has it.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/error.h"
#include "data/transforms/scene.h"

namespace hd::data {
namespace {

constexpr int kLargestSide = 1 << 15;

class Mosaic : public Transform {
 public:
  explicit Mosaic(const Value& options) {
    checkMembers("mosaic", options,
                 {"probability", "size", "keepRatio", "centre", "minVisible", "minSide", "close"});
    probability_ = static_cast<float>(numberWithin("mosaic", options, "probability", 1, 0, 1));
    minVisible_ = static_cast<float>(numberWithin("mosaic", options, "minVisible", 0.1, 0, 1));
    minSide_ = static_cast<float>(numberWithin("mosaic", options, "minSide", 2, 0, 1000));
    centre_ = rangeWithin("mosaic", options, "centre", {0.25f, 0.75f}, 0.1, 0.9);
    keepRatio_ = options.get("keepRatio", true);
    const Value* size = options.find("size");
    std::vector<double> sides;
    if (size != nullptr && size->isNumber()) sides.assign(2, size->asNumber());
    if (size != nullptr && size->isArray()) sides = options.numbers("size");
    const auto valid = [](double side) { return side >= 1 && side <= kLargestSide; };
    if (sides.size() != 2 || !valid(sides[0]) || !valid(sides[1]) || (keepRatio_ && sides[0] < sides[1])) {
      throw Error(
          "HD_DATA_TRANSFORM",
          concat("expected ",
                 keepRatio_ ? "[long, short] with 1 ≤ short ≤ long ≤ " : "[width, height], each from 1 to ",
                 kLargestSide, " for data.augment.mosaic.size but received ",
                 size == nullptr ? "nothing" : printJson(*size), "; write for instance [640, 640]"),
          "data.augment.mosaic.size");
    }
    longer_ = static_cast<int>(sides[0]);
    shorter_ = static_cast<int>(sides[1]);
  }

  Needs needs() const override { return {.partners = true, .upright = true}; }

  void apply(Plan& plan, Random& random) const override {
    if (!random.chance(probability_)) return;
    forked(random);
    const Extent size = sizeFor(plan.geometry);
    plan.geometry.warp({}, size.width, size.height);
  }

  void compose(Scene& scene, Random& random, const Partners& partners) const override {
    if (!random.chance(probability_)) return;
    Random own = forked(random);
    const Extent size = sizeFor(scene.layers.front().plan.geometry);
    const double x = std::floor(2 * size.width * own.uniform(centre_[0], centre_[1]));
    const double y = std::floor(2 * size.height * own.uniform(centre_[0], centre_[1]));
    for (int quarter = 0; quarter < 4; ++quarter) {
      Scene part = quarter == 0 ? scene : partners.draw(own);
      fit(part, size);
      const double left = x - (quarter % 2 == 0 ? part.width() : 0);
      const double top = y - (quarter < 2 ? part.height() : 0);
      const Window onSheet{std::max(0.0, -left), std::max(0.0, -top),
                           std::min<double>(part.width(), 2 * size.width - left),
                           std::min<double>(part.height(), 2 * size.height - top)};
      for (Layer& layer : part.layers) {
        showOnly(layer.plan.geometry, onSheet);
        layer.plan.minVisible = std::max(layer.plan.minVisible, minVisible_);
        layer.plan.minSide = std::max(layer.plan.minSide, minSide_);
      }
      part.place(left - size.width / 2.0, top - size.height / 2.0, size.width, size.height);
      if (quarter == 0) {
        scene = std::move(part);
      } else {
        std::move(part.layers.begin(), part.layers.end(), std::back_inserter(scene.layers));
      }
    }
  }

  void applyLargest(Plan& plan) const override {
    const Extent size = sizeFor(plan.geometry);
    if (probability_ > 0) plan.geometry.warp({}, size.width, size.height);
  }

  Extent bound(Extent before) const override {
    const Extent own{longer_, keepRatio_ ? longer_ : shorter_};
    if (probability_ == 1) return own;
    if (before == Extent{}) return before;
    return {std::max(before.width, own.width), std::max(before.height, own.height)};
  }

 private:
  void fit(Scene& part, Extent size) const {
    if (!keepRatio_) return part.resize(size.width, size.height);
    const double scale = std::min(static_cast<double>(size.width) / part.width(),
                                  static_cast<double>(size.height) / part.height());
    part.resize(std::clamp(static_cast<int>(part.width() * scale + 0.5), 1, size.width),
                std::clamp(static_cast<int>(part.height() * scale + 0.5), 1, size.height));
  }

  Extent sizeFor(const Geometry& geometry) const {
    if (!keepRatio_) return {longer_, shorter_};
    return geometry.height > geometry.width ? Extent{shorter_, longer_} : Extent{longer_, shorter_};
  }

  // Narrows the window of an upright map to a rectangle of its canvas.
  static void showOnly(Geometry& geometry, const Window& part) {
    const Projection back = geometry.toCanvas().inverse();
    const auto [left, right] = std::minmax({back.mapX(part.left, 0), back.mapX(part.right, 0)});
    const auto [top, bottom] = std::minmax({back.mapY(0, part.top), back.mapY(0, part.bottom)});
    Window& window = geometry.window;
    window = {std::max(window.left, left), std::max(window.top, top), std::min(window.right, right),
              std::min(window.bottom, bottom)};
  }

  float probability_, minVisible_, minSide_;
  std::array<float, 2> centre_;
  int longer_ = 0, shorter_ = 0;  // width and height without the ratio
  bool keepRatio_ = true;
};

HD_TRANSFORM("mosaic", Mosaic);

}  // namespace
}  // namespace hd::data
