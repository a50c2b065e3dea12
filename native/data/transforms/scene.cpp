#include "data/transforms/scene.h"

#include <algorithm>

namespace hd::data {

void Scene::resize(int width, int height) {
  for (Layer& layer : layers) layer.plan.geometry.resize(width, height);
}

void Scene::place(double x, double y, int width, int height) {
  for (Layer& layer : layers) layer.plan.geometry.warp(Projection::moved(x, y), width, height);
}

void Scene::fitInto(int width, int height, Random& random) {
  const double scale =
      std::min(static_cast<double>(width) / this->width(), static_cast<double>(height) / this->height());
  if (scale < 1) {
    resize(std::clamp(static_cast<int>(this->width() * scale + 0.5), 1, width),
           std::clamp(static_cast<int>(this->height() * scale + 0.5), 1, height));
  }
  const uint32_t x = random.below(static_cast<uint32_t>(width - this->width() + 1));
  const uint32_t y = random.below(static_cast<uint32_t>(height - this->height() + 1));
  place(x, y, width, height);
}

void Transform::compose(Scene& scene, Random& random, const Partners&) const {
  const Random before = random;
  for (Layer& layer : scene.layers) {
    random = before;
    apply(layer.plan, random);
  }
}

Random forked(Random& random) {
  const uint64_t high = random.bits(), low = random.bits();
  return {high << 32 | low, "augment", 0, 0};
}

}  // namespace hd::data
