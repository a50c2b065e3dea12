#include "data/transforms/render.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "data/transforms/colour_pass.h"
#include "data/transforms/pixel_kernels.h"

namespace hd::data {
namespace {

constexpr int kLargestSide = (1 << (31 - placeBits)) - 1;  // positions in the fixed point of blendAt()

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

// One row of a canvas seen from the picture: pixel x of it has its centre at start + x · step, homogeneous.
class RowBack {
 public:
  RowBack(const Projection& inverse, int y) {
    for (size_t i = 0; i < 3; ++i) {
      const double* m = &inverse.m[i * 3];
      step_[i] = m[0];
      start_[i] = m[0] * 0.5 + m[1] * (y + 0.5) + m[2];
    }
  }

  // Pixels whose centres lie in the window and before the viewer: what a straight row sees of a rectangle is
  // one run, between the ends of five half lines.
  void clip(const Window& window, int width, int* first, int* end) const {
    double low = 0, high = width - 1;
    const auto keep = [&](double at0, double slope) {  // at0 + slope · x ≥ 0
      if (slope > 0) low = std::max(low, -at0 / slope);
      if (slope < 0) high = std::min(high, -at0 / slope);
      if (slope == 0 && at0 < 0) high = -1;
    };
    keep(start_[2] - kNearest, step_[2]);
    keep(start_[0] - window.left * start_[2], step_[0] - window.left * step_[2]);
    keep(window.right * start_[2] - start_[0], window.right * step_[2] - step_[0]);
    keep(start_[1] - window.top * start_[2], step_[1] - window.top * step_[2]);
    keep(window.bottom * start_[2] - start_[1], window.bottom * step_[2] - step_[1]);
    *first = *end = 0;
    if (!(low <= high)) return;
    *first = static_cast<int>(std::ceil(low));
    *end = static_cast<int>(std::floor(high)) + 1;
  }

  // As placePixels() wants it from pixel `first` on, of a picture that was decoded at 1 / divisor.
  std::array<double, 6> from(int first, int divisor) const {
    std::array<double, 6> out{};
    for (size_t i = 0; i < 2; ++i) {
      out[i] = (start_[i] + first * step_[i]) / divisor - 0.5 * (start_[2] + first * step_[2]);
      out[3 + i] = step_[i] / divisor - 0.5 * step_[2];
    }
    out[2] = start_[2] + first * step_[2];
    out[5] = step_[2];
    return out;
  }

 private:
  static constexpr double kNearest = 1e-9;
  double start_[3], step_[3];
};

std::vector<PixelRun> rowsOf(const Plan& plan, const Canvas& canvas) {
  std::vector<PixelRun> out;
  for (int y = 0; y < plan.geometry.height; ++y)
    out.push_back({canvas.pixels + static_cast<size_t>(y) * canvas.pitch(), plan.geometry.width});
  return out;
}

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
  const Projection back = plan.geometry.toCanvas().inverse();
  const int divisor = divisorOf(picture, plan);
  if (std::max(picture.width, picture.height) > kLargestSide) {
    throw Error("HD_DATA_IMAGE", concat("expected a picture with sides of at most ", kLargestSide,
                                        " pixels for affine, mosaic, mixup and copyPaste but received ",
                                        picture.width, "×", picture.height, "; cut it into pieces"));
  }
  const ColourPass colours(plan);
  std::vector<PixelRun> runs;
  const size_t pitch = static_cast<size_t>(picture.width) * 3;
  const auto width = static_cast<size_t>(plan.geometry.width);
  scratch.columns.resize(width);
  scratch.across.resize(width);
  scratch.down.resize(width);
  for (int y = 0; y < plan.geometry.height; ++y) {
    const RowBack row(back, y);
    int first = 0, end = 0;
    row.clip(plan.geometry.window, plan.geometry.width, &first, &end);
    const int count = end - first;
    if (count <= 0) continue;
    const std::array<double, 6> places = row.from(first, divisor);
    placePixels(places.data(), places.data() + 3, picture.width, picture.height, count,
                scratch.columns.data(), scratch.across.data(), scratch.down.data());
    uint8_t* out = canvas.pixels + static_cast<size_t>(y) * canvas.pitch() + static_cast<size_t>(first) * 3;
    blendAt(picture.pixels, scratch.columns.data(), scratch.across.data(), scratch.down.data(),
            picture.width > 1 ? 3 : 0, picture.height > 1 ? pitch : 0, count, out);
    runs.push_back({out, count});
    if (colours.needsAll()) continue;
    colours.apply(runs);
    runs.clear();
  }
  colours.apply(runs);
}

void recolour(const Plan& plan, const Canvas& canvas) {
  if (plan.keepsColours()) return;
  const ColourPass colours(plan);
  const std::vector<PixelRun> rows = rowsOf(plan, canvas);
  if (colours.needsAll()) return colours.apply(rows);
  for (const PixelRun& row : rows) colours.apply({&row, 1});
}

std::vector<ColourTurn> coloursBeyond(const Plan& plan, const Canvas& canvas) {
  return plan.beyond.empty() ? plan.beyond : settled(plan.beyond, rowsOf(plan, canvas));
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
