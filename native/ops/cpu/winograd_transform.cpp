// Fused multiply-adds for every function below in the clones that have them; plain ones in the baseline
// clone.
#pragma GCC optimize("fp-contract=fast")

#include "ops/cpu/winograd_transform.h"

#include <algorithm>
#include <cstring>

#include "core/kernel.h"

namespace hd::ops::kernel {
namespace {

using Lanes = float __attribute__((vector_size(32)));
constexpr int64_t lanes = 8;

// Interpolation points 0, ±a, ±b and infinity (ops/winograd.h says why). All products below but those of G
// are exact in a float.
constexpr double a = 11.0 / 16, b = 11.0 / 8;
constexpr auto rounded = [](double value) { return static_cast<float>(value); };

/// Each struct is one 1-D transform of `from` vectors to `to` vectors.
struct InputTransform {  // Bᵀ
  static constexpr int from = patchSide, to = patchSide;
  HD_INLINE static void apply(const Lanes* d, Lanes* v) {
    constexpr float a1 = rounded(a), b1 = rounded(b), a2 = rounded(a * a), b2 = rounded(b * b);
    constexpr float sum = rounded(a * a + b * b), product = rounded(a * a * b * b);
    const Lanes evenA = d[4] - b2 * d[2], oddA = d[3] - b2 * d[1];
    const Lanes evenB = d[4] - a2 * d[2], oddB = d[3] - a2 * d[1];
    v[0] = product * d[0] + (d[4] - sum * d[2]);
    v[1] = evenA + a1 * oddA;
    v[2] = evenA - a1 * oddA;
    v[3] = evenB + b1 * oddB;
    v[4] = evenB - b1 * oddB;
    v[5] = product * d[1] + (d[5] - sum * d[3]);
  }
};

struct OutputTransform {  // Aᵀ
  static constexpr int from = patchSide, to = tileSide;
  HD_INLINE static void apply(const Lanes* m, Lanes* y) {
    constexpr float a1 = rounded(a), b1 = rounded(b), a2 = rounded(a * a), b2 = rounded(b * b);
    constexpr float a3 = rounded(a * a * a), b3 = rounded(b * b * b);
    const Lanes evenA = m[1] + m[2], oddA = m[1] - m[2], evenB = m[3] + m[4], oddB = m[3] - m[4];
    y[0] = m[0] + (evenA + evenB);
    y[1] = a1 * oddA + b1 * oddB;
    y[2] = a2 * evenA + b2 * evenB;
    y[3] = a3 * oddA + (b3 * oddB + m[5]);
  }
};

struct GradientTransform {  // A
  static constexpr int from = tileSide, to = patchSide;
  HD_INLINE static void apply(const Lanes* y, Lanes* m) {
    constexpr float a1 = rounded(a), b1 = rounded(b), a2 = rounded(a * a), b2 = rounded(b * b);
    const Lanes evenA = y[0] + a2 * y[2], oddA = y[1] + a2 * y[3];
    const Lanes evenB = y[0] + b2 * y[2], oddB = y[1] + b2 * y[3];
    m[0] = y[0];
    m[1] = evenA + a1 * oddA;
    m[2] = evenA - a1 * oddA;
    m[3] = evenB + b1 * oddB;
    m[4] = evenB - b1 * oddB;
    m[5] = y[3];
  }
};

/// The scale of G's rows: one over the product of a point's distances to the other finite points.
constexpr float scale0 = rounded(1 / (a * a * b * b)), scaleA = rounded(1 / (2 * a * a * (a * a - b * b))),
                scaleB = rounded(1 / (2 * b * b * (b * b - a * a)));

struct WeightTransform {  // G
  static constexpr int from = 3, to = patchSide;
  HD_INLINE static void apply(const Lanes* g, Lanes* u) {
    constexpr float a1 = rounded(a), b1 = rounded(b), a2 = rounded(a * a), b2 = rounded(b * b);
    const Lanes evenA = g[0] + a2 * g[2], evenB = g[0] + b2 * g[2];
    u[0] = scale0 * g[0];
    u[1] = scaleA * (evenA + a1 * g[1]);
    u[2] = scaleA * (evenA - a1 * g[1]);
    u[3] = scaleB * (evenB + b1 * g[1]);
    u[4] = scaleB * (evenB - b1 * g[1]);
    u[5] = g[2];
  }
};

struct WeightGradientTransform {  // Gᵀ
  static constexpr int from = patchSide, to = 3;
  HD_INLINE static void apply(const Lanes* u, Lanes* g) {
    constexpr float a1 = rounded(a), b1 = rounded(b), a2 = rounded(a * a), b2 = rounded(b * b);
    const Lanes evenA = scaleA * (u[1] + u[2]), oddA = scaleA * (u[1] - u[2]);
    const Lanes evenB = scaleB * (u[3] + u[4]), oddB = scaleB * (u[3] - u[4]);
    g[0] = scale0 * u[0] + (evenA + evenB);
    g[1] = a1 * oddA + b1 * oddB;
    g[2] = a2 * evenA + (b2 * evenB + u[5]);
  }
};

/// The 2-D transform: columns first, then rows. `in` is read as in[y][x]; `out` is written as out[y][x].
template <class Transform>
HD_INLINE void transform2d(const Lanes (&in)[Transform::from][Transform::from],
                           Lanes (&out)[Transform::to][Transform::to]) {
  constexpr int from = Transform::from, to = Transform::to;
  Lanes half[to][from];
#pragma GCC unroll 6
  for (int x = 0; x < from; ++x) {
    Lanes column[from], changed[to];
#pragma GCC unroll 6
    for (int y = 0; y < from; ++y) column[y] = in[y][x];
    Transform::apply(column, changed);
#pragma GCC unroll 6
    for (int y = 0; y < to; ++y) half[y][x] = changed[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < to; ++y) Transform::apply(half[y], out[y]);
}

HD_INLINE void load(Lanes& to, const float* from) {
  std::memcpy(&to, from, sizeof(Lanes));
}
HD_INLINE void store(float* to, const Lanes& from) {
  std::memcpy(to, &from, sizeof(Lanes));
}

/// How many of the eight channels from `channel` on exist.
HD_INLINE int64_t presentLanes(int64_t channel, int64_t channels) {
  return channels - channel < 0 ? 0 : channels - channel < lanes ? channels - channel : lanes;
}

HD_INLINE void storeAllPoints(const Lanes (&values)[patchSide][patchSide], float* out, int64_t stride) {
#pragma GCC unroll 6
  for (int64_t y = 0; y < patchSide; ++y) {
#pragma GCC unroll 6
    for (int64_t x = 0; x < patchSide; ++x) store(out + (y * patchSide + x) * stride, values[y][x]);
  }
}

HD_INLINE void loadAllPoints(Lanes (&values)[patchSide][patchSide], const float* in, int64_t stride) {
#pragma GCC unroll 6
  for (int64_t y = 0; y < patchSide; ++y) {
#pragma GCC unroll 6
    for (int64_t x = 0; x < patchSide; ++x) load(values[y][x], in + (y * patchSide + x) * stride);
  }
}

/// Walks over consecutive tiles of the levels.
template <class Pixel>
class TileCursor {
 public:
  HD_INLINE TileCursor(TiledLevels<Pixel> levels, int64_t tile) : level_(levels.data()) {
    while (tile >= level_->firstTile + level_->tiles()) ++level_;
    const int64_t local = tile - level_->firstTile;
    column_ = local % level_->tilesAcross();
    row_ = local / level_->tilesAcross() % level_->tilesDown();
    image_ = local / level_->tilesAcross() / level_->tilesDown();
  }
  HD_INLINE void next() {
    if (++column_ < level_->tilesAcross()) return;
    column_ = 0;
    if (++row_ < level_->tilesDown()) return;
    row_ = 0;
    if (++image_ < level_->batch) return;
    image_ = 0;
    ++level_;
  }
  HD_INLINE const TiledLevel<Pixel>& level() const { return *level_; }
  HD_INLINE int64_t top() const { return row_ * tileSide; }
  HD_INLINE int64_t left() const { return column_ * tileSide; }
  /// The pixel at row `y`, column `x` of the tile's image, which must exist.
  HD_INLINE Pixel* pixel(int64_t y, int64_t x, int64_t channels) const {
    return level_->pixels + ((image_ * level_->height + y) * level_->width + x) * channels;
  }

 private:
  const TiledLevel<Pixel>* level_;
  int64_t image_, row_, column_;
};

/// Reads side × side pixels from (top, left) on, eight channels each; what lies outside the image or past the
/// last channel is zero.
template <int side>
HD_INLINE void loadPixels(Lanes (&values)[side][side], const TileCursor<const float>& tile, int64_t top,
                          int64_t left, int64_t channel, int64_t channels) {
  const int64_t height = tile.level().height, width = tile.level().width;
  const int64_t present = presentLanes(channel, channels);
  const bool inside = top >= 0 && left >= 0 && top + side <= height && left + side <= width;
  if (inside && present == lanes) {
    const float* from = tile.pixel(top, left, channels) + channel;
#pragma GCC unroll 6
    for (int64_t y = 0; y < side; ++y) {
#pragma GCC unroll 6
      for (int64_t x = 0; x < side; ++x) load(values[y][x], from + (y * width + x) * channels);
    }
    return;
  }
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      Lanes value = {};
      const bool exists = top + y >= 0 && top + y < height && left + x >= 0 && left + x < width;
      if (exists && present == lanes) {
        load(value, tile.pixel(top + y, left + x, channels) + channel);
      } else if (exists && present > 0) {
        std::memcpy(&value, tile.pixel(top + y, left + x, channels) + channel,
                    static_cast<size_t>(present) * sizeof(float));
      }
      values[y][x] = value;
    }
  }
}

/// Rows [begin, end) of `out` from the pixels that start `margin` above and left of each tile.
template <class Transform, int64_t margin>
HD_INLINE void transformPixels(TiledLevels<const float> levels, TileBlock block, int64_t begin, int64_t end,
                               int64_t panel, const PointMatrices& out) {
  if (begin >= end) return;
  TileCursor<const float> tile(levels, block.first + begin);
  for (int64_t row = begin; row < end; ++row, tile.next()) {
    for (int64_t half = 0; half < panelWidth; half += lanes) {
      Lanes pixels[Transform::from][Transform::from], values[Transform::to][Transform::to];
      loadPixels(pixels, tile, tile.top() - margin, tile.left() - margin, panel * panelWidth + half,
                 out.channels);
      transform2d<Transform>(pixels, values);
      storeAllPoints(values, out.at(0, panel, row) + half, out.stride());
    }
  }
}

}  // namespace

