#pragma GCC optimize("O3")
#include "core/colour.h"

#include <cstring>

#include "core/hue_kernel.h"

namespace hd {
namespace {

constexpr int kRun = 64;  // pixels; the arrays of a run stay in the first-level cache

HD_KERNEL void turnValues(const float* rows, float saturation, float sixths, int64_t count, float* values) {
  alignas(64) float channels[3][kRun];
  float m[12];  // a copy: for all the compiler knows, `values` could lie over `rows`
  std::memcpy(m, rows, sizeof m);
  for (int64_t start = 0; start < count; start += kRun) {
    const int run = static_cast<int>(count - start < kRun ? count - start : kRun);
    float* pixel = values + 3 * start;
    for (int x = 0; x < run; ++x) {
      for (int c = 0; c < 3; ++c) channels[c][x] = pixel[3 * x + c];
    }
    turnRun<kRun>(m, saturation, sixths, run, channels);
    for (int x = 0; x < run; ++x) {
      for (int c = 0; c < 3; ++c) pixel[3 * x + c] = channels[c][x];
    }
  }
}

HD_KERNEL void mapValues(const float* rows, int64_t count, float* values) {
  float m[12];
  std::memcpy(m, rows, sizeof m);
  for (int64_t x = 0; x < count; ++x, values += 3) {
    const float r = values[0], g = values[1], b = values[2];
    values[0] = m[0] * r + m[1] * g + m[2] * b + m[3];
    values[1] = m[4] * r + m[5] * g + m[6] * b + m[7];
    values[2] = m[8] * r + m[9] * g + m[10] * b + m[11];
  }
}

}  // namespace

ColourMap ColourMap::then(const ColourMap& next) const {
  ColourMap out;
  for (int row = 0; row < 3; ++row) {
    const float* weights = &next.rows[static_cast<size_t>(row) * 4];
    for (int column = 0; column < 4; ++column) {
      float sum = column == 3 ? weights[3] : 0;
      for (int k = 0; k < 3; ++k) sum += weights[k] * rows[static_cast<size_t>(k * 4 + column)];
      out.rows[static_cast<size_t>(row * 4 + column)] = sum;
    }
  }
  return out;
}

ColourMap ColourMap::contrast(float factor, float mean) {
  const float shift = (1 - factor) * mean;
  return {{factor, 0, 0, shift, 0, factor, 0, shift, 0, 0, factor, shift}};
}

void recolourValues(const ColourTurn& turn, int64_t count, float* values) {
  if (turn.usesHsv()) {
    turnValues(turn.map.rows.data(), turn.saturation, turn.hue * 6, count, values);
  } else {
    mapValues(turn.map.rows.data(), count, values);
  }
}

}  // namespace hd
