// The rasteriser against the published procedure written out plainly: all boundary points first, then those
// that cross a column, then run lengths.
#include <algorithm>

#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::checkError;

namespace {

std::vector<uint8_t> plainRaster(const std::vector<double>& corners, int height, int width) {
  std::vector<int> xs, ys, u, v;
  for (size_t i = 0; i < corners.size(); i += 2) {
    xs.push_back(static_cast<int>(5 * corners[i] + .5));
    ys.push_back(static_cast<int>(5 * corners[i + 1] + .5));
  }
  xs.push_back(xs[0]);
  ys.push_back(ys[0]);
  for (size_t i = 0; i + 1 < xs.size(); ++i) {
    int x0 = xs[i], x1 = xs[i + 1], y0 = ys[i], y1 = ys[i + 1];
    const int dx = std::abs(x1 - x0), dy = std::abs(y1 - y0);
    const bool flip = (dx >= dy && x0 > x1) || (dx < dy && y0 > y1);
    if (flip) std::swap(x0, x1), std::swap(y0, y1);
    std::vector<std::pair<int, int>> line;
    for (int d = 0; d <= std::max(dx, dy); ++d) {
      if (dx >= dy) {
        line.push_back({x0 + d, dx == 0 ? y0 : static_cast<int>(y0 + double(y1 - y0) / dx * d + .5)});
      } else {
        line.push_back({static_cast<int>(x0 + double(x1 - x0) / dy * d + .5), y0 + d});
      }
    }
    if (flip) std::reverse(line.begin(), line.end());
    for (const auto& [x, y] : line) u.push_back(x), v.push_back(y);
  }
  // Every change toggles all pixels after it, column-major.
  std::vector<uint8_t> pixels(static_cast<size_t>(height * width), 0);
  for (size_t i = 1; i < u.size(); ++i) {
    if (u[i] == u[i - 1]) continue;
    const double x = ((u[i] < u[i - 1] ? u[i] : u[i] - 1) + .5) / 5 - .5;
    if (std::floor(x) != x || x < 0 || x > width - 1) continue;
    const double y = std::ceil(std::clamp((std::min(v[i], v[i - 1]) + .5) / 5 - .5, 0., double(height)));
    for (size_t p = static_cast<size_t>(x * height + y); p < pixels.size(); ++p) pixels[p] ^= 1;
  }
  return pixels;
}

}  // namespace

TEST_CASE("random polygons are drawn as the plain procedure draws them") {
  hd::Random random(1, "synthetic", 0, 0);
  constexpr int kHeight = 23, kWidth = 31;
  for (int round = 0; round < 600; ++round) {
    std::vector<double> corners;
    const uint32_t count = 3 + random.below(6);
    const float beyond = round % 3 == 0 ? 20.f : 0.f;  // every third polygon reaches far over the borders
    for (uint32_t i = 0; i < count; ++i) {
      double x = random.uniform(-beyond, kWidth + beyond), y = random.uniform(-beyond, kHeight + beyond);
      if (round % 4 == 1)
        x = std::round(x * 2) / 2, y = std::round(y * 2) / 2;  // halves: where rounding matters
      corners.push_back(x);
      corners.push_back(y);
      if (random.chance(.1f)) corners.push_back(x), corners.push_back(y);  // the same corner twice
    }
    const Mask mask = maskFromPolygon(corners, kHeight, kWidth);
    CHECK(maskToPixels(mask) == plainRaster(corners, kHeight, kWidth));
  }
}

TEST_CASE("whole-pixel rectangles are filled exactly") {
  hd::Random random(2, "synthetic", 0, 0);
  for (int round = 0; round < 200; ++round) {
    const double x = random.below(20), y = random.below(20), w = 1 + random.below(30),
                 h = 1 + random.below(30);
    const Mask mask = maskFromBox({x, y, w, h}, 40, 44);
    const double right = std::min(x + w, 44.), bottom = std::min(y + h, 40.);
    CHECK(maskArea(mask) == static_cast<uint64_t>((right - x) * (bottom - y)));
    CHECK(maskBox(mask) == std::array<double, 4>{x, y, right - x, bottom - y});
  }
}

TEST_CASE("degenerate polygons give empty masks, parts are united") {
  CHECK(maskArea(maskFromPolygon(std::vector<double>{3, 3, 3, 3, 3, 3}, 20, 20)) == 0);
  CHECK(maskArea(maskFromPolygon(std::vector<double>{-9, -9, -5, -9, -5, -5}, 20, 20)) == 0);
  CHECK(maskArea(maskFromPolygon(std::vector<double>{90, 2, 99, 2, 99, 9}, 20, 20)) == 0);
  const std::vector<std::vector<double>> parts{{0, 0, 4, 0, 4, 4, 0, 4}, {2, 2, 6, 2, 6, 6, 2, 6}};
  CHECK(maskArea(maskFromPolygons(parts, 20, 20)) == 28);
}

TEST_CASE("invalid polygons are refused") {
  const auto draw = [](std::vector<double> corners) { return [=] { maskFromPolygon(corners, 20, 20); }; };
  checkError(draw({}), "HD_DATA_MASK", "0 numbers");
  checkError(draw({1, 2, 3, 4}), "HD_DATA_MASK", "4 numbers");
  checkError(draw({1, 2, 3, 4, 5, 6, 7}), "HD_DATA_MASK", "7 numbers");
  checkError(draw({1, 2, 3, 4, 5, 1e9}), "HD_DATA_MASK", "received 1e+09");
  checkError(draw({1, 2, 3, 4, 5, std::nan("")}), "HD_DATA_MASK", "received nan");
  checkError([] { maskFromPolygons({}, 20, 20); }, "HD_DATA_MASK", "at least one part");
}
