#include "data/transforms/projection.h"

#include <doctest/doctest.h>

#include <cmath>

#include "data/transforms/targets.h"
#include "data/transforms/transform.h"
#include "native/data/picture_fixture.h"

using namespace hd::data;

namespace {

void checkMatrix(const Projection& projection, const std::array<double, 9>& expected) {
  for (size_t i = 0; i < 9; ++i) CHECK(projection.m[i] == doctest::Approx(expected[i]).scale(1));
}

}  // namespace

TEST_CASE("maps are applied one after another, and inverses lead back") {
  for (uint64_t round = 0; round < 200; ++round) {
    hd::Random random(1, "test", 0, round);
    const auto drawn = [&] {
      Projection out;
      for (size_t i = 0; i < 6; ++i) out.m[i] += random.uniform(-0.6f, 0.6f);
      out.m[6] = random.uniform(-0.01f, 0.01f);
      out.m[7] = random.uniform(-0.01f, 0.01f);
      return out;
    };
    const Projection first = drawn(), second = drawn();
    const double x = random.uniform(-10, 10), y = random.uniform(-10, 10);
    const double ux = first.mapX(x, y), uy = first.mapY(x, y);
    CHECK(first.then(second).mapX(x, y) == doctest::Approx(second.mapX(ux, uy)).epsilon(1e-9));
    CHECK(first.then(second).mapY(x, y) == doctest::Approx(second.mapY(ux, uy)).epsilon(1e-9));
    CHECK(first.then(first.inverse()).mapX(x, y) == doctest::Approx(x).epsilon(1e-9));
    CHECK(first.inverse().mapY(ux, uy) == doctest::Approx(y).epsilon(1e-9));
    const double step = 1e-5;
    CHECK(first.stretchX(x, y) ==
          doctest::Approx(std::hypot(first.mapX(x + step, y) - ux, first.mapY(x + step, y) - uy) / step)
              .epsilon(1e-3));
    CHECK(first.stretchY(x, y) ==
          doctest::Approx(std::hypot(first.mapX(x, y + step) - ux, first.mapY(x, y + step) - uy) / step)
              .epsilon(1e-3));
  }
  CHECK(fixture::codeOf([] { Projection{{1, 0, 0, 2, 0, 0, 0, 0, 1}}.inverse(); }) == "HD_INTERNAL");
}

TEST_CASE("warps: the neutral draw changes nothing") {
  checkMatrix(warpOf({}, 640, 480), Projection{}.m);
}

TEST_CASE("warps: NanoDet's matrices of scale, stretch, mirror and move, without the ratio kept") {
  Geometry geometry = Geometry::identity(640, 480);
  geometry.resize(320, 320);
  checkMatrix(geometry.toCanvas(), {0.5, 0, 0, 0, 2 / 3.0, 0, 0, 0, 1});
  // The mirror comes last here and before the move there: 0.4 of the width from the left is 0.6 after it.
  geometry = Geometry::identity(640, 480);
  geometry.warp(
      warpOf({.scaleX = 1.2 * 0.9, .scaleY = 1.2 * 1.1, .translateX = 0.4, .translateY = 0.45}, 640, 480),
      640, 480);
  geometry.flip();
  geometry.resize(320, 320);
  checkMatrix(geometry.toCanvas(), {-0.54, 0, 364.8, 0, 0.88, -67.2, 0, 0, 1});
  const std::array<double, 4> box = projectBox(geometry.toCanvas(), {100, 50, 300, 400});
  CHECK(box[0] == doctest::Approx(202.8));
  CHECK(box[1] == doctest::Approx(-23.2));  // NanoDet cuts it at the border
  CHECK(box[2] == doctest::Approx(310.8));
  CHECK(box[3] == doctest::Approx(284.8));
}

TEST_CASE("warps: turns, slants and tilts about the centre") {
  const Projection turned = warpOf({.rotate = 90}, 100, 60);  // counter-clockwise: right goes up
  CHECK(turned.mapX(50, 30) == doctest::Approx(50));
  CHECK(turned.mapX(70, 30) == doctest::Approx(50));
  CHECK(turned.mapY(70, 30) == doctest::Approx(10));
  const Projection slanted = warpOf({.shearX = 45}, 100, 60);
  CHECK(slanted.mapX(50, 40) == doctest::Approx(60));
  CHECK(slanted.mapY(50, 40) == doctest::Approx(40));
  const Projection down = warpOf({.shearY = 45}, 100, 60);
  CHECK(down.mapY(70, 30) == doctest::Approx(50));
  const Projection tilted = warpOf({.perspectiveX = 0.01}, 100, 60);
  CHECK(tilted.mapX(75, 30) == doctest::Approx(50 + 25 / 1.25));
  CHECK(tilted.mapY(75, 60) == doctest::Approx(30 + 30 / 1.25));
  CHECK(tilted.mapX(25, 30) == doctest::Approx(50 - 25 / 0.75));
}

TEST_CASE("warps: the order is perspective, scale, rotation, shear, move") {
  const WarpDraw draw{.perspectiveX = 0.004,
                      .perspectiveY = -0.002,
                      .scaleX = 1.5,
                      .scaleY = 0.5,
                      .rotate = 30,
                      .shearX = 10,
                      .shearY = -20,
                      .translateX = 0.6,
                      .translateY = 0.3};
  double x = 12 - 50, y = 41 - 30;  // by hand: the point (12, 41) of a picture of 100 × 60
  const double depth = 1 + 0.004 * x - 0.002 * y;
  x *= 1.5 / depth;
  y *= 0.5 / depth;
  const double c = std::cos(M_PI / 6), s = std::sin(M_PI / 6);
  const double u = c * x + s * y, v = -s * x + c * y;
  const double p = u + std::tan(M_PI / 18) * v, q = v + std::tan(-M_PI / 9) * u;
  const Projection warp = warpOf(draw, 100, 60);
  CHECK(warp.mapX(12, 41) == doctest::Approx(p + 60));
  CHECK(warp.mapY(12, 41) == doctest::Approx(q + 18));
}

TEST_CASE("a box with a corner behind the viewer has no place") {
  const Projection tilted{{1, 0, 0, 0, 1, 0, -0.02, 0, 1}};
  CHECK(projectBox(tilted, {0, 0, 40, 10})[2] == doctest::Approx(200));
  CHECK(projectBox(tilted, {0, 0, 60, 10}) == std::array<double, 4>{0, 0, 0, 0});
}
