#include "data/transforms/colour_pass.h"

#include <algorithm>
#include <cmath>

#include "data/transforms/pixel_kernels.h"

namespace hd::data {
namespace {

bool usesMean(const ColourTurn& turn) {
  return turn.contrast != 1 || turn.meanGrey != 0;
}

// The turn with what depends on means as a part of its map: the mean of mapped values is the mapped mean.
ColourTurn withMean(ColourTurn turn, const std::array<double, 3>& means) {
  if (!usesMean(turn)) return turn;
  auto& m = turn.map.rows;
  double mean = 0, grey = 0;
  for (size_t c = 0; c < 3; ++c) grey += kLuma[c] * means[c];
  for (const size_t shift : {3, 7, 11}) m[shift] += turn.meanGrey * static_cast<float>(grey);
  for (size_t row = 0; row < 3; ++row)
    mean += m[4 * row] * means[0] + m[4 * row + 1] * means[1] + m[4 * row + 2] * means[2] + m[4 * row + 3];
  turn.map = turn.map.then(ColourMap::contrast(turn.contrast, static_cast<float>(mean / 3)));
  turn.contrast = 1;
  turn.meanGrey = 0;
  return turn;
}

// Of each channel over all pixels, behind turns that are settled.
std::array<double, 3> meansOf(std::span<const PixelRun> runs, std::span<const ColourTurn> behind) {
  std::array<double, 3> sums{};
  int64_t count = 0;
  std::vector<float> values;
  for (const PixelRun& run : runs) {
    values.assign(run.pixels, run.pixels + int64_t{3} * run.count);
    for (const ColourTurn& turn : behind) recolourValues(turn, run.count, values.data());
    for (size_t i = 0; i < values.size(); i += 3) {
      for (size_t c = 0; c < 3; ++c) sums[c] += values[i + c];
    }
    count += run.count;
  }
  for (double& sum : sums) sum /= static_cast<double>(std::max<int64_t>(1, count));
  return sums;
}

}  // namespace

ColourPass::ColourPass(const Plan& plan)
    : turns_(plan.turns),
      needsAll_(std::any_of(turns_.begin(), turns_.end(), usesMean)),
      maps_(!plan.colour.identity()) {
  for (size_t i = 0; i < 12; ++i)
    rows_[i] = static_cast<int32_t>(std::lround(plan.colour.rows[i] * 4096)) + (i % 4 == 3 ? 2048 : 0);
}

void ColourPass::apply(std::span<const PixelRun> runs) const {
  for (const ColourTurn& each : turns_) {
    const ColourTurn turn = withMean(each, usesMean(each) ? meansOf(runs, {}) : std::array<double, 3>{});
    const float* rows = turn.map.rows.data();
    for (const PixelRun& run : runs) {
      if (turn.usesHsv()) {
        turnColours(rows, turn.saturation, turn.hue, run.count, run.pixels);
      } else {
        mapFine(rows, turn.truncates ? 0.0f : 0.5f, run.count, run.pixels);
      }
    }
  }
  if (!maps_) return;
  for (const PixelRun& run : runs) mapColours(rows_, run.count, run.pixels);
}

std::vector<ColourTurn> settled(const std::vector<ColourTurn>& turns, std::span<const PixelRun> runs) {
  std::vector<ColourTurn> out;
  for (const ColourTurn& turn : turns)
    out.push_back(withMean(turn, usesMean(turn) ? meansOf(runs, out) : std::array<double, 3>{}));
  return out;
}

}  // namespace hd::data
