#include "data/loader_plan.h"

#include <algorithm>

#include "core/error.h"

namespace hd::data {
namespace {

Extent join(Extent a, Extent b) {
  return {std::max(a.width, b.width), std::max(a.height, b.height)};
}
Extent extentOf(const Plan& plan) {
  return {plan.geometry.width, plan.geometry.height};
}

SamplerOptions samplerOptions(const Value& options) {
  SamplerOptions out;
  out.seed = static_cast<uint64_t>(options.get("seed", int64_t{0}));
  out.evaluate = options.get("evaluate", false);
  out.shuffle = options.get("shuffle", true);
  out.groupByAspect = options.get("groupByAspect", false);
  out.repeat = options.get("repeat", 1);
  out.batch = options.get("batch", 1);
  out.rank = options.get("rank", 0);
  out.ranks = options.get("ranks", 1);
  return out;
}

// Of a run that ends after so many epochs or steps; 0 without either.
int64_t epochsOf(const Value& options, const Sampler& sampler) {
  const int64_t epochs = options.get("epochs", int64_t{0}), steps = options.get("steps", int64_t{0});
  if (epochs > 0 || steps <= 0) return epochs;
  return (steps + sampler.stepsPerEpoch() - 1) / sampler.stepsPerEpoch();
}

const Value& memberOrNull(const Value& options, const char* key) {
  static const Value null;
  const Value* found = options.find(key);
  return found == nullptr ? null : *found;
}

}  // namespace

BatchPlanner::BatchPlanner(std::shared_ptr<const Dataset> dataset, const Value& options)
    : dataset_(std::move(dataset)),
      samplerOptions_(samplerOptions(options)),
      canvasOptions_(CanvasOptions::from(memberOrNull(options, "canvas"))),
      pipeline_(memberOrNull(options, "augment")),
      sampler_(*dataset_, samplerOptions_),
      epochs_(epochsOf(options, sampler_)),
      canvases_(chooseCanvases()) {}

// What steps that join pictures want to know of them before they are read.
void BatchPlanner::checkNeeds() const {
  const Needs needs = pipeline_.needs();
  if (!needs.partners || samplerOptions_.evaluate) return;
  for (const int64_t image : dataset_->trainable()) {
    if (dataset_->width(image) > 0 && dataset_->height(image) > 0) continue;
    throw Error(
        "HD_DATA_TRANSFORM",
        concat("expected the size of every picture for the steps of data.augment that join pictures but "
               "received none for picture ",
               image, "; give the sizes with the source, or remove mosaic, mixup and copyPaste"),
        "data.augment");
  }
  const auto& all = dataset_->table().annotations;
  const bool cut = std::any_of(all.begin(), all.end(), [](const Annotation& a) { return a.polygons >= 0; });
  if (!needs.polygons || cut) return;
  throw Error(
      "HD_DATA_TRANSFORM",
      "expected objects with polygons for data.augment.copyPaste but received a data set without any; "
      "take annotations with masks drawn as polygons, or remove the step",
      "data.augment.copyPaste");
}

Random BatchPlanner::draws(int64_t epoch, int64_t position) const {
  return {samplerOptions_.seed, "augment", static_cast<uint64_t>(epoch), static_cast<uint64_t>(position)};
}

Plan BatchPlanner::sample(int64_t epoch, int64_t position, int width, int height, Extent canvas) const {
  Plan plan = pipeline_.plan(width, height, draws(epoch, position), epochsLeft(epoch));
  shrinkToFit(plan, canvas);
  return plan;
}

Scene BatchPlanner::scene(int64_t epoch, int64_t position, int64_t image, Extent canvas,
                          const std::function<bool(int64_t)>& usable) const {
  Scene scene = pipeline_.scene(image, draws(epoch, position), {dataset_.get(), usable}, epochsLeft(epoch));
  for (Layer& layer : scene.layers) shrinkToFit(layer.plan, canvas);
  return scene;
}

BatchPlan BatchPlanner::batch(int64_t epoch, int64_t step) {
  if (epoch != orderEpoch_) {
    order_ = std::make_shared<const std::vector<int64_t>>(sampler_.order(epoch));
    orderEpoch_ = epoch;
  }
  const Sampler::Span own = sampler_.ofRank(step);
  return {.epoch = epoch,
          .step = step,
          .first = own.first,
          .count = own.count,
          .canvas = canvases_.choose(need(*order_, epoch, sampler_.ofGlobalBatch(step))),
          .order = order_};
}

// A picture of unknown size that has a file is one that could not be read: it will not be part of the batch.
// Without a file it comes from the user's program and may have any size.
Extent BatchPlanner::need(const std::vector<int64_t>& order, int64_t epoch, Sampler::Span span) const {
  Extent out{1, 1};
  if (canvasOptions_.fixed) return *canvasOptions_.fixed;
  for (int64_t position = span.first; position < span.first + span.count; ++position) {
    const int64_t image = order[static_cast<size_t>(position)];
    const int width = dataset_->width(image), height = dataset_->height(image);
    if (width > 0 && height > 0) {
      out = join(out, extentOf(pipeline_.plan(width, height, draws(epoch, position), epochsLeft(epoch))));
    } else if (dataset_->file(image).empty()) {
      const std::optional<Extent> bound = pipeline_.bound();
      if (!bound) {
        throw Error("HD_DATA_CANVAS",
                    "expected a resize step or canvas.fixed for a source of pictures of unknown size but "
                    "received neither; add a "
                    "resize to data.augment or give the sizes with the source",
                    "data.augment");
      }
      out = join(out, *bound);
    }
  }
  return out;
}

CanvasSet BatchPlanner::chooseCanvases() const {
  checkNeeds();
  const std::vector<int64_t> order = sampler_.order(0);
  CanvasDemand demand;
  for (int64_t step = 0; step < sampler_.stepsPerEpoch(); ++step) {
    const Extent extent = need(order, 0, sampler_.ofGlobalBatch(step));
    ++demand[{extent.height, extent.width}];
  }
  if (samplerOptions_.evaluate) return {canvasOptions_, demand, {}};
  Extent largest[2];
  for (const int64_t image : order) {
    const int width = dataset_->width(image), height = dataset_->height(image);
    if (width <= 0 || height <= 0) continue;
    Extent& group = largest[samplerOptions_.groupByAspect && width > height];
    for (const int64_t left : {Pipeline::openEnd, int64_t{1}})
      group = join(group, extentOf(pipeline_.largestPlan(width, height, left)));
  }
  std::vector<Extent> always;
  for (const Extent extent : largest) {
    if (extent.width > 0) always.push_back(extent);
  }
  return {canvasOptions_, demand, always};
}

}  // namespace hd::data
