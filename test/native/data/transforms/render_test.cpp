#include "data/transforms/render.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "native/data/picture_fixture.h"

using namespace hd::data;
using fixture::Bytes;
using fixture::noise;

namespace {

Picture view(const Bytes& pixels, int width, int height) {
  return {width, height, {}, pixels.data(), nullptr};
}

// Exact bilinear value of the target pixel (x, y), channel c, in double.
double reference(const Bytes& pixels, int width, int height, int divisor, const Geometry& geometry, int x,
                 int y, int c) {
  const double u = geometry.flipped ? geometry.width - (x + 0.5) : x + 0.5;
  const double sx = std::clamp((u - geometry.offsetX) / geometry.scaleX / divisor - 0.5, 0.0, width - 1.0);
  const double sy =
      std::clamp((y + 0.5 - geometry.offsetY) / geometry.scaleY / divisor - 0.5, 0.0, height - 1.0);
  const int x0 = static_cast<int>(sx), y0 = static_cast<int>(sy);
  const int x1 = std::min(x0 + 1, width - 1), y1 = std::min(y0 + 1, height - 1);
  const auto at = [&](int px, int py) {
    return static_cast<double>(pixels[static_cast<size_t>((py * width + px) * 3 + c)]);
  };
  const double fx = sx - x0, fy = sy - y0;
  return (at(x0, y0) * (1 - fx) + at(x1, y0) * fx) * (1 - fy) +
         (at(x0, y1) * (1 - fx) + at(x1, y1) * fx) * fy;
}

double largestError(const Bytes& pixels, int width, int height, int divisor, const Plan& plan) {
  const Geometry& geometry = plan.geometry;
  const int canvasWidth = geometry.width + 5, canvasHeight = geometry.height + 3;
  Bytes out(static_cast<size_t>(canvasWidth) * static_cast<size_t>(canvasHeight) * 3, 0x5A);
  RenderScratch scratch;
  renderPicture(view(pixels, width, height), plan, {out.data(), canvasWidth, canvasHeight}, scratch);
  double largest = 0;
  for (int y = 0; y < canvasHeight; ++y) {
    for (int x = 0; x < canvasWidth; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int value = out[static_cast<size_t>((y * canvasWidth + x) * 3 + c)];
        const bool valid = x < geometry.width && y < geometry.height;
        const double expected = valid ? reference(pixels, width, height, divisor, geometry, x, y, c) : 0x5A;
        largest = std::max(largest, std::abs(value - expected));
      }
    }
  }
  return largest;
}

}  // namespace

TEST_CASE(
    "resampling agrees with exact bilinear interpolation to one level, and touches the valid part only") {
  for (uint64_t round = 0; round < 120; ++round) {
    hd::Random random(6, "test", 0, round);
    const int width = 1 + static_cast<int>(random.below(60)), height = 1 + static_cast<int>(random.below(60));
    const Bytes pixels = noise(static_cast<size_t>(width) * static_cast<size_t>(height) * 3, round);
    Plan plan(width, height);
    for (int step = 0; step < 3; ++step) {
      Geometry& geometry = plan.geometry;
      if (random.chance(0.5f)) geometry.flip();
      if (random.chance(0.5f))
        geometry.resize(1 + static_cast<int>(random.below(80)), 1 + static_cast<int>(random.below(80)));
      if (random.chance(0.5f)) {
        const int w = 1 + static_cast<int>(random.below(static_cast<uint32_t>(geometry.width)));
        const int h = 1 + static_cast<int>(random.below(static_cast<uint32_t>(geometry.height)));
        geometry.crop(static_cast<int>(random.below(static_cast<uint32_t>(geometry.width - w + 1))),
                      static_cast<int>(random.below(static_cast<uint32_t>(geometry.height - h + 1))), w, h);
      }
    }
    CAPTURE(round);
    CHECK(largestError(pixels, width, height, 1, plan) <= 1.02);
  }
}

TEST_CASE("pictures that were decoded at a fraction keep their place") {
  for (const int divisor : {2, 4, 8}) {
    const int width = 97, height = 50;
    const int w = (width + divisor - 1) / divisor, h = (height + divisor - 1) / divisor;
    const Bytes pixels = noise(static_cast<size_t>(w * h) * 3, static_cast<uint64_t>(divisor));
    Plan plan(width, height);
    plan.geometry.resize(11, 6);
    plan.geometry.flip();
    CHECK(largestError(pixels, w, h, divisor, plan) <= 1.02);
  }
}

