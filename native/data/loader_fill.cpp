#include "data/loader_fill.h"

#include <algorithm>
#include <cmath>

#include "data/transforms/targets.h"

namespace hd::data {
namespace {

// The side at which the whole picture must be decoded so that the canvas is not enlarged from it.
int leastSide(int original, double scale) {
  return static_cast<int>(std::clamp(std::ceil(original * scale - 1e-6), 1.0, static_cast<double>(original)));
}

// How much longer lines get at most, along each axis of the picture: in its middle or at a corner.
std::pair<double, double> largestStretch(const Plan& plan) {
  const Geometry& geometry = plan.geometry;
  if (!geometry.warped) return {geometry.scaleX, geometry.scaleY};
  const Window& window = geometry.window;
  double x = 0, y = 0;
  for (const double across : {window.left, (window.left + window.right) / 2, window.right}) {
    for (const double down : {window.top, (window.top + window.bottom) / 2, window.bottom}) {
      if (!(geometry.projection.depth(across, down) > 0)) return {1, 1};
      x = std::max(x, geometry.projection.stretchX(across, down));
      y = std::max(y, geometry.projection.stretchY(across, down));
    }
  }
  return {x, y};
}

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
                          int64_t image, const Canvas& canvas, RenderScratch& scratch) {
  const Dataset& dataset = planner.dataset();
  int width = dataset.width(image), height = dataset.height(image);
  const bool sizeKnown = width > 0 && height > 0;
  const auto planFor = [&] { return planner.sample(batch.epoch, position, width, height, batch.canvas); };
  FilledPicture out;
  const auto paint = [&](const Picture& picture, const Plan& plan) {
    if (plan.geometry.warped) {
      clearCanvas(canvas, planner.canvasOptions().fill);
      warpPicture(picture, plan, canvas, scratch);
    } else {
      out.copiedBytes = renderPicture(picture, plan, canvas, scratch);
    }
  };
  const auto finish = [&](const Plan& plan, std::span<const Annotation> annotations,
                          const AnnotationTable& table) {
    padCanvas(plan, canvas, planner.canvasOptions().fill);
    out.targets = placeTargets(plan, annotations, table);
    out.targets.image = image;
    out.targets.position = position;
  };
  if (sizeKnown) {
    const Plan plan = planFor();
    if (keepsGeometry(plan)) {
      if (const auto inPlace = dataset.sampleInto(image, canvas.pixels, canvas.pitch())) {
        recolour(plan, canvas);
        finish(plan, inPlace->annotations, *inPlace->table);
        return out;
      }
    }
    const auto [stretchX, stretchY] = largestStretch(plan);
    const Sample sample = dataset.sample(image, leastSide(width, stretchX), leastSide(height, stretchY));
    requireSize(sample, width, height, dataset.file(image));
    paint(sample.picture, plan);
    finish(plan, sample.annotations, *sample.table);
    return out;
  }
  const Sample sample = dataset.sample(image, 0, 0);
  width = sample.width;
  height = sample.height;
  const Plan plan = planFor();
  paint(sample.picture, plan);
  finish(plan, sample.annotations, *sample.table);
  return out;
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
