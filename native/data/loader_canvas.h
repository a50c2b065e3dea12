// The few padded sizes that a run uses. Networks keep packed weights and workspaces per input size, so a
// batch may not have any size that happens to fit its pictures.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/value.h"
#include "data/transforms/transform.h"

namespace hd::data {

struct CanvasOptions {
  int divisor = 32;  ///< of both sides
  int maxCanvases = 12;
  std::optional<Extent> fixed = std::nullopt;  ///< the only canvas; pictures that exceed it are scaled down
  /// Colour of the padding. The default is the ImageNet mean: after normalisation it is 0 to within 0.006, as
  /// if the normalised picture had been padded with zeros.
  std::array<uint8_t, 3> fill = {124, 116, 104};

  /// { divisor, maxCanvases, fixed: [height, width], fill: [r, g, b] }, all optional. Throws HD_DATA_CANVAS.
  static CanvasOptions from(const Value& options);
};

/// How often batches need room of a size.
using CanvasDemand = std::map<std::pair<int, int>, int64_t>;  // (height, width) → count

class CanvasSet {
 public:
  /// `demand`: what the batches of an epoch need; `always`: sizes that must fit whatever the draws. Both
  /// unrounded. Sizes are rounded up to the divisor, then merged, cheapest added padding first, until at most
  /// maxCanvases are left.
  CanvasSet(const CanvasOptions& options, const CanvasDemand& demand, const std::vector<Extent>& always);

  /// By rising area, then height.
  const std::vector<Extent>& all() const { return canvases_; }
  int64_t largestArea() const;
  /// The smallest that fits; if none does, the one that costs the least shrinking.
  Extent choose(Extent need) const;

 private:
  std::vector<Extent> canvases_;
};

}  // namespace hd::data
