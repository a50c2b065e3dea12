// The one pass that writes pixels: decoded picture → resized, mirrored, recoloured and padded place in a
// batch slot.
#pragma once

#include <cstddef>
#include <cstdint>

#include "data/dataset.h"
#include "data/transforms/transform.h"

namespace hd::data {

/// A place in a batch: RGB, 8 bit, `height` rows of `width` pixels, contiguous. The valid part is its top
/// left corner.
struct Canvas {
  uint8_t* pixels = nullptr;
  int width = 0, height = 0;
  size_t pitch() const { return static_cast<size_t>(width) * 3; }
};

/// Scratch of one thread; grows to the widest picture and is then reused.
struct RenderScratch {
  std::vector<uint16_t> row, weights;
  std::vector<uint32_t> columns;
  std::vector<uint16_t> across, down;  // of warps
  std::vector<uint8_t> sheet, aside;   // as large as a canvas: what lies over it, what is cut out
};

/// Paints a picture that plan.geometry warps over what the canvas holds: the part of the valid part that the
/// picture's window reaches. Decoding, interpolation and edges as in renderPicture(), to within one level;
/// colours included.
void warpPicture(const Picture& picture, const Plan& plan, const Canvas& canvas, RenderScratch& scratch);

/// Writes the valid part of the canvas of an axis-aligned plan (plan.geometry's width × height; fits the
/// canvas) from a picture that was decoded at 1/1, 1/2, 1/4 or 1/8 of the plan's original size. Bilinear,
/// half-pixel centres, edges repeated (OpenCV's INTER_LINEAR, torch's align_corners=False), within one level
/// of exact arithmetic. Returns the bytes that were merely copied: those of a picture in the data set's own
/// memory that neither geometry nor colour changed, so that Dataset::loadInto() could have spared the way;
/// else 0. Foreign memory is read in place.
int64_t renderPicture(const Picture& picture, const Plan& plan, const Canvas& canvas, RenderScratch& scratch);

/// Applies the plan's colours to the valid part, in place.
void recolour(const Plan& plan, const Canvas& canvas);

/// What of the plan's colours is left to the network, for the valid part as it lies there.
std::vector<ColourTurn> coloursBeyond(const Plan& plan, const Canvas& canvas);

/// Sets the whole canvas to `fill`.
void clearCanvas(const Canvas& canvas, const std::array<uint8_t, 3>& fill);

/// Sets everything but the valid part to `fill`.
void padCanvas(const Plan& plan, const Canvas& canvas, const std::array<uint8_t, 3>& fill);

}  // namespace hd::data