HD_KERNEL void transformInput(TiledLevels<const float> levels, TileBlock block, int64_t begin, int64_t end,
                              int64_t panel, const PointMatrices& out) {
  const int64_t tilesEnd = end < block.count ? end : block.count;
  transformPixels<InputTransform, 1>(levels, block, begin, tilesEnd, panel, out);
  for (int64_t row = begin < tilesEnd ? tilesEnd : begin; row < end; ++row) {
    for (int64_t point = 0; point < tilePoints; ++point) {
      std::memset(out.at(point, panel, row), 0, panelWidth * sizeof(float));
    }
  }
}

HD_KERNEL void transformGradient(TiledLevels<const float> levels, TileBlock block, int64_t begin, int64_t end,
                                 int64_t panel, const PointMatrices& out) {
  transformPixels<GradientTransform, 0>(levels, block, begin, end, panel, out);
}

HD_KERNEL void transformOutput(const PointMatrices& in, TileBlock block, int64_t begin, int64_t end,
                               int64_t panel, const Epilogue& epilogue, TiledLevels<float> levels) {
  if (begin >= end) return;
  TileCursor<float> tile(levels, block.first + begin);
  for (int64_t row = begin; row < end; ++row, tile.next()) {
    const int64_t bottom =
        tile.top() + tileSide < tile.level().height ? tile.top() + tileSide : tile.level().height;
    const int64_t right =
        tile.left() + tileSide < tile.level().width ? tile.left() + tileSide : tile.level().width;
    for (int64_t half = 0; half < panelWidth; half += lanes) {
      const int64_t channel = panel * panelWidth + half, present = presentLanes(channel, in.channels);
      if (present == 0) break;
      const size_t bytes = static_cast<size_t>(present) * sizeof(float);
      Lanes added = {}, values[patchSide][patchSide], pixels[tileSide][tileSide];
      if (epilogue.bias != nullptr) std::memcpy(&added, epilogue.bias + channel, bytes);
      const float* residual =
          epilogue.residuals == nullptr ? nullptr : epilogue.residuals[&tile.level() - levels.data()];
      loadAllPoints(values, in.at(0, panel, row) + half, in.stride());
      transform2d<OutputTransform>(values, pixels);
      for (int64_t y = tile.top(); y < bottom; ++y) {
        for (int64_t x = tile.left(); x < right; ++x) {
          Lanes value = pixels[y - tile.top()][x - tile.left()] + added;
          float* to = tile.pixel(y, x, in.channels) + channel;
          if (residual != nullptr) {
            Lanes other = {};
            std::memcpy(&other, residual + (to - tile.level().pixels), bytes);
            value += other;
          }
          if (epilogue.relu) value = value < 0 ? Lanes{} : value;  // NaN stays
          if (present == lanes) {
            store(to, value);
          } else {
            std::memcpy(to, &value, bytes);
          }
        }
      }
    }
  }
}

