// Pictures beside their mirror images: detection that looks twice.
#pragma once

#include <cstdint>
#include <vector>

#include "core/batch.h"

namespace hd::engine {

/// The pictures of a batch, then each of them mirrored left and right, marked ImageTargets::flipped (or not
/// any more), so that detections of both lie in original pixels. Only valid pixels move: padding stays right.
/// Mirror images have no targets.
class WithMirrors {
 public:
  explicit WithMirrors(const Batch& batch);
  WithMirrors(const WithMirrors&) = delete;
  WithMirrors& operator=(const WithMirrors&) = delete;
  const Batch& batch() const { return batch_; }

 private:
  std::vector<uint8_t> pixels_;
  Batch batch_;
};

}  // namespace hd::engine
