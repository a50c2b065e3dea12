// A batch of a loader through a network.
#pragma once

#include <string>
#include <vector>

#include "core/batch.h"
#include "nn/graph.h"

namespace hd::nn {

/// Runs `taps` on the pixels where they lie; the parts of the canvas beyond each image count as padding.
Tensors runBatch(Graph& graph, const Batch& batch, const std::vector<std::string>& taps, Mode mode);

}  // namespace hd::nn
