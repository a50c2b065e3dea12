#include "data/loader_fill.h"

#include <algorithm>

#include "data/loader_scene.h"
#include "data/transforms/targets.h"

namespace hd::data {
namespace {

bool keepsGeometry(const Plan& plan) {
  return plan.geometry.keepsPixels() && !plan.geometry.flipped && plan.geometry.width == plan.originalWidth &&
         plan.geometry.height == plan.originalHeight;
}

void requireSize(const Sample& sample, int width, int height, std::string_view file) {
  if (sample.width == width && sample.height == height) return;
  throw Error(
      "HD_DATA_IMAGE",
      concat("expected a picture of ", width, "×", height, " for ", file.empty() ? "the source" : file,
             " but received ", sample.width, "×", sample.height, "; correct the announced size"),
      std::string(file));
}

}  // namespace

FilledPicture fillPicture(const BatchPlanner& planner, const BatchPlan& batch, int64_t position,
                          int64_t image, const Canvas& canvas, RenderScratch& scratch,
                          const Reading& reading) {
  const Dataset& dataset = planner.dataset();
  const std::array<uint8_t, 3>& fill = planner.canvasOptions().fill;
  FilledPicture out;
  const auto placed = [&](const Plan& plan, ImageTargets targets) {
    out.targets = std::move(targets);
    out.targets.colours = coloursBeyond(plan, canvas);
    out.targets.image = image;
    out.targets.position = position;
    return std::move(out);
  };
  reading.at(image);
  if (dataset.width(image) <= 0 || dataset.height(image) <= 0) {
    const Sample sample = dataset.sample(image, 0, 0);
    const Plan plan = planner.sample(batch.epoch, position, sample.width, sample.height, batch.canvas);
    out.copiedBytes = paintPicture(sample.picture, plan, canvas, fill, scratch);
    return placed(plan, placeTargets(plan, sample.annotations, *sample.table));
  }
  const Scene scene = planner.scene(batch.epoch, position, image, batch.canvas, reading.usable);
  const Plan& plan = scene.layers.front().plan;
  const bool cached = reading.cache != nullptr && PictureCache::takes(dataset, image);
  if (scene.layers.size() == 1 && keepsGeometry(plan) && !cached) {
    if (const auto inPlace = dataset.sampleInto(image, canvas.pixels, canvas.pitch())) {
      recolour(plan, canvas);
      padCanvas(plan, canvas, fill);
      return placed(plan, placeTargets(plan, inPlace->annotations, *inPlace->table));
    }
  }
  const auto read = [&](const Layer& layer) {
    reading.at(layer.image);
    Sample sample = readFor(dataset, layer, reading.cache);
    requireSize(sample, layer.plan.originalWidth, layer.plan.originalHeight, dataset.file(layer.image));
    return sample;
  };
  if (scene.layers.size() > 1) return placed(plan, paintScene(scene, read, canvas, fill, scratch));
  const Sample sample = read(scene.layers.front());
  out.copiedBytes = paintPicture(sample.picture, plan, canvas, fill, scratch);
  return placed(plan, placeTargets(plan, sample.annotations, *sample.table));
}

BadSampleLedger::BadSampleLedger(int64_t images, double maxBad)
    : images_(images),
      allowed_(std::max<int64_t>(1, static_cast<int64_t>(maxBad * static_cast<double>(images)))) {
  require(maxBad >= 0 && maxBad <= 1, "expected a share from 0 to 1 for maxBad but received ", maxBad);
}

bool BadSampleLedger::contains(int64_t image) const {
  const std::lock_guard lock(mutex_);
  return std::binary_search(bad_.begin(), bad_.end(), image);
}

int64_t BadSampleLedger::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(bad_.size());
}

void BadSampleLedger::add(int64_t image, std::string_view file, const Error& error) {
  const std::lock_guard lock(mutex_);
  const auto place = std::lower_bound(bad_.begin(), bad_.end(), image);
  if (place != bad_.end() && *place == image) return;
  bad_.insert(place, image);
  new_.push_back({image, std::string(file), error.code(), error.what()});
  if (static_cast<int64_t>(bad_.size()) <= allowed_) return;
  throw Error("HD_DATA_TOO_MANY_BAD",
              concat("expected at most ", allowed_, " unusable pictures of ", images_, " but received ",
                     bad_.size(), ", the last one: ", error.what(),
                     "; run 'hdtrain check' for all of them, repair the data or raise data.maxBad"),
              std::string(file));
}

std::vector<BadSample> BadSampleLedger::takeNew() {
  const std::lock_guard lock(mutex_);
  return std::exchange(new_, {});
}

}  // namespace hd::data
