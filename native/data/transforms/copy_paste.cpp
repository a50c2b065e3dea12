// copyPaste: cuts objects out of a second picture along their polygons and lays them on the first.
// - probability: share of pictures, 0–1, default 0.5.
// - objects: [least, largest] number of objects, 1–100, default [1, 5]; fewer when there are fewer.
// - maxCovered: an object that would hide more than this share of any box is left out, 0–1, default 0.3.
// - minVisible: objects of which they leave less than this share of the mask are dropped, 0–1, default 0.1.
// - minSide: objects with a side below this many pixels are left out, 0–1000, default 2.
// - close: the last epochs go without it, default 0.
//
// The second picture is what the steps before this one make of it, scaled down to fit when it is larger,
// somewhere on the first. Boxes and polygons of what is partly hidden become those of the rest; objects
// without polygons keep their box (layOver()). Simple Copy-Paste has maxCovered 1.
#include <algorithm>

#include "data/transforms/scene.h"
#include "data/transforms/targets.h"

namespace hd::data {
namespace {

using Box = std::array<double, 4>;

double area(const Box& box) {
  return std::max(0.0, box[2] - box[0]) * std::max(0.0, box[3] - box[1]);
}
Box common(const Box& a, const Box& b) {
  return {std::max(a[0], b[0]), std::max(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3])};
}

// An annotation's box on the canvas; without area for what is not there.
Box boxOf(const Geometry& geometry, const Annotation& a) {
  const Window& window = geometry.window;
  const Box seen = common({a.x1, a.y1, a.x2, a.y2}, {window.left, window.top, window.right, window.bottom});
  if (area(seen) <= 0) return {};
  return common(projectBox(geometry.toCanvas(), seen),
                {0, 0, static_cast<double>(geometry.width), static_cast<double>(geometry.height)});
}

class CopyPaste : public Transform {
 public:
  explicit CopyPaste(const Value& options) {
    checkMembers("copyPaste", options,
                 {"probability", "objects", "maxCovered", "minVisible", "minSide", "close"});
    probability_ = static_cast<float>(numberWithin("copyPaste", options, "probability", 0.5, 0, 1));
    maxCovered_ = numberWithin("copyPaste", options, "maxCovered", 0.3, 0, 1);
    minVisible_ = static_cast<float>(numberWithin("copyPaste", options, "minVisible", 0.1, 0, 1));
    minSide_ = static_cast<float>(numberWithin("copyPaste", options, "minSide", 2, 0, 1000));
    const auto [least, largest] = rangeWithin("copyPaste", options, "objects", {1, 5}, 1, 100);
    least_ = static_cast<uint32_t>(least);
    largest_ = static_cast<uint32_t>(largest);
  }

  Needs needs() const override { return {.partners = true, .polygons = true}; }

  void apply(Plan&, Random& random) const override {
    if (random.chance(probability_)) forked(random);
  }

  void compose(Scene& scene, Random& random, const Partners& partners) const override {
    if (!random.chance(probability_)) return;
    Random own = forked(random);
    const uint32_t wanted = least_ + own.below(largest_ - least_ + 1);
    Scene from = partners.draw(own);
    from.fitInto(scene.width(), scene.height(), own);
    struct Candidate {
      size_t layer;
      int64_t object;
    };
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < from.layers.size(); ++i) {
      if (from.layers[i].pasted) continue;
      const auto annotations = partners.annotations(from.layers[i].image);
      for (size_t k = 0; k < annotations.size(); ++k) {
        const Annotation& a = annotations[k];
        if (a.polygons >= 0 && !a.crowd && !a.difficult) candidates.push_back({i, static_cast<int64_t>(k)});
      }
    }
    std::vector<Box> taken = boxesOf(scene, partners);
    for (Layer& layer : from.layers) {
      layer.pasted = true;
      layer.objects.clear();
      layer.minVisible = minVisible_;
      layer.plan.minSide = std::max(layer.plan.minSide, minSide_);
    }
    uint32_t found = 0;
    for (size_t i = 0; i < candidates.size() && found < wanted; ++i) {
      std::swap(candidates[i], candidates[i + own.below(static_cast<uint32_t>(candidates.size() - i))]);
      Layer& layer = from.layers[candidates[i].layer];
      const auto object = static_cast<size_t>(candidates[i].object);
      const Box box = boxOf(layer.plan.geometry, partners.annotations(layer.image)[object]);
      const bool hides = std::any_of(taken.begin(), taken.end(), [&](const Box& other) {
        return area(common(box, other)) > maxCovered_ * area(other);
      });
      if (hides || std::min(box[2] - box[0], box[3] - box[1]) < std::max(1.0f, minSide_)) continue;
      layer.objects.push_back(candidates[i].object);
      taken.push_back(box);
      ++found;
    }
    if (found == 0) return;
    scene.place(0, 0, scene.width(), scene.height());
    for (Layer& layer : from.layers) {
      if (!layer.objects.empty()) scene.layers.push_back(std::move(layer));
    }
  }

 private:
  static std::vector<Box> boxesOf(const Scene& scene, const Partners& partners) {
    std::vector<Box> out;
    for (const Layer& layer : scene.layers) {
      for (const Annotation& a : partners.annotations(layer.image)) {
        const Box box = boxOf(layer.plan.geometry, a);
        if (area(box) > 0 && !a.crowd) out.push_back(box);
      }
    }
    return out;
  }

  float probability_, minVisible_, minSide_;
  double maxCovered_;
  uint32_t least_, largest_;
};

HD_TRANSFORM("copyPaste", CopyPaste);

}  // namespace
}  // namespace hd::data
