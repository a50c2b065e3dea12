// A batch of a loader through a network.
#pragma once

#include <string>
#include <vector>

#include "core/batch.h"
#include "nn/graph.h"

namespace hd::nn {

/// Runs `taps` on the pixels where they lie, or on a copy in floating point when colours are left to do. The
/// parts of the canvas beyond each image count as padding.
Tensors runBatch(Graph& graph, const Batch& batch, const std::vector<std::string>& taps, Mode mode);

}  // namespace hd::nn
