#include "data/transforms/render.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "data/transforms/pixel_kernels.h"

namespace hd::data {
namespace {

// One axis of the way back: source position of the centre of target pixel i = start + i · step, in decoded
// pixels.
struct Axis {
  double start, step;
  int size;  // decoded pixels

  // `scale`, `offset`: original → canvas; `divisor`: of scaled decoding.
  Axis(double scale, double offset, int divisor, int size)
      : start((0.5 - offset) / (scale * divisor) - 0.5), step(1 / (scale * divisor)), size(size) {}

  // The left (upper) neighbour, at most size − 2, and the share of the other one; edges repeat.
  int neighbour(int target, double* share) const {
    const double at = std::clamp(start + step * target, 0.0, static_cast<double>(size - 1));
    const int first = std::min(static_cast<int>(at), std::max(0, size - 2));
    *share = at - first;
    return first;
  }
};

int divisorOf(const Picture& picture, const Plan& plan) {
  for (int divisor = 1; divisor <= 8; divisor *= 2) {
    if (picture.width == (plan.originalWidth + divisor - 1) / divisor &&
        picture.height == (plan.originalHeight + divisor - 1) / divisor) {
      return divisor;
    }
  }
  throw Error("HD_DATA_IMAGE",
              concat("expected a picture of ", plan.originalWidth, "×", plan.originalHeight, " but received ",
                     picture.width, "×", picture.height, "; correct its announced size"));
}

// Crop and mirror at most: pixels move as they are.
void moveRows(const Picture& picture, const Geometry& geometry, const Canvas& canvas) {
  const auto left = static_cast<size_t>(-geometry.offsetX), top = static_cast<size_t>(-geometry.offsetY);
  const size_t pitch = static_cast<size_t>(picture.width) * 3;
  for (size_t y = 0; y < static_cast<size_t>(geometry.height); ++y) {
    const uint8_t* source = picture.pixels + (top + y) * pitch + left * 3;
    uint8_t* out = canvas.pixels + y * canvas.pitch();
    if (geometry.flipped) {
      mirrorRow(source, geometry.width, out);
    } else {
      std::memcpy(out, source, static_cast<size_t>(geometry.width) * 3);
    }
  }
}

void resample(const Picture& picture, const Geometry& geometry, int divisor, const Canvas& canvas,
              RenderScratch& scratch) {
  const Axis across(geometry.scaleX, geometry.offsetX, divisor, picture.width);
  const Axis down(geometry.scaleY, geometry.offsetY, divisor, picture.height);
  const auto width = static_cast<size_t>(geometry.width);
  scratch.columns.resize(width);
  scratch.weights.resize(width * 4);
  int firstColumn = picture.width, lastColumn = 0;
  for (int x = 0; x < geometry.width; ++x) {
    double share = 0;
    const int column = across.neighbour(x, &share);
    const auto at = static_cast<size_t>(geometry.flipped ? geometry.width - 1 - x : x);
    scratch.columns[at] = static_cast<uint32_t>(column) * 3;
    std::fill_n(scratch.weights.begin() + static_cast<int64_t>(at) * 4, 4,
                static_cast<uint16_t>(std::lround(share * (1 << columnWeightBits))));
    firstColumn = std::min(firstColumn, column);
    lastColumn = std::max(lastColumn, column);
  }
  for (uint32_t& column : scratch.columns) column -= static_cast<uint32_t>(firstColumn) * 3;
  const int used = std::min(lastColumn + 2, picture.width) - firstColumn;
  scratch.row.resize(std::max(scratch.row.size(), static_cast<size_t>(used) * 3 + rowSlack));
  const size_t pitch = static_cast<size_t>(picture.width) * 3;
  for (int y = 0; y < geometry.height; ++y) {
    double share = 0;
    const int line = down.neighbour(y, &share);
    const uint8_t* upper =
        picture.pixels + static_cast<size_t>(line) * pitch + static_cast<size_t>(firstColumn) * 3;
    const uint8_t* lower = line + 1 < picture.height ? upper + pitch : upper;
    blendRows(upper, lower, static_cast<int>(std::lround(share * (1 << rowWeightBits))), used * 3,
              scratch.row.data());
    blendColumns(scratch.row.data(), scratch.columns.data(), scratch.weights.data(), geometry.width,
                 canvas.pixels + static_cast<size_t>(y) * canvas.pitch());
  }
}

// From the canvas to the picture, pixel centres at halves.
class WayBack {
 public:
  explicit WayBack(const Projection& inverse) : inverse_(inverse) {}
  // False where the picture's window does not reach, and behind the viewer.
  bool find(double x, double y, const Window& window, double* sourceX, double* sourceY) const {
    const double depth = inverse_.depth(x, y);
    if (!(depth > 1e-9)) return false;
    *sourceX = (inverse_.m[0] * x + inverse_.m[1] * y + inverse_.m[2]) / depth;
    *sourceY = (inverse_.m[3] * x + inverse_.m[4] * y + inverse_.m[5]) / depth;
    return window.contains(*sourceX, *sourceY);
  }

