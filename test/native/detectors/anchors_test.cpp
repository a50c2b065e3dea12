#include "detectors/anchors.h"

#include <doctest/doctest.h>

#include <algorithm>

using hd::detectors::AnchorGrid;
using hd::detectors::Box;

namespace {

const std::vector<int64_t> strides{8, 16, 32, 64, 128};

std::vector<float> corners(const Box& box) {
  return {box.x1, box.y1, box.x2, box.y2};
}

}  // namespace

TEST_CASE("the published grids") {
  const AnchorGrid grid(128, 128, strides);
  std::vector<int64_t> counts;
  for (const auto& level : grid.levels()) counts.push_back(level.count());
  CHECK(counts == std::vector<int64_t>{256, 64, 16, 4, 1});
  CHECK(grid.anchors() == 341);
  CHECK(corners(grid.box(grid.levels()[0], 0, 0)) == std::vector<float>{-32, -32, 32, 32});
  CHECK(corners(grid.box(grid.levels()[0], 0, 1)) == std::vector<float>{-24, -32, 40, 32});
  CHECK(grid.levels()[1].first == 256);
  CHECK(corners(grid.box(grid.levels()[1], 0, 0)) == std::vector<float>{-64, -64, 64, 64});
  CHECK(corners(grid.box(grid.levels()[4], 0, 0)) == std::vector<float>{-512, -512, 512, 512});
  CHECK(AnchorGrid(800, 1344, strides).anchors() == 22400);
  CHECK(AnchorGrid(800, 1216, strides).anchors() == 20267);
  const AnchorGrid odd(800, 1344, strides);
  CHECK(odd.levels()[3].height == 13);
  CHECK(odd.levels()[4].width == 11);
}

TEST_CASE("cells count as valid inside the image's own padded shape") {
  const AnchorGrid grid(96, 160, strides);
  // 76 × 124 as it stands (divisor 1): cells whose index times stride lies inside.
  const auto exact = grid.validCells(76, 124, 1);
  CHECK(exact[0].height == 10);
  CHECK(exact[0].width == 16);
  CHECK(exact[2].height * exact[2].width == 12);
  // Padded to 32 it is 96 × 128.
  const auto padded = grid.validCells(76, 124, 32);
  CHECK(padded[0].height == 12);
  CHECK(padded[0].width == 16);
  CHECK(padded[4].height == 1);
  // Never beyond the canvas.
  const auto whole = grid.validCells(1000, 1000, 32);
  for (size_t l = 0; l < whole.size(); ++l) {
    CHECK(whole[l].height == grid.levels()[l].height);
    CHECK(whole[l].width == grid.levels()[l].width);
  }
}

TEST_CASE("another square size") {
  const AnchorGrid grid(64, 64, {16}, {{{4, 4}}, 0});
  CHECK(corners(grid.box(grid.levels()[0], 1, 2)) == std::vector<float>{0, -16, 64, 48});
}

TEST_CASE("several shapes a cell stand side by side, and an offset moves all centres") {
  hd::detectors::AnchorLayout layout;
  layout.shapes = {{4, 2}, {2, 4}};
  layout.offset = 0.5;
  const AnchorGrid grid(32, 48, {16, 32}, layout);
  CHECK(grid.anchors() == 2 * (2 * 3 + 1 * 2));
  CHECK(grid.levels()[1].first == 12);
  CHECK(grid.levels()[1].firstCell() == 6);
  CHECK(grid.levels()[0].cells() == 6);
  CHECK(corners(grid.box(grid.levels()[0], 1, 2, 0)) == std::vector<float>{8, 8, 72, 40});
  CHECK(corners(grid.box(grid.levels()[0], 1, 2, 1)) == std::vector<float>{24, -8, 56, 56});
  CHECK(grid.centre(grid.levels()[1], 1) == 48);
}

TEST_CASE("a visit misses no anchor that overlaps, whatever the layout") {
  for (const double offset : {0.0, 0.5}) {
    hd::detectors::AnchorLayout layout;
    layout.shapes = {{5, 2}, {3, 3}, {2, 7}};
    layout.offset = offset;
    const AnchorGrid grid(96, 160, {8, 16, 32}, layout);
    const auto valid = grid.validCells(70, 130, 32);
    for (float x = -30; x < 170; x += 13.7f) {
      const hd::detectors::Box object{x, x / 2, x + 9 + x / 8, x / 2 + 21};
      std::vector<int64_t> visited;
      grid.forOverlapping(valid, object,
                          [&](int64_t anchor, const hd::detectors::Box&) { visited.push_back(anchor); });
      CHECK(std::is_sorted(visited.begin(), visited.end()));
      for (size_t l = 0; l < grid.levels().size(); ++l) {
        const auto& level = grid.levels()[l];
        for (int64_t cell = 0; cell < level.cells(); ++cell) {
          const int64_t row = cell / level.width, column = cell % level.width;
          if (row >= valid[l].height || column >= valid[l].width) continue;
          for (int64_t shape = 0; shape < 3; ++shape) {
            const auto box = grid.box(level, row, column, shape);
            const bool overlaps =
                box.x1 < object.x2 && box.x2 > object.x1 && box.y1 < object.y2 && box.y2 > object.y1;
            const int64_t anchor = level.first + cell * 3 + shape;
            if (overlaps) CHECK(std::binary_search(visited.begin(), visited.end(), anchor));
          }
        }
      }
    }
  }
}
