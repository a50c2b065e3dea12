// Where feature imitation looks: cells of the feature pyramid, one uint8 tensor a level, cells image-major. A
// cell of several anchors belongs to a region when one of them does.
// Padding never belongs to a region, except in the released general instances.
#pragma once

#include <torch/types.h>

#include <vector>

#include "core/batch.h"
#include "detectors/dense_head.h"

namespace hd::distill {

using torch::Tensor;

/// 1 for every cell of an image (FitNets, Romero et al. 2015, arXiv 1412.6550: the whole map).
std::vector<Tensor> wholeMap(const detectors::DenseAssignment& assignment);

/// 1 where the anchor's centre lies strictly inside an object.
std::vector<Tensor> insideBoxes(const detectors::DenseHead& head, const Batch& batch,
                                const detectors::DenseAssignment& assignment);

/// 1 where the anchor overlaps an object by more than half of what its best anchor does (Wang et al. 2019,
/// arXiv 1906.03609).
std::vector<Tensor> nearBestAnchors(const detectors::DenseHead& head, const Batch& batch,
                                    const detectors::DenseAssignment& assignment);

/// General instances (Dai et al. 2021, arXiv 2103.02340, §3.1): where teacher and student disagree most about
/// a class, at most `limit` cells that overlap by no more than `overlap`.
struct InstanceOptions {
  double overlap = 0.3;
  int64_t limit = 10;
  /// As released: one list for all images of a batch, which suppress each other; padding takes part, as if
  /// its anchors stood at the origin (the published code fills the anchors outside an image with zeros).
  bool flattened = false;
};

/// One level: class scores [rows, classes] and side logits [rows, 4·bins] of both, `labels` [rows] (−1:
/// padding; image-major, then cells, then anchors). Worth of a row: the largest |teacher − student| over
/// classes; its box: decoded from whom is surer of that class. Chosen by falling score, ties to the lowest
/// row. Returns the chosen rows of every image (flattened: one list) in that order.
std::vector<std::vector<int64_t>> generalInstances(const InstanceOptions& options,
                                                   const Tensor& studentScores, const Tensor& teacherScores,
                                                   const Tensor& studentReg, const Tensor& teacherReg,
                                                   const Tensor& labels, const detectors::GridLevel& level);

}  // namespace hd::distill