TEST_CASE("crop and mirror move pixels unchanged") {
  const Bytes pixels = noise(30 * 20 * 3, 9);
  Plan plan(30, 20);
  plan.geometry.crop(4, 5, 20, 10);
  CHECK(largestError(pixels, 30, 20, 1, plan) == 0);
  plan.geometry.flip();
  CHECK(largestError(pixels, 30, 20, 1, plan) == 0);
}

TEST_CASE("only a picture that nothing happens to counts as copied") {
  const Bytes pixels = noise(16 * 8 * 3, 1);
  Bytes out(pixels.size());
  RenderScratch scratch;
  const auto copied = [&](const Picture& picture, const Plan& plan) {
    return renderPicture(picture, plan, {out.data(), 16, 8}, scratch);
  };
  Picture owned = view(pixels, 16, 8);
  owned.storage = pixels;
  owned.pixels = owned.storage.data();
  CHECK(copied(owned, Plan(16, 8)) == 16 * 8 * 3);
  CHECK(out == pixels);
  CHECK(copied(view(pixels, 16, 8), Plan(16, 8)) == 0);  // foreign memory is read in place
  Plan flipped(16, 8);
  flipped.geometry.flip();
  CHECK(copied(owned, flipped) == 0);
  Plan coloured(16, 8);
  coloured.colour.rows[3] = 10;
  CHECK(copied(owned, coloured) == 0);
}

TEST_CASE("colours agree with the map in float to one level, and are clamped") {
  const Bytes pixels = noise(32 * 16 * 3, 2);
  Plan plan(32, 16);
  plan.colour.rows = {1.2f, -0.3f, 0.1f, 12, 0.2f, 0.7f, 0.05f, -30, -0.4f, 0.3f, 1.7f, 3};
  Bytes out = pixels;
  recolour(plan, {out.data(), 32, 16});
  double largest = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const float* m = &plan.colour.rows[i % 3 * 4];
    const uint8_t* pixel = &pixels[i / 3 * 3];
    const double expected =
        std::clamp(m[0] * pixel[0] + m[1] * pixel[1] + m[2] * pixel[2] + m[3], 0.0f, 255.0f);
    largest = std::max(largest, std::abs(out[i] - expected));
  }
  CHECK(largest <= 0.6);
}

TEST_CASE("padding fills exactly what is not valid") {
  Bytes out(10 * 6 * 3, 1);
  padCanvas(Plan(7, 4), {out.data(), 10, 6}, {10, 20, 30});
  for (int y = 0; y < 6; ++y) {
    for (int x = 0; x < 10; ++x) {
      for (int c = 0; c < 3; ++c)
        CHECK(out[static_cast<size_t>((y * 10 + x) * 3 + c)] == (x < 7 && y < 4 ? 1 : 10 * (c + 1)));
    }
  }
}

TEST_CASE("a picture of another size than planned is refused") {
  const Bytes pixels = noise(10 * 10 * 3, 3);
  Bytes out(20 * 20 * 3);
  RenderScratch scratch;
  CHECK(fixture::codeOf([&] {
          renderPicture(view(pixels, 10, 10), Plan(15, 10), {out.data(), 20, 20}, scratch);
        }) == "HD_DATA_IMAGE");
}

