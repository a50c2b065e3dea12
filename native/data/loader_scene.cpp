#include "data/loader_scene.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/transforms/occlusion.h"
#include "data/transforms/pixel_kernels.h"
#include "data/transforms/polygon_mask.h"
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

// Copies the pixels inside a polygon; false when there are none.
bool copyInside(const std::vector<float>& polygon, const Canvas& from, const Canvas& to) {
  bool any = false;
  forEachRun(polygon, to.width, to.height, [&](int y, int left, int right) {
    const size_t at = static_cast<size_t>(y) * to.pitch() + static_cast<size_t>(left) * 3;
    std::copy_n(from.pixels + at, static_cast<size_t>(right - left) * 3, to.pixels + at);
    any = true;
  });
  return any;
}

// Memory as large as a canvas.
Canvas sheetLike(const Canvas& canvas, std::vector<uint8_t>& memory) {
  memory.resize(std::max(memory.size(), canvas.pitch() * static_cast<size_t>(canvas.height)));
  return {memory.data(), canvas.width, canvas.height};
}

// Adds the layer's objects to `targets`, those of the same sheet from number `first` on.
void paintLayer(const Layer& layer, const Sample& sample, const Canvas& sheet, size_t first,
                ImageTargets& targets, RenderScratch& scratch) {
  if (!layer.pasted) {
    warpPicture(sample.picture, layer.plan, sheet, scratch);
    return append(targets, placeTargets(layer.plan, sample.annotations, *sample.table));
  }
  const Canvas aside = sheetLike(sheet, scratch.aside);
  warpPicture(sample.picture, layer.plan, aside, scratch);
  for (const int64_t number : layer.objects) {
    const Annotation& annotation = sample.annotations[static_cast<size_t>(number)];
    ImageTargets object = placeTargets(layer.plan, {&annotation, 1}, *sample.table);
    if (object.polygons.empty()) continue;
    bool shown = false;  // the box of an object may lie in the canvas where its polygons do not
    for (const std::vector<float>& polygon : object.polygons.front())
      shown |= copyInside(polygon, aside, sheet);
    if (!shown) continue;
    layOver(object, first, layer.minVisible, targets);
    append(targets, std::move(object));
  }
}

// Before anything is painted: what no pixel of the picture reaches stays like this.
void clearFor(const Plan& plan, const Canvas& canvas, const std::array<uint8_t, 3>& fill) {
  clearCanvas(canvas, plan.fill.value_or(fill));
  if (plan.fill) padCanvas(plan, canvas, fill);
}

}  // namespace

Sample readFor(const Dataset& dataset, const Layer& layer, PictureCache* cache) {
  const auto [stretchX, stretchY] = largestStretch(layer.plan);
  const int width = leastSide(layer.plan.originalWidth, stretchX),
            height = leastSide(layer.plan.originalHeight, stretchY);
  return cache != nullptr ? cache->sample(dataset, layer.image, width, height)
                          : dataset.sample(layer.image, width, height);
}

int64_t paintPicture(const Picture& picture, const Plan& plan, const Canvas& canvas,
                     const std::array<uint8_t, 3>& fill, RenderScratch& scratch) {
  int64_t copied = 0;
  if (plan.geometry.warped) {
    clearFor(plan, canvas, fill);
    warpPicture(picture, plan, canvas, scratch);
  } else {
    copied = renderPicture(picture, plan, canvas, scratch);
    padCanvas(plan, canvas, fill);
  }
  return copied;
}

ImageTargets paintScene(const Scene& scene, const std::function<Sample(const Layer&)>& read,
                        const Canvas& canvas, const std::array<uint8_t, 3>& fill, RenderScratch& scratch) {
  ImageTargets out;
  Canvas sheet = canvas;
  size_t first = 0;
  clearFor(scene.layers.front().plan, canvas, fill);
  for (size_t i = 0; i < scene.layers.size(); ++i) {
    if (i > 0 && i == scene.upper) {
      sheet = sheetLike(canvas, scratch.sheet);
      clearFor(scene.layers[i].plan, sheet, fill);
      first = out.labels.size();
    }
    const Sample sample = read(scene.layers[i]);
    if (i == 0) {  // it tells the size of the picture and the way back, too
      warpPicture(sample.picture, scene.layers[i].plan, sheet, scratch);
      out = placeTargets(scene.layers[i].plan, sample.annotations, *sample.table);
    } else {
      paintLayer(scene.layers[i], sample, sheet, first, out, scratch);
    }
  }
  if (scene.upper > 0) {
    const auto weight = static_cast<int>(std::lround(scene.share * 256));
    blendOver(sheet.pixels, weight, static_cast<int>(canvas.pitch()) * canvas.height, canvas.pixels);
  }
  return out;
}

}  // namespace hd::data
