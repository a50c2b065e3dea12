#include "data/loader_scene.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/error.h"
#include "data/transforms/pixel_kernels.h"
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

// Adds the objects of another layer; lists of keypoints and polygons stay empty or as long as the labels.
void append(ImageTargets& to, ImageTargets&& more) {
  const size_t before = to.labels.size(), added = more.labels.size();
  const auto join = [&](auto& list, auto& other) {
    if (list.empty() && other.empty()) return;
    list.resize(before);
    other.resize(added);
    std::move(other.begin(), other.end(), std::back_inserter(list));
  };
  join(to.keypoints, more.keypoints);
  join(to.polygons, more.polygons);
  to.boxes.insert(to.boxes.end(), more.boxes.begin(), more.boxes.end());
  to.labels.insert(to.labels.end(), more.labels.begin(), more.labels.end());
  to.crowd.insert(to.crowd.end(), more.crowd.begin(), more.crowd.end());
}

// Copies the pixels whose centre lies inside a polygon (even-odd rule).
void copyInside(const std::vector<float>& polygon, const Canvas& from, const Canvas& to) {
  float top = static_cast<float>(to.height), bottom = 0;
  for (size_t i = 1; i < polygon.size(); i += 2) {
    top = std::min(top, polygon[i]);
    bottom = std::max(bottom, polygon[i]);
  }
  std::vector<float> crossings;
  const int last = std::min(to.height, static_cast<int>(std::ceil(bottom)));
  for (int y = std::max(0, static_cast<int>(top)); y < last; ++y) {
    const float middle = static_cast<float>(y) + 0.5f;
    crossings.clear();
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
      const size_t j = (i + 2) % polygon.size();
      const float y1 = polygon[i + 1], y2 = polygon[j + 1];
      if ((y1 > middle) != (y2 > middle))
        crossings.push_back(polygon[i] + (middle - y1) / (y2 - y1) * (polygon[j] - polygon[i]));
    }
    std::sort(crossings.begin(), crossings.end());
    for (size_t i = 0; i + 1 < crossings.size(); i += 2) {
      const int left = std::clamp(static_cast<int>(std::ceil(crossings[i] - 0.5f)), 0, to.width);
      const int right = std::clamp(static_cast<int>(std::ceil(crossings[i + 1] - 0.5f)), left, to.width);
      const size_t at = static_cast<size_t>(y) * to.pitch() + static_cast<size_t>(left) * 3;
      std::copy_n(from.pixels + at, static_cast<size_t>(right - left) * 3, to.pixels + at);
    }
  }
}

// Memory as large as a canvas.
Canvas sheetLike(const Canvas& canvas, std::vector<uint8_t>& memory) {
  memory.resize(std::max(memory.size(), canvas.pitch() * static_cast<size_t>(canvas.height)));
  return {memory.data(), canvas.width, canvas.height};
}

ImageTargets paintLayer(const Layer& layer, const Sample& sample, const Canvas& sheet,
                        RenderScratch& scratch) {
  if (!layer.pasted) {
    warpPicture(sample.picture, layer.plan, sheet, scratch);
    return placeTargets(layer.plan, sample.annotations, *sample.table);
  }
  std::vector<Annotation> chosen;
  for (const int64_t object : layer.objects)
    chosen.push_back(sample.annotations[static_cast<size_t>(object)]);
  ImageTargets targets = placeTargets(layer.plan, chosen, *sample.table);
  const Canvas aside = sheetLike(sheet, scratch.aside);
  warpPicture(sample.picture, layer.plan, aside, scratch);
  for (const auto& polygons : targets.polygons) {
    for (const std::vector<float>& polygon : polygons) copyInside(polygon, aside, sheet);
  }
  return targets;
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
    clearCanvas(canvas, fill);
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
  clearCanvas(canvas, fill);
  for (size_t i = 0; i < scene.layers.size(); ++i) {
    if (i > 0 && i == scene.upper) {
      sheet = sheetLike(canvas, scratch.sheet);
      clearCanvas(sheet, fill);
    }
    const Sample sample = read(scene.layers[i]);
    ImageTargets targets = paintLayer(scene.layers[i], sample, sheet, scratch);
    if (i == 0) {
      out = std::move(targets);
    } else {
      append(out, std::move(targets));
    }
  }
  if (scene.upper > 0) {
    const auto weight = static_cast<int>(std::lround(scene.share * 256));
    blendOver(sheet.pixels, weight, static_cast<int>(canvas.pitch()) * canvas.height, canvas.pixels);
  }
  return out;
}

}  // namespace hd::data
