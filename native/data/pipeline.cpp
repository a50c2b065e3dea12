#include "data/pipeline.h"

#include <algorithm>
#include <set>

#include "core/error.h"

namespace hd::data {
namespace {

[[noreturn]] void misplaced(const std::string& name, const std::string& expected, const std::string& cure) {
  throw Error("HD_DATA_TRANSFORM",
              concat("expected ", expected, " for data.augment but received '", name, "' there; ", cure),
              concat("data.augment.", name));
}

// Scenes of several layers need pictures that are joined in an order that their parts can follow.
class OrderCheck {
 public:
  void add(const std::string& name, const Transform& transform) {
    const Needs needs = transform.needs();
    if (needs.partners && !joining_.insert(name).second)
      misplaced(name, concat("'", name, "' once"), "remove the second one");
    if (needs.partners && !last_.empty())
      misplaced(name, concat("every other step that joins pictures before '", last_, "'"),
                concat("move it before '", last_, "'"));
    if (needs.upright && !turning_.empty())
      misplaced(name, concat("'", name, "' before '", turning_, "'"),
                concat("move '", turning_, "' behind it"));
    if (needs.last) last_ = name;
    if (transform.turns()) turning_ = name;
  }

 private:
  std::set<std::string> joining_;
  std::string last_, turning_;
};

}  // namespace

class StepPartners : public Partners {
 public:
  StepPartners(const Pipeline& pipeline, size_t step, const PictureSource& source, int64_t left)
      : pipeline_(pipeline), step_(step), source_(source), left_(left) {}

  // A picture that cannot be used gives its place to the next one.
  Scene draw(Random& random) const override {
    const std::vector<int64_t>& images = source_.dataset->trainable();
    uint32_t index = random.below(static_cast<uint32_t>(images.size()));
    Random own = forked(random);
    for (size_t tries = 0; source_.usable && tries < images.size() && !source_.usable(images[index]); ++tries)
      index = (index + 1) % static_cast<uint32_t>(images.size());
    return pipeline_.compose(step_, images[index], own, source_, left_);
  }

  std::span<const Annotation> annotations(int64_t image) const override {
    return source_.dataset->annotations(image);
  }

 private:
  const Pipeline& pipeline_;
  const size_t step_;
  const PictureSource& source_;
  const int64_t left_;
};

Pipeline::Pipeline(const Value& steps) {
  if (steps.isNull()) return;
  OrderCheck order;
  for (const Value& step : steps.asArray()) {
    if (!step.isObject() || step.asObject().size() != 1) {
      throw Error(
          "HD_DATA_TRANSFORM",
          concat("expected a map with one key, the name of a transform, for data.augment but received ",
                 printJson(step), "; write for instance {flip: {probability: 0.5}}"),
          "data.augment");
    }
    const auto& [name, options] = step.asObject().front();
    auto transform = transformFactory(name)(options);
    order.add(name, *transform);
    const int64_t close = options.isObject()
                              ? static_cast<int64_t>(numberWithin(name.c_str(), options, "close", 0, 0, 1e9))
                              : 0;
    steps_.push_back({std::move(transform), close});
  }
}

Plan Pipeline::plan(int width, int height, Random random, int64_t left) const {
  Plan plan(width, height);
  for (const Step& step : steps_) {
    if (step.open(left)) step.transform->apply(plan, random);
  }
  return plan;
}

Scene Pipeline::compose(size_t steps, int64_t image, Random& random, const PictureSource& source,
                        int64_t left) const {
  Scene scene(image, source.dataset->width(image), source.dataset->height(image));
  for (size_t i = 0; i < steps; ++i) {
    if (steps_[i].open(left))
      steps_[i].transform->compose(scene, random, StepPartners(*this, i, source, left));
  }
  return scene;
}

Scene Pipeline::scene(int64_t image, Random random, const PictureSource& source, int64_t left) const {
  return compose(steps_.size(), image, random, source, left);
}

Plan Pipeline::largestPlan(int width, int height, int64_t left) const {
  Plan plan(width, height);
  for (const Step& step : steps_) {
    if (step.open(left)) step.transform->applyLargest(plan);
  }
  return plan;
}

std::optional<Extent> Pipeline::bound() const {
  Extent extent;
  for (const Step& step : steps_) extent = step.transform->bound(extent);
  return extent == Extent{} ? std::nullopt : std::optional(extent);
}

Needs Pipeline::needs() const {
  Needs out;
  for (const Step& step : steps_) {
    const Needs needs = step.transform->needs();
    out.partners |= needs.partners;
    out.polygons |= needs.polygons;
  }
  return out;
}

bool Pipeline::closes() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.close > 0; });
}

void shrinkToFit(Plan& plan, Extent extent) {
  const Geometry& now = plan.geometry;
  const double scale = std::min(static_cast<double>(extent.width) / now.width,
                                static_cast<double>(extent.height) / now.height);
  if (scale >= 1) return;
  plan.geometry.resize(std::clamp(static_cast<int>(now.width * scale), 1, extent.width),
                       std::clamp(static_cast<int>(now.height * scale), 1, extent.height));
}

}  // namespace hd::data
