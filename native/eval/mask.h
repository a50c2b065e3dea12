// Binary masks as run lengths: codecs, areas, boxes, set operations and overlaps, equal to pycocotools bit
// for bit.
//
// Invariant of every Mask made here: the counts alternate between zeros and ones, start with zeros (perhaps
// none of them), run down the columns (column-major), and add up to height · width.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/coco.h"

namespace hd::eval {

/// Polygon of x, y pairs in pixels → mask, by the COCO rasteriser: the boundary is walked on a grid five
/// times finer, and a column is crossed where the walk passes its centre. Corners may lie outside the
/// picture. Throws HD_DATA_MASK for fewer than three corners, an odd count, or a coordinate beyond ±100 000
/// (also NaN).
Mask maskFromPolygon(std::span<const double> corners, uint32_t height, uint32_t width);
/// Union of several polygons; at least one.
Mask maskFromPolygons(const std::vector<std::vector<double>>& polygons, uint32_t height, uint32_t width);
/// x, y, w, h → mask, as the polygon of its corners.
Mask maskFromBox(const std::array<double, 4>& box, uint32_t height, uint32_t width);
/// Takes uncompressed counts. Throws HD_DATA_MASK unless they add up to height · width.
Mask maskFromCounts(std::vector<uint32_t> counts, uint32_t height, uint32_t width);
/// Column-major pixels, zero or not; height · width of them.
Mask maskFromPixels(std::span<const uint8_t> pixels, uint32_t height, uint32_t width);
/// Column-major pixels, 0 or 1.
std::vector<uint8_t> maskToPixels(const Mask& mask);

/// COCO's text form of the counts: differences to the count before last in base-32 digits (48…111 in ASCII).
std::string compressCounts(const Mask& mask);
/// The inverse. Throws HD_DATA_MASK for foreign characters, an unfinished or negative number, or a wrong sum.
Mask maskFromCompressed(std::string_view text, uint32_t height, uint32_t width);

/// Number of set pixels.
uint64_t maskArea(const Mask& mask);
/// x, y, w, h of the set pixels in whole pixels; zeros when none is set.
std::array<double, 4> maskBox(const Mask& mask);
/// Union (or intersection) of masks of one size. Throws HD_DATA_MASK for none or different sizes.
Mask mergeMasks(std::span<const Mask> masks, bool intersect);

/// Intersection over union of boxes x, y, w, h; over the detection's own area when the truth is a crowd.
double boxOverlap(const std::array<double, 4>& detection, const std::array<double, 4>& truth, bool crowd);
/// The same for masks; −1 where the sizes differ, as pycocotools has it.
double maskOverlap(const Mask& detection, const Mask& truth, bool crowd);

}  // namespace hd::eval
