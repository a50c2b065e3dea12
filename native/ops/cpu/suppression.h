// From the candidates of one picture to its detections: suppression and what may move or weaken boxes.
//
// Boxes of different classes never meet. Memory is O(candidates): no matrix of overlaps. Everything is
// deterministic: candidates in falling score, ties by lower label, then lower index.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/cpu/nms_kernel.h"

namespace hd::ops {

struct SuppressionOptions {
  enum class Kind {
    greedy,        ///< a box goes when it overlaps a kept one by more than the threshold
    softLinear,    ///< its score is multiplied by 1 − IoU where IoU is above the threshold
    softGaussian,  ///< its score is multiplied by exp(−IoU²/sigma), always
  } kind = Kind::greedy;
  OverlapKind overlap;  ///< of greedy, and of score voting
  enum class Voting {
    none,
    score,  ///< what the LD code base does after Cluster-DIoU-NMS
    paa,    ///< Kim & Lee 2020, arXiv 2007.08103, §3.4
  } voting = Voting::none;
  double threshold = 0.6;
  double sigma = 0.5;       ///< of softGaussian
  double minScore = 0.001;  ///< soft kinds drop what falls below
  int64_t limit = -1;       ///< at most so many; negative: all
};

/// By falling score. `index` tells which candidate each was.
struct Survivors {
  std::vector<int64_t> index;
  std::vector<float> boxes, scores;  ///< 4 and 1 each
};

/// boxes count × (x1, y1, x2, y2); scores, labels count.
///
/// Cluster-NMS (Zheng et al. 2021, arXiv 2005.03572, §4) needs no form of its own: its fixed point is what
/// greedy keeps with the same overlap.
///
/// Score voting: a kept box i becomes the mean of boxes weighted by exp(−(1 − v)²/0.025) · score, v its
/// overlap with a box of its class and of no higher place where that is above 0.7, else 0. So every other
/// candidate, of any class, weighs e⁻⁴⁰ · score, as in the published matrix form.
///
/// PAA voting: the same weight with v = IoU over the candidates of the class with IoU above 0.01.
///
/// Soft-NMS (Bodla et al. 2017, arXiv 1704.04503): the best box is taken, the others of its class weakened,
/// and so on; scores are the weakened ones.
Survivors suppress(const float* boxes, const float* scores, const int32_t* labels, int64_t count,
                   const SuppressionOptions& options);

}  // namespace hd::ops
