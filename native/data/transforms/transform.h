// What a pipeline is made of. A transform decides on numbers only: it edits a Plan, never pixels. So the size
// of every padded batch follows from picture sizes and random draws, without decoding, and all of a
// pipeline's geometry reaches the pixels in one pass (render.h) and the targets in one map (targets.h).
//
// A new transform is one file with a Transform class and one HD_TRANSFORM line.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "core/value.h"

namespace hd::data {

/// An axis-aligned map from picture pixels to the valid part of the canvas (continuous coordinates, pixel i
/// covers [i, i + 1)): u = x · scaleX + offsetX, then x' = flipped ? width − u : u; likewise y without the
/// mirror.
struct Geometry {
  double scaleX = 1, scaleY = 1, offsetX = 0, offsetY = 0;
  int width = 0, height = 0;  ///< valid pixels in the canvas, ≥ 1
  bool flipped = false;

  static Geometry identity(int width, int height) { return {.width = width, .height = height}; }
  void resize(int newWidth, int newHeight);
  /// Keeps the window whose top left corner is (x, y) in current coordinates; it lies inside the current
  /// picture.
  void crop(int x, int y, int newWidth, int newHeight);
  void flip() { flipped = !flipped; }

  double mapX(double x) const { return flipped ? width - (x * scaleX + offsetX) : x * scaleX + offsetX; }
  double mapY(double y) const { return y * scaleY + offsetY; }
  /// At most a crop and a mirror: every pixel of the canvas is one of the picture.
  bool keepsPixels() const;
};

/// An affine map of colours, values 0…255: row c gives channel c as three weights (red, green, blue) and a
/// shift. Clamped once, after the whole map.
struct ColourMap {
  std::array<float, 12> rows = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  bool identity() const { return *this == ColourMap{}; }
  bool operator==(const ColourMap&) const = default;
  /// First this, then `next`.
  ColourMap then(const ColourMap& next) const;
};

/// Everything that happens to one picture: a pure function of (pipeline, picture size, random draws).
struct Plan {
  int originalWidth = 0, originalHeight = 0;
  Geometry geometry;
  ColourMap colour;
  float minVisible = 0;  ///< objects with a smaller share of their area left are dropped
  const std::vector<std::pair<int, int>>* keypointPairs =
      nullptr;  ///< swapped by a mirror; owned by the transform

  Plan(int width, int height)
      : originalWidth(width), originalHeight(height), geometry(Geometry::identity(width, height)) {}
};

/// Sides in pixels.
struct Extent {
  int width = 0, height = 0;
  bool operator==(const Extent&) const = default;
};

class Transform {
 public:
  virtual ~Transform() = default;
  /// Edits the plan with draws from `random`.
  virtual void apply(Plan& plan, Random& random) const = 0;
  /// Edits the plan as the draws do that give the largest picture.
  virtual void applyLargest(Plan&) const {}
  /// Sides that no picture exceeds after this transform when none exceeded `before`; {0, 0} stands for no
  /// bound.
  virtual Extent bound(Extent before) const { return before; }
};

using TransformFactory = std::unique_ptr<Transform> (*)(const Value& options);

/// The factory of a step. Throws HD_DATA_TRANSFORM listing the names there are.
TransformFactory transformFactory(const std::string& name);
bool registerTransform(const char* name, TransformFactory factory);

/// Throws HD_DATA_TRANSFORM when `options` has a member that is not in `known`.
void checkMembers(const char* name, const Value& options, std::initializer_list<std::string_view> known);
/// The number `key` of a step, or `fallback`. Throws HD_DATA_TRANSFORM outside [low, high].
double numberWithin(const char* name, const Value& options, std::string_view key, double fallback, double low,
                    double high);

}  // namespace hd::data

#define HD_TRANSFORM(name, Type)                                                       \
  static const bool registered##Type = ::hd::data::registerTransform(                  \
      name, [](const ::hd::Value& options) -> std::unique_ptr<::hd::data::Transform> { \
        return std::make_unique<Type>(options);                                        \
      })
