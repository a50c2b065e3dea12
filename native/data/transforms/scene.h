// What lies on a canvas when a step joins several pictures.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "data/dataset.h"
#include "data/transforms/transform.h"

namespace hd::data {

/// One picture of a scene.
struct Layer {
  int64_t image = -1;
  Plan plan;
  bool pasted = false;                ///< only `objects` of it are there, cut out along their polygons
  std::vector<int64_t> objects = {};  ///< numbers in the picture's annotations, from back to front
  float minVisible = 0;  ///< pasted: what they leave less of on their sheet than this share is dropped
};

/// Layers from back to front on one or two sheets; all have the width and height of the scene. Invariant: a
/// scene of several layers has warped plans only, of one sheet or of both.
struct Scene {
  std::vector<Layer> layers;  ///< never empty; the first one is the picture that the sampler chose
  size_t upper = 0;           ///< first layer of the upper sheet; 0: there is one sheet
  float share = 1;            ///< of the lower sheet, where there are two

  Scene(int64_t image, int width, int height) {
    layers.push_back({.image = image, .plan = Plan(width, height)});
  }
  int width() const { return layers.front().plan.geometry.width; }
  int height() const { return layers.front().plan.geometry.height; }
  /// Scales every layer.
  void resize(int width, int height);
  /// Makes the scene the part of another one of this size whose top left corner is at (x, y).
  void place(double x, double y, int width, int height);
  /// Scales down, ratio kept, what is larger than width × height, and places it anywhere inside.
  void fitInto(int width, int height, Random& random);
};

/// Where steps that join pictures find them.
class Partners {
 public:
  virtual ~Partners() = default;
  /// A further picture as the steps before this one leave it. `random` says which, and draws for them.
  virtual Scene draw(Random& random) const = 0;
  /// Empty when they are only known with the picture.
  virtual std::span<const Annotation> annotations(int64_t image) const = 0;
};

/// Draws of its own for a part of a step, so that it may use any number of them. Takes two from `random`.
Random forked(Random& random);

}  // namespace hd::data
