// HSV without its formulas' branches, for the kernels that turn colours as bytes and as floating point.
#pragma once

#include "core/kernel.h"

namespace hd {

/// Of `run` pixels, a channel an array: first the affine map `m` (3 × 4), then the distance of each channel
/// from the largest one times `saturation`, and the hue `sixths` sixths of a turn on, three at most either
/// way.
template <int Run>
HD_INLINE void turnRun(const float* m, float saturation, float sixths, int run, float (*channels)[Run]) {
  for (int x = 0; x < run; ++x) {
    const float red = channels[0][x], green = channels[1][x], blue = channels[2][x];
    const float r = m[0] * red + m[1] * green + m[2] * blue + m[3];
    const float g = m[4] * red + m[5] * green + m[6] * blue + m[7];
    const float b = m[8] * red + m[9] * green + m[10] * blue + m[11];
    const float largerOf = g > b ? g : b, smallerOf = g > b ? b : g;
    const float value = r > largerOf ? r : largerOf, least = r < smallerOf ? r : smallerOf;
    const float chroma = value - least, divisor = chroma > 0 ? chroma : 1;
    // Which sixth of the circle, counted from red, and how far into it.
    float place = value == r ? (g - b) / divisor : value == g ? (b - r) / divisor + 2 : (r - g) / divisor + 4;
    place += sixths;
    const float reach = chroma * saturation;
    for (int c = 0; c < 3; ++c) {
      float k = place + (c == 0 ? 5.0f : c == 1 ? 3.0f : 1.0f);  // −4 < place < 8 with half a turn at most
      k = k < 0 ? k + 6 : k;
      k = k >= 6 ? k - 6 : k;
      k = k >= 6 ? k - 6 : k;
      const float rest = 4 - k, slope = k < rest ? k : rest;
      const float lack = slope < 0 ? 0 : slope > 1 ? 1 : slope;
      channels[c][x] = value - reach * lack;
    }
  }
}

}  // namespace hd
