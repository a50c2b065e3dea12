// The loops over pixels: RGB, 8 bit. Pointers and counts only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hd::data {

// Bilinear interpolation in fixed point: two rows are blended with 8-bit weights into 16 bits, then columns
// of the result with 15-bit weights. 255 · 2^8 · 2^15 and the rounding term stay below 2^32; the result is
// within one level of exact.
inline constexpr int rowWeightBits = 8, columnWeightBits = 15;
/// Readable elements that blendColumns() needs behind the right neighbour of its last column.
inline constexpr int rowSlack = 4;

/// out[i] = upper[i] · (2^8 − lowerWeight) + lower[i] · lowerWeight, for `count` elements; lowerWeight in
/// 0…2^8.
void blendRows(const uint8_t* upper, const uint8_t* lower, int lowerWeight, int count, uint16_t* out);

/// Pixel x blends the pixel at element columns[x] of `row` (left neighbour) with the next one, whose share is
/// weights[4x] / 2^15; each weight stands there four times, once a lane.
void blendColumns(const uint16_t* row, const uint32_t* columns, const uint16_t* weights, int count,
                  uint8_t* out);

/// out pixel x = in pixel count − 1 − x; the two do not overlap.
void mirrorRow(const uint8_t* in, int count, uint8_t* out);

/// Affine map in place: channel c = (rows[c][0…2] · (r, g, b) + rows[c][3]) / 2^12, clamped to 0…255. `rows`
/// is 3 × 4.
void mapColours(const int32_t* rows, int count, uint8_t* pixels);

/// The same in floating point: the whole part of a value plus `rounding`, clamped.
void mapFine(const float* rows, float rounding, int count, uint8_t* pixels);

/// Fraction bits of the shares of blendAt().
inline constexpr int placeBits = 11;

/// Where the pixels of a row lie in a picture of RGB: pixel x at (a, b) / c with (a, b, c) = start + x ·
/// step, in pixels from the centre of the first one; c > 0. Gives blendAt() the byte of the upper left of the
/// four neighbours, at most the second last of its row and line, and the shares; edges repeat.
void placePixels(const double* start, const double* step, int width, int height, int count, uint32_t* offsets,
                 uint16_t* acrossShares, uint16_t* downShares);

/// Pixel x blends four pixels of `pixels`: the one at byte offsets[x], its right neighbour (`right` bytes
/// on), and the two below (`below` bytes on). Shares of the right and lower ones: acrossShares[x] and
/// downShares[x] / 2^11. Exact up to rounding.
void blendAt(const uint8_t* pixels, const uint32_t* offsets, const uint16_t* acrossShares,
             const uint16_t* downShares, size_t right, size_t below, int count, uint8_t* out);

/// lower[i] = the nearest to (lower[i] · weight + upper[i] · (2^8 − weight)) / 2^8; weight in 0…2^8.
void blendOver(const uint8_t* upper, int weight, int count, uint8_t* lower);

/// A colour turn in place: the affine map `rows` (3 × 4, of values 0…255), then HSV: the distance of each
/// channel from the largest one times `saturation`, and the hue `hue` turns on. Rounded and clamped.
void turnColours(const float* rows, float saturation, float hue, int count, uint8_t* pixels);

}  // namespace hd::data