 private:
  const Projection inverse_;
};

// The left (upper) neighbour of a position and the share of the other one, in 2^-placeBits; edges repeat.
uint32_t place(double at, int size, uint16_t* share) {
  const double inside = std::clamp(at, 0.0, static_cast<double>(size - 1));
  const auto fixed = static_cast<uint32_t>(inside * (1 << placeBits) + 0.5);
  const uint32_t first = std::min(fixed >> placeBits, static_cast<uint32_t>(std::max(0, size - 2)));
  *share = static_cast<uint16_t>(fixed - (first << placeBits));
  return first;
}

// A plan's colours as the kernels take them.
class ColourKernels {
 public:
  explicit ColourKernels(const Plan& plan) : turns_(plan.turns), maps_(!plan.colour.identity()) {
    for (size_t i = 0; i < 12; ++i) {
      rows_[i] = static_cast<int32_t>(std::lround(plan.colour.rows[i] * 4096)) + (i % 4 == 3 ? 2048 : 0);
    }
  }
  void apply(int count, uint8_t* pixels) const {
    for (const ColourTurn& turn : turns_)
      turnColours(turn.map.rows.data(), turn.saturation, turn.hue, count, pixels);
    if (maps_) mapColours(rows_, count, pixels);
  }

 private:
  const std::vector<ColourTurn>& turns_;
  const bool maps_;
  int32_t rows_[12];
};

}  // namespace

int64_t renderPicture(const Picture& picture, const Plan& plan, const Canvas& canvas,
                      RenderScratch& scratch) {
  const Geometry& geometry = plan.geometry;
  const int divisor = divisorOf(picture, plan);
  int64_t copied = 0;
  if (divisor == 1 && geometry.keepsPixels()) {
    moveRows(picture, geometry, canvas);
    const bool whole = geometry.width == picture.width && geometry.height == picture.height;
    const bool untouched = whole && !geometry.flipped && plan.keepsColours();
    if (untouched && !picture.storage.empty()) copied = int64_t{geometry.width} * geometry.height * 3;
  } else {
    resample(picture, geometry, divisor, canvas, scratch);
  }
  recolour(plan, canvas);
  return copied;
}

void warpPicture(const Picture& picture, const Plan& plan, const Canvas& canvas, RenderScratch& scratch) {
  const WayBack way(plan.geometry.toCanvas().inverse());
  const int divisor = divisorOf(picture, plan);
  const ColourKernels colours(plan);
  const size_t pitch = static_cast<size_t>(picture.width) * 3;
  const auto width = static_cast<size_t>(plan.geometry.width);
  scratch.columns.resize(width);
  scratch.across.resize(width);
  scratch.down.resize(width);
  for (int y = 0; y < plan.geometry.height; ++y) {
    // What a straight row sees of a rectangle is one run of pixels.
    int first = 0, count = 0;
    for (int x = 0; x < plan.geometry.width; ++x) {
      double sourceX = 0, sourceY = 0;
      if (!way.find(x + 0.5, y + 0.5, plan.geometry.window, &sourceX, &sourceY)) {
        if (count > 0) break;
        continue;
      }
      if (count == 0) first = x;
      const auto i = static_cast<size_t>(count++);
      const uint32_t column = place(sourceX / divisor - 0.5, picture.width, &scratch.across[i]);
      const uint32_t line = place(sourceY / divisor - 0.5, picture.height, &scratch.down[i]);
      scratch.columns[i] = static_cast<uint32_t>(line * pitch + column * 3);
    }
    if (count == 0) continue;
    uint8_t* out = canvas.pixels + static_cast<size_t>(y) * canvas.pitch() + static_cast<size_t>(first) * 3;
    blendAt(picture.pixels, scratch.columns.data(), scratch.across.data(), scratch.down.data(),
            picture.width > 1 ? 3 : 0, picture.height > 1 ? pitch : 0, count, out);
    colours.apply(count, out);
  }
}

void recolour(const Plan& plan, const Canvas& canvas) {
  if (plan.keepsColours()) return;
  const ColourKernels colours(plan);
  for (int y = 0; y < plan.geometry.height; ++y)
    colours.apply(plan.geometry.width, canvas.pixels + static_cast<size_t>(y) * canvas.pitch());
}

void clearCanvas(const Canvas& canvas, const std::array<uint8_t, 3>& fill) {
  const size_t count = static_cast<size_t>(canvas.width) * static_cast<size_t>(canvas.height);
  for (size_t i = 0; i < count; ++i) std::copy(fill.begin(), fill.end(), canvas.pixels + 3 * i);
}

void padCanvas(const Plan& plan, const Canvas& canvas, const std::array<uint8_t, 3>& fill) {
  for (int y = 0; y < canvas.height; ++y) {
    uint8_t* row = canvas.pixels + static_cast<size_t>(y) * canvas.pitch();
    for (int x = y < plan.geometry.height ? plan.geometry.width : 0; x < canvas.width; ++x) {
      std::copy(fill.begin(), fill.end(), row + 3 * x);
    }
  }
}

}  // namespace hd::data
