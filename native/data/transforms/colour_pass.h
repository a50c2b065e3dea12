// A plan's colours on pixels that lie in their place.
#pragma once

#include <span>
#include <vector>

#include "data/transforms/transform.h"

namespace hd::data {

/// Pixels side by side: RGB, 8 bit.
struct PixelRun {
  uint8_t* pixels;
  int count;
};

/// What of a plan's colours happens to bytes; the plan outlives it.
class ColourPass {
 public:
  explicit ColourPass(const Plan& plan);

  /// True when the means of the picture have a part in it: then apply() wants all of its runs at once.
  bool needsAll() const { return needsAll_; }
  void apply(std::span<const PixelRun> runs) const;

 private:
  const std::vector<ColourTurn>& turns_;
  bool needsAll_ = false;
  const bool maps_;
  int32_t rows_[12];
};

/// Turns that are for floating-point values, with their contrasts settled by the means of these pixels.
std::vector<ColourTurn> settled(const std::vector<ColourTurn>& turns, std::span<const PixelRun> runs);

}  // namespace hd::data
