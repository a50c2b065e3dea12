// Pixels of three bytes do not fill a register evenly. Each kernel therefore takes a run of pixels through
// small arrays in which they do (four lanes a pixel, the fourth of no meaning, or one array a channel), so
// that the arithmetic in the middle vectorises. The build's -O2 does not vectorise loops of unknown length;
// kernels ask for it.
#pragma GCC optimize("O3")
#include "data/transforms/pixel_kernels.h"

#include <cstring>

#include "core/hue_kernel.h"
#include "core/kernel.h"

namespace hd::data {
namespace {

constexpr int kRun = 64;  // pixels; the arrays of a run stay in the first-level cache

// The fourth lane holds an element of the next pixel; what it becomes is overwritten by that pixel. `last`:
// the final pixel of the row, which has no next one.
HD_INLINE void storePixels(const uint8_t* lanes, int count, bool last, uint8_t* out) {
  const int overlapping = last ? count - 1 : count;
  for (int x = 0; x < overlapping; ++x) std::memcpy(out + 3 * x, lanes + 4 * x, 4);
  if (last) std::memcpy(out + 3 * overlapping, lanes + 4 * overlapping, 3);
}

HD_INLINE uint8_t clampToByte(int32_t value) {
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

}  // namespace

HD_KERNEL void blendRows(const uint8_t* __restrict upper, const uint8_t* __restrict lower, int lowerWeight,
                         int count, uint16_t* __restrict out) {
  const auto below = static_cast<uint16_t>(lowerWeight),
             above = static_cast<uint16_t>((1 << rowWeightBits) - lowerWeight);
  for (int i = 0; i < count; ++i) out[i] = static_cast<uint16_t>(upper[i] * above + lower[i] * below);
}

HD_KERNEL void blendColumns(const uint16_t* row, const uint32_t* columns, const uint16_t* weights, int count,
                            uint8_t* out) {
  constexpr uint32_t kOne = 1u << columnWeightBits;
  alignas(64) uint16_t left[4 * kRun], right[4 * kRun];
  alignas(64) uint8_t blended[4 * kRun];
  for (int start = 0; start < count; start += kRun) {
    const int run = count - start < kRun ? count - start : kRun;
    const uint16_t* share = weights + 4 * start;
    for (int x = 0; x < run; ++x) {
      const uint16_t* pixel = row + columns[start + x];
      std::memcpy(left + 4 * x, pixel, 8);
      std::memcpy(right + 4 * x, pixel + 3, 8);
    }
    for (int i = 0; i < 4 * run; ++i) {
      // Of 8 + 15 fraction bits 7 are kept: high halves of 16-bit products, which every x86-64 has.
      const auto rest = static_cast<uint16_t>(kOne - share[i]);
      const auto fromLeft = static_cast<uint16_t>((uint32_t{left[i]} * rest) >> 16);
      const auto fromRight = static_cast<uint16_t>((uint32_t{right[i]} * share[i]) >> 16);
      blended[i] = static_cast<uint8_t>(static_cast<uint16_t>(fromLeft + fromRight + 64) >> 7);
    }
    storePixels(blended, run, start + run == count, out + 3 * start);
  }
}

HD_KERNEL void mirrorRow(const uint8_t* __restrict in, int count, uint8_t* __restrict out) {
  for (int x = 0; x < count; ++x) {
    const uint8_t* pixel = in + 3 * (count - 1 - x);
    out[3 * x] = pixel[0];
    out[3 * x + 1] = pixel[1];
    out[3 * x + 2] = pixel[2];
  }
}

HD_KERNEL void mapColours(const int32_t* rows, int count, uint8_t* pixels) {
  alignas(64) int32_t red[kRun], green[kRun], blue[kRun];
  int32_t m[12];  // a copy: for all the compiler knows, `pixels` could lie over `rows`
  std::memcpy(m, rows, sizeof m);
  for (int start = 0; start < count; start += kRun) {
    const int run = count - start < kRun ? count - start : kRun;
    uint8_t* pixel = pixels + 3 * start;
    for (int x = 0; x < run; ++x) {
      red[x] = pixel[3 * x];
      green[x] = pixel[3 * x + 1];
      blue[x] = pixel[3 * x + 2];
    }
    for (int x = 0; x < run; ++x) {
      const int32_t r = red[x], g = green[x], b = blue[x];
      pixel[3 * x] = clampToByte((m[0] * r + m[1] * g + m[2] * b + m[3]) >> 12);
      pixel[3 * x + 1] = clampToByte((m[4] * r + m[5] * g + m[6] * b + m[7]) >> 12);
      pixel[3 * x + 2] = clampToByte((m[8] * r + m[9] * g + m[10] * b + m[11]) >> 12);
    }
  }
}

HD_KERNEL void mapFine(const float* rows, float rounding, int count, uint8_t* pixels) {
  alignas(64) float channels[3][kRun], mapped[3][kRun];
  float m[12];
  std::memcpy(m, rows, sizeof m);
  for (int start = 0; start < count; start += kRun) {
    const int run = count - start < kRun ? count - start : kRun;
    uint8_t* pixel = pixels + 3 * start;
    for (int x = 0; x < run; ++x) {
      for (int c = 0; c < 3; ++c) channels[c][x] = pixel[3 * x + c];
    }
    for (int c = 0; c < 3; ++c) {
      const float red = m[4 * c], green = m[4 * c + 1], blue = m[4 * c + 2], shift = m[4 * c + 3] + rounding;
      for (int x = 0; x < run; ++x) {
        const float out = red * channels[0][x] + green * channels[1][x] + blue * channels[2][x] + shift;
        mapped[c][x] = out < 0 ? 0 : out > 255 ? 255 : out;
      }
    }
    for (int x = 0; x < run; ++x) {
      for (int c = 0; c < 3; ++c) pixel[3 * x + c] = static_cast<uint8_t>(mapped[c][x]);
    }
  }
}

HD_KERNEL void placePixels(const double* start, const double* step, int width, int height, int count,
                           uint32_t* __restrict offsets, uint16_t* __restrict acrossShares,
                           uint16_t* __restrict downShares) {
  const double a = start[0], b = start[1], c = start[2], da = step[0], db = step[1], dc = step[2];
  const double right = width - 1, bottom = height - 1, scale = 1 << placeBits;
  const int lastColumn = width > 1 ? width - 2 : 0, lastLine = height > 1 ? height - 2 : 0;
  for (int x = 0; x < count; ++x) {
    const double depth = c + x * dc;
    double across = (a + x * da) / depth, down = (b + x * db) / depth;
    across = across < 0 ? 0 : across > right ? right : across;
    down = down < 0 ? 0 : down > bottom ? bottom : down;
    const auto fixedAcross = static_cast<int32_t>(across * scale + 0.5);
    const auto fixedDown = static_cast<int32_t>(down * scale + 0.5);
    int32_t column = fixedAcross >> placeBits, line = fixedDown >> placeBits;
    column = column > lastColumn ? lastColumn : column;
    line = line > lastLine ? lastLine : line;
    offsets[x] =
        (static_cast<uint32_t>(line) * static_cast<uint32_t>(width) + static_cast<uint32_t>(column)) * 3u;
    acrossShares[x] = static_cast<uint16_t>(fixedAcross - (column << placeBits));
    downShares[x] = static_cast<uint16_t>(fixedDown - (line << placeBits));
  }
}

HD_KERNEL void blendAt(const uint8_t* pixels, const uint32_t* offsets, const uint16_t* acrossShares,
                       const uint16_t* downShares, size_t right, size_t below, int count, uint8_t* out) {
  constexpr uint32_t kOne = 1u << placeBits, kHalf = 1u << (2 * placeBits - 1);
  for (int x = 0; x < count; ++x) {
    const uint8_t* upper = pixels + offsets[x];
    const uint8_t* lower = upper + below;
    const uint32_t across = acrossShares[x], down = downShares[x];
    for (size_t c = 0; c < 3; ++c) {
      const uint32_t above = upper[c] * (kOne - across) + upper[right + c] * across;
      const uint32_t beneath = lower[c] * (kOne - across) + lower[right + c] * across;
      out[3 * x + static_cast<int>(c)] =
          static_cast<uint8_t>((above * (kOne - down) + beneath * down + kHalf) >> (2 * placeBits));
    }
  }
}

HD_KERNEL void blendOver(const uint8_t* __restrict upper, int weight, int count, uint8_t* __restrict lower) {
  const auto below = static_cast<uint16_t>(weight), above = static_cast<uint16_t>(256 - weight);
  for (int i = 0; i < count; ++i)
    lower[i] = static_cast<uint8_t>((lower[i] * below + upper[i] * above + 128) >> 8);
}

HD_KERNEL void turnColours(const float* rows, float saturation, float hue, int count, uint8_t* pixels) {
  alignas(64) float channels[3][kRun];
  float m[12];
  std::memcpy(m, rows, sizeof m);
  const float sixths = hue * 6;
  for (int start = 0; start < count; start += kRun) {
    const int run = count - start < kRun ? count - start : kRun;
    uint8_t* pixel = pixels + 3 * start;
    for (int x = 0; x < run; ++x) {
      for (int c = 0; c < 3; ++c) channels[c][x] = pixel[3 * x + c];
    }
    turnRun<kRun>(m, saturation, sixths, run, channels);
    for (int c = 0; c < 3; ++c) {
      for (int x = 0; x < run; ++x) {
        const float out = channels[c][x] + 0.5f;
        channels[c][x] = out < 0 ? 0 : out > 255 ? 255 : out;
      }
    }
    for (int x = 0; x < run; ++x) {
      for (int c = 0; c < 3; ++c) pixel[3 * x + c] = static_cast<uint8_t>(channels[c][x]);
    }
  }
}

}  // namespace hd::data
