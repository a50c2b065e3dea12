// What a pipeline is made of. A transform decides on numbers only: it edits a Plan, never pixels. So the size
// of every padded batch follows from picture sizes and random draws, without decoding, and all of a
// pipeline's geometry reaches the pixels in one pass (render.h) and the targets in one map (targets.h).
//
// A new transform is one file with a Transform class and one HD_TRANSFORM line.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/colour.h"
#include "core/rng.h"
#include "core/value.h"
#include "data/transforms/projection.h"

namespace hd::data {

/// Edges in pixels, continuous.
struct Window {
  double left = 0, top = 0, right = 0, bottom = 0;
  bool contains(double x, double y) const { return x >= left && x <= right && y >= top && y <= bottom; }
};

/// A map from picture pixels to the valid part of the canvas (continuous coordinates, pixel i covers
/// [i, i + 1)). Axis-aligned until it is warped: u = x · scaleX + offsetX, then x' = flipped ? width − u : u;
/// likewise y without the mirror. Warped: `projection` alone, and the four numbers mean nothing.
struct Geometry {
  double scaleX = 1, scaleY = 1, offsetX = 0, offsetY = 0;
  int width = 0, height = 0;  ///< valid pixels in the canvas, ≥ 1
  bool flipped = false;       ///< an odd number of mirrors, warped or not
  bool warped = false;
  Projection projection = {};
  Window window = {};  ///< of the picture: all that is ever shown, however far a warp zooms out

  static Geometry identity(int width, int height) {
    return {.width = width,
            .height = height,
            .window = {0, 0, static_cast<double>(width), static_cast<double>(height)}};
  }
  void resize(int newWidth, int newHeight);
  /// Keeps the window whose top left corner is (x, y) in current coordinates; it lies inside the current
  /// picture.
  void crop(int x, int y, int newWidth, int newHeight);
  void flip();
  /// Current coordinates → those of a valid part of this size. What lies outside that part is not cut away:
  /// a later warp may show it.
  void warp(const Projection& next, int newWidth, int newHeight);

  /// Of axis-aligned maps.
  double mapX(double x) const { return flipped ? width - (x * scaleX + offsetX) : x * scaleX + offsetX; }
  double mapY(double y) const { return y * scaleY + offsetY; }
  /// Of any map.
  Projection toCanvas() const;
  /// At most a crop and a mirror: every pixel of the canvas is one of the picture.
  bool keepsPixels() const;
};

using hd::ColourMap;
using hd::ColourTurn;

/// Everything that happens to one picture: a pure function of (pipeline, picture size, random draws).
struct Plan {
  int originalWidth = 0, originalHeight = 0;
  Geometry geometry;
  std::vector<ColourTurn> turns;   ///< first these, one after another, each rounded and clamped to a byte
  ColourMap colour;                ///< then this, likewise
  std::vector<ColourTurn> beyond;  ///< last these, by the network, in floating point and without limits
  float minVisible = 0;            ///< objects with a smaller share of their area left are dropped
  float minSide = 0;               ///< and those with a side below this, in canvas pixels
  bool tightBoxes = false;         ///< of objects with polygons: drawn anew around them
  std::optional<std::array<uint8_t, 3>> fill = std::nullopt;  ///< of what a warp leaves bare; else padding's
  const std::vector<std::pair<int, int>>* keypointPairs =
      nullptr;  ///< swapped by a mirror; owned by the transform

  Plan(int width, int height)
      : originalWidth(width), originalHeight(height), geometry(Geometry::identity(width, height)) {}
  /// True when it leaves the bytes as they are.
  bool keepsColours() const { return turns.empty() && colour.identity(); }
  /// Adds to the colours; limits end with the first turn that goes beyond them.
  void recolour(const ColourMap& map);
  void recolour(ColourTurn turn);
  void recolourBeyond(const ColourTurn& turn) { beyond.push_back(turn); }
};

/// Sides in pixels.
struct Extent {
  int width = 0, height = 0;
  bool operator==(const Extent&) const = default;
};

struct Scene;  // scene.h
class Partners;

/// What a step asks of its place in the list and of the data set.
struct Needs {
  bool partners = false;  ///< joins further pictures
  bool polygons = false;  ///< objects with polygons
  bool upright = false;   ///< nothing that turns pictures before it
  bool last = false;      ///< no joining step behind it
};

class Transform {
 public:
  virtual ~Transform() = default;
  /// Edits the plan with draws from `random`. A step that joins pictures takes the same draws as in compose()
  /// and does no more than set the size, which is all that canvases are chosen by.
  virtual void apply(Plan& plan, Random& random) const = 0;
  /// Does it to all layers alike: each sees the same draws.
  virtual void compose(Scene& scene, Random& random, const Partners& partners) const;
  virtual Needs needs() const { return {}; }
  /// True when the sides of what it makes need not be parallel to those of the picture.
  virtual bool turns() const { return false; }
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
/// [least, largest] of a step, or `fallback`. Throws HD_DATA_TRANSFORM unless low ≤ least ≤ largest ≤ high.
std::array<float, 2> rangeWithin(const char* name, const Value& options, std::string_view key,
                                 std::array<float, 2> fallback, double low, double high);
/// The number `key` of a step, or `fallback`. Throws HD_DATA_TRANSFORM outside [low, high].
double numberWithin(const char* name, const Value& options, std::string_view key, double fallback, double low,
                    double high);
/// The colour `fill` of a step, [red, green, blue], if it is given. Throws HD_DATA_TRANSFORM.
std::optional<std::array<uint8_t, 3>> fillOf(const char* name, const Value& options);

}  // namespace hd::data

#define HD_TRANSFORM(name, Type)                                                       \
  static const bool registered##Type = ::hd::data::registerTransform(                  \
      name, [](const ::hd::Value& options) -> std::unique_ptr<::hd::data::Transform> { \
        return std::make_unique<Type>(options);                                        \
      })
