#include "nn/run_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

namespace hd::nn {

Tensors runBatch(Graph& graph, const Batch& batch, const std::vector<std::string>& taps, Mode mode) {
  const auto image = at::from_blob(const_cast<uint8_t*>(batch.pixels),
                                   {batch.count, batch.height, batch.width, 3}, at::kByte);
  auto valid = at::empty({batch.count, 2}, at::kLong);
  int64_t* sizes = valid.data_ptr<int64_t>();
  for (const ImageTargets& targets : batch.images) {
    *sizes++ = targets.height;
    *sizes++ = targets.width;
  }
  return graph.run(image, taps, mode, valid);
}

}  // namespace hd::nn
