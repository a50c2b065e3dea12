#include "data/transforms/projection.h"

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace hd::data {
namespace {

double radians(double degrees) {
  return degrees * std::numbers::pi / 180;
}

}  // namespace

Projection Projection::then(const Projection& next) const {
  Projection out;
  for (size_t row = 0; row < 3; ++row) {
    for (size_t column = 0; column < 3; ++column) {
      double sum = 0;
      for (size_t k = 0; k < 3; ++k) sum += next.m[row * 3 + k] * m[k * 3 + column];
      out.m[row * 3 + column] = sum;
    }
  }
  return out;
}

Projection Projection::inverse() const {
  const auto cofactor = [this](size_t row, size_t column) {
    const size_t r0 = (row + 1) % 3 * 3, r1 = (row + 2) % 3 * 3, c0 = (column + 1) % 3, c1 = (column + 2) % 3;
    return m[r0 + c0] * m[r1 + c1] - m[r0 + c1] * m[r1 + c0];
  };
  const double determinant = m[0] * cofactor(0, 0) + m[1] * cofactor(0, 1) + m[2] * cofactor(0, 2);
  require(std::isfinite(determinant) && determinant != 0, "expected a map of the plane that can be undone");
  Projection out;
  for (size_t row = 0; row < 3; ++row) {
    for (size_t column = 0; column < 3; ++column)
      out.m[row * 3 + column] = cofactor(column, row) / determinant;
  }
  return out;
}

double Projection::stretchX(double x, double y) const {
  const double w = depth(x, y);
  return std::hypot(m[0] - m[6] * mapX(x, y), m[3] - m[6] * mapY(x, y)) / std::abs(w);
}

double Projection::stretchY(double x, double y) const {
  const double w = depth(x, y);
  return std::hypot(m[1] - m[7] * mapX(x, y), m[4] - m[7] * mapY(x, y)) / std::abs(w);
}

Projection warpOf(const WarpDraw& draw, int width, int height) {
  const double c = std::cos(radians(draw.rotate)), s = std::sin(radians(draw.rotate));
  const Projection perspective{{1, 0, 0, 0, 1, 0, draw.perspectiveX, draw.perspectiveY, 1}};
  const Projection rotation{{c, s, 0, -s, c, 0, 0, 0, 1}};
  const Projection shear{
      {1, std::tan(radians(draw.shearX)), 0, std::tan(radians(draw.shearY)), 1, 0, 0, 0, 1}};
  return Projection::moved(-width / 2.0, -height / 2.0)
      .then(perspective)
      .then(Projection::scaled(draw.scaleX, draw.scaleY))
      .then(rotation)
      .then(shear)
      .then(Projection::moved(draw.translateX * width, draw.translateY * height));
}

}  // namespace hd::data