namespace {

// As warpPicture() should paint, in double; the fill where the picture is not.
double warped(const Bytes& pixels, int width, int height, int divisor, const Geometry& geometry, int x, int y,
              int c) {
  const Projection back = geometry.toCanvas().inverse();
  const double u = back.mapX(x + 0.5, y + 0.5), v = back.mapY(x + 0.5, y + 0.5);
  if (!(back.depth(x + 0.5, y + 0.5) > 0) || !geometry.window.contains(u, v)) return 0x5A;
  Geometry same = Geometry::identity(1, 1);  // the axis-aligned reference at this very point
  same.offsetX = x + 0.5 - u;
  same.offsetY = y + 0.5 - v;
  return reference(pixels, width, height, divisor, same, x, y, c);
}

double largestWarpError(const Bytes& pixels, int width, int height, int divisor, const Plan& plan) {
  const int canvasWidth = plan.geometry.width + 4, canvasHeight = plan.geometry.height + 2;
  Bytes out(static_cast<size_t>(canvasWidth) * static_cast<size_t>(canvasHeight) * 3, 0x5A);
  RenderScratch scratch;
  warpPicture(view(pixels, width, height), plan, {out.data(), canvasWidth, canvasHeight}, scratch);
  double largest = 0;
  for (int y = 0; y < canvasHeight; ++y) {
    for (int x = 0; x < canvasWidth; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int value = out[static_cast<size_t>((y * canvasWidth + x) * 3 + c)];
        const bool valid = x < plan.geometry.width && y < plan.geometry.height;
        const double expected = valid ? warped(pixels, width, height, divisor, plan.geometry, x, y, c) : 0x5A;
        largest = std::max(largest, std::abs(value - expected));
      }
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("warps agree with exact interpolation to one level, and paint only where the picture is") {
  for (uint64_t round = 0; round < 150; ++round) {
    hd::Random random(7, "test", 0, round);
    const int divisor = 1 << random.below(3);
    Plan plan(2 + static_cast<int>(random.below(60)), 2 + static_cast<int>(random.below(60)));
    const int width = (plan.originalWidth + divisor - 1) / divisor,
              height = (plan.originalHeight + divisor - 1) / divisor;
    const Bytes pixels = noise(static_cast<size_t>(width) * static_cast<size_t>(height) * 3, round);
    Geometry& geometry = plan.geometry;
    if (random.chance(0.5f)) geometry.flip();
    if (random.chance(0.5f))
      geometry.crop(1, 0, std::max(1, geometry.width / 2), std::max(1, geometry.height / 2));
    const WarpDraw draw{.perspectiveX = random.uniform(-0.004f, 0.004f),
                        .scaleX = random.uniform(0.3f, 2),
                        .scaleY = random.uniform(0.3f, 2),
                        .rotate = random.uniform(-180, 180),
                        .shearX = random.uniform(-30, 30),
                        .translateX = random.uniform(0.2f, 0.8f)};
    geometry.warp(warpOf(draw, geometry.width, geometry.height), 40, 50);
    if (random.chance(0.5f)) geometry.flip();
    if (random.chance(0.5f)) geometry.resize(70, 33);
    CAPTURE(round);
    CHECK(largestWarpError(pixels, width, height, divisor, plan) <= 1.01);
  }
}

TEST_CASE("a warp that changes nothing gives the same pixels") {
  const Bytes pixels = noise(33 * 21 * 3, 5);
  Plan plan(33, 21);
  plan.geometry.warp({}, 33, 21);
  CHECK(largestWarpError(pixels, 33, 21, 1, plan) == 0);
  Plan one(1, 1);  // a single pixel has no neighbours
  one.geometry.warp(Projection::scaled(5, 5), 5, 5);
  CHECK(largestWarpError({9, 8, 7}, 1, 1, 1, one) == 0);
}

TEST_CASE("a picture that is warped out of sight paints nothing") {
  const Bytes pixels = noise(20 * 20 * 3, 5);
  Plan plan(20, 20);
  plan.geometry.warp(Projection::moved(500, 0), 20, 20);
  Bytes out(20 * 20 * 3, 3);
  RenderScratch scratch;
  warpPicture(view(pixels, 20, 20), plan, {out.data(), 20, 20}, scratch);
  CHECK(out == Bytes(20 * 20 * 3, 3));
  clearCanvas({out.data(), 20, 20}, {1, 2, 3});
  CHECK(out[0] == 1);
  CHECK(out.back() == 3);
}

TEST_CASE("colour turns come before the map, on warped pixels and on others, and never on the padding") {
  Bytes pixels(8 * 8 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = i % 3 == 0 ? 200 : 100;
  Plan plan(8, 8);
  plan.turns.push_back({ColourMap{}, 0.5f, 0});  // the distance from 200 halves: 150
  plan.colour.rows[7] = 10;
  Bytes out(12 * 8 * 3, 60);
  RenderScratch scratch;
  renderPicture(view(pixels, 8, 8), plan, {out.data(), 12, 8}, scratch);
  CHECK(Bytes(out.begin(), out.begin() + 3) == Bytes{200, 160, 150});
  CHECK(out[8 * 3] == 60);
  out.assign(out.size(), 60);
  plan.geometry.warp(Projection::moved(4, 0), 8, 8);
  warpPicture(view(pixels, 8, 8), plan, {out.data(), 12, 8}, scratch);
  CHECK(Bytes(out.begin() + 12, out.begin() + 15) == Bytes{200, 160, 150});
  CHECK(out[0] == 60);
}
