#include "data/pipeline.h"

#include <algorithm>

#include "core/error.h"

namespace hd::data {

Pipeline::Pipeline(const Value& steps) {
  if (steps.isNull()) return;
  for (const Value& step : steps.asArray()) {
    if (!step.isObject() || step.asObject().size() != 1) {
      throw Error(
          "HD_DATA_TRANSFORM",
          concat("expected a map with one key, the name of a transform, for data.augment but received ",
                 printJson(step), "; write for instance {flip: {probability: 0.5}}"),
          "data.augment");
    }
    const auto& [name, options] = step.asObject().front();
    transforms_.push_back(transformFactory(name)(options));
  }
}

Plan Pipeline::plan(int width, int height, Random random) const {
  Plan plan(width, height);
  for (const auto& transform : transforms_) transform->apply(plan, random);
  return plan;
}

Plan Pipeline::largestPlan(int width, int height) const {
  Plan plan(width, height);
  for (const auto& transform : transforms_) transform->applyLargest(plan);
  return plan;
}

std::optional<Extent> Pipeline::bound() const {
  Extent extent;
  for (const auto& transform : transforms_) extent = transform->bound(extent);
  return extent == Extent{} ? std::nullopt : std::optional(extent);
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
