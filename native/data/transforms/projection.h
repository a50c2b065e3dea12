// Maps of the plane that keep straight lines straight: all that `affine` does to a picture.
#pragma once

#include <array>

namespace hd::data {

/// (x, y) → (a, b) / c with (a, b, c) = m · (x, y, 1), m row by row. Continuous coordinates: pixel i covers
/// [i, i + 1). What lies where c ≤ 0 is behind the viewer.
struct Projection {
  std::array<double, 9> m = {1, 0, 0, 0, 1, 0, 0, 0, 1};

  static Projection scaled(double x, double y) { return {{x, 0, 0, 0, y, 0, 0, 0, 1}}; }
  static Projection moved(double x, double y) { return {{1, 0, x, 0, 1, y, 0, 0, 1}}; }

  /// First this, then `next`.
  Projection then(const Projection& next) const;
  /// Throws HD_INTERNAL for a map that flattens the plane.
  Projection inverse() const;

  double depth(double x, double y) const { return m[6] * x + m[7] * y + m[8]; }
  double mapX(double x, double y) const { return (m[0] * x + m[1] * y + m[2]) / depth(x, y); }
  double mapY(double x, double y) const { return (m[3] * x + m[4] * y + m[5]) / depth(x, y); }
  /// How much longer a short horizontal (vertical) line gets at this point.
  double stretchX(double x, double y) const;
  double stretchY(double x, double y) const;
};

/// What `affine` draws, in the units of its options: degrees, shares of a side, a change of depth a pixel.
struct WarpDraw {
  double perspectiveX = 0, perspectiveY = 0;
  double scaleX = 1, scaleY = 1;
  double rotate = 0;
  double shearX = 0, shearY = 0;
  double translateX = 0.5, translateY = 0.5;  ///< where the centre goes
};

/// Of a picture of width × height onto itself, in NanoDet's order: the centre becomes the origin, then
/// perspective, scale, rotation (positive: counter-clockwise on screen), shear, and the origin to its place.
Projection warpOf(const WarpDraw& draw, int width, int height);

}  // namespace hd::data