HD_KERNEL void transformWeight(const WeightView<const float>& weight, int64_t begin, int64_t end,
                               int64_t panel, const PointMatrices& out) {
  for (int64_t in = begin; in < end; ++in) {
    for (int64_t half = 0; half < panelWidth; half += lanes) {
      const int64_t first = panel * panelWidth + half, present = presentLanes(first, out.channels);
      float gathered[3][3][lanes] = {};
      for (int64_t lane = 0; lane < present; ++lane) {
        const float* from = weight.data + (first + lane) * weight.outStride + in * weight.inStride;
        for (int64_t y = 0; y < 3; ++y) {
          for (int64_t x = 0; x < 3; ++x)
            gathered[y][x][lane] = from[y * weight.rowStride + x * weight.columnStride];
        }
      }
      Lanes window[3][3], values[patchSide][patchSide];
      std::memcpy(&window, gathered, sizeof(window));
      transform2d<WeightTransform>(window, values);
      storeAllPoints(values, out.at(0, panel, in) + half, out.stride());
    }
  }
}

HD_KERNEL void transformWeightGradient(const PointMatrices& in, int64_t begin, int64_t end, int64_t panel,
                                       const WeightView<float>& weight) {
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t half = 0; half < panelWidth; half += lanes) {
      const int64_t first = panel * panelWidth + half, present = presentLanes(first, in.channels);
      Lanes values[patchSide][patchSide], window[3][3];
      loadAllPoints(values, in.at(0, panel, row) + half, in.stride());
      transform2d<WeightGradientTransform>(values, window);
      float scattered[3][3][lanes];
      std::memcpy(scattered, window, sizeof(window));
      for (int64_t lane = 0; lane < present; ++lane) {
        float* to = weight.data + (first + lane) * weight.outStride + row * weight.inStride;
        for (int64_t y = 0; y < 3; ++y) {
          for (int64_t x = 0; x < 3; ++x)
            to[y * weight.rowStride + x * weight.columnStride] = scattered[y][x][lane];
        }
      }
    }
  }
}

}  // namespace hd::ops::kernel
