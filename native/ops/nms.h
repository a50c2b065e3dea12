// Greedy non-maximum suppression on tensors: the dispatcher operators hdtrain::nms and hdtrain::batched_nms.
#pragma once

#include <torch/types.h>

namespace hd::ops {

/// boxes [K, 4] (x1, y1, x2, y2) and scores [K], floating. Kept indices (int64) by falling score, ties in
/// input order; a box is dropped when its IoU with a kept one is strictly above `threshold`. No gradient.
/// Throws HD_INTERNAL when shapes do not fit.
torch::Tensor nms(const torch::Tensor& boxes, const torch::Tensor& scores, double threshold);

/// The same within each of the integer `labels` [K]; at most `limit` results (negative: all). Ties: lower
/// label, then lower index. Labels must fit 32 bits.
torch::Tensor batchedNms(const torch::Tensor& boxes, const torch::Tensor& scores, const torch::Tensor& labels,
                         double threshold, int64_t limit = -1);

}  // namespace hd::ops
