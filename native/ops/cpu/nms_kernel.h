// Greedy non-maximum suppression on plain arrays.
//
// One definition everywhere: candidates are visited by falling score; a candidate is dropped when its IoU
// with an already kept candidate (of the same class) is strictly greater than the threshold. Areas are plain
// (x2 − x1)(y2 − y1), without "+1". Boxes of different classes never meet: no coordinate offsets, so large
// images and many classes cost no precision. Memory is O(candidates); time is O(candidates · kept of that
// class), vectorised over the kept boxes.
#pragma once

#include <cstdint>
#include <vector>

namespace hd::ops {

/// What counts as the overlap of two boxes: IoU, or with `distance` IoU − (ρ²/(c² + 1e-7))^beta, ρ the
/// distance of the centres and c the diagonal of the enclosing box (DIoU-NMS, Zheng et al. 2020, arXiv
/// 1911.08287, with the exponent of Zheng et al. 2021, arXiv 2005.03572).
struct OverlapKind {
  bool distance = false;
  double beta = 0.8;
};

/// The overlap with `distance` of two boxes (x1, y1, x2, y2), in double.
double distanceOverlap(const float* a, const float* b, double beta);

/// Boxes are count × (x1, y1, x2, y2). Returns the kept indices in visiting order; equal scores keep the
/// input order. NaN scores come last; a NaN coordinate suppresses nothing. Same result as
/// torchvision.ops.nms.
std::vector<int64_t> nms(const float* boxes, const float* scores, int64_t count, double threshold);

/// The same class by class: `labels` are any integers. Returns the kept indices of all classes by falling
/// score (ties: lower label, then lower index), at most `limit` of them (negative: all). With a limit the
/// work ends as soon as the limit is reached, which is what makes dense detectors cheap: the first `limit`
/// survivors in score order are final.
std::vector<int64_t> batchedNms(const float* boxes, const float* scores, const int32_t* labels, int64_t count,
                                double threshold, int64_t limit = -1, OverlapKind overlap = {});

}  // namespace hd::ops
