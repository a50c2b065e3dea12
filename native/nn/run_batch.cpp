#include "nn/run_batch.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

namespace hd::nn {
namespace {

bool keepsColours(const ImageTargets& targets) {
  return targets.colours.empty();
}

/// The pixels as floating point, with the colours that are left to the network: of the valid parts.
Tensor recoloured(const Batch& batch, const Tensor& image) {
  Tensor out = image.to(at::kFloat);
  float* values = out.mutable_data_ptr<float>();
  at::parallel_for(0, batch.count * batch.height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const ImageTargets& targets = batch.images[static_cast<size_t>(row / batch.height)];
      if (row % batch.height >= targets.height) continue;
      const int64_t width = std::min<int64_t>(targets.width, batch.width);
      for (const ColourTurn& turn : targets.colours)
        recolourValues(turn, width, values + 3 * row * batch.width);
    }
  });
  return out;
}

}  // namespace

Tensors runBatch(Graph& graph, const Batch& batch, const std::vector<std::string>& taps, Mode mode) {
  auto image = at::from_blob(const_cast<uint8_t*>(batch.pixels), {batch.count, batch.height, batch.width, 3},
                             at::kByte);
  if (!std::all_of(batch.images.begin(), batch.images.end(), keepsColours)) image = recoloured(batch, image);
  auto valid = at::empty({batch.count, 2}, at::kLong);
  int64_t* sizes = valid.data_ptr<int64_t>();
  for (const ImageTargets& targets : batch.images) {
    *sizes++ = targets.height;
    *sizes++ = targets.width;
  }
  return graph.run(image, taps, mode, valid);
}

}  // namespace hd::nn
