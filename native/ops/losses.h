// Differentiable detection losses as single operators (namespace `hdtrain` of torch's dispatcher, CPU
// kernels).
//
// Common rules:
//  - Rows are dense: one row an anchor, and a row whose weight is 0 is skipped inside the kernel. It adds
//  nothing, its
//    gradient is 0, and whatever stands in it (NaN included) is not read.
//  - Logits may be float32, float64 or bfloat16; arithmetic is float32 (float64 for float64 logits), sums are
//    accumulated in double over fixed chunks, so that a value never depends on the number of threads. Scalars
//    come back as float32 (float64 for float64 logits), gradients in the type of the logits.
//  - Only the first argument gets a gradient; targets and weights are constants.
//  - Non-finite values in rows of non-zero weight reach the result.
//  - Boxes are x1, y1, x2, y2. Sums are plain: normalisers and loss weights are the caller's.
// Every function throws HD_INTERNAL when a shape or type is not the documented one.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <tuple>

namespace hd::ops {

using at::Tensor;

/// Quality focal loss (Li et al., Generalized Focal Loss, eq. 2), summed over classes and rows.
/// logits [N, C]; labels integer [N]: a value outside [0, C) is background; quality [N] in [0, 1]: the target
/// of the labelled class; weight [N]: 0 also means 'ignored'. Entry c of a row costs bce(z, 0)·σ^beta, the
/// labelled one bce(z, y)·|y − σ|^beta; the modulating factor is differentiated too. `probabilities`: the
/// first argument already holds σ (GFL V2); logarithms are then bounded below by −100.
Tensor qualityFocalLoss(const Tensor& logits, const Tensor& labels, const Tensor& quality,
                        const Tensor& weight, double beta = 2, bool probabilities = false);

/// Focal loss (Lin et al. 2017, arXiv 1708.02002, eq. 5), summed over classes and rows: the labelled entry of
/// a row costs α(1 − σ)^γ·bce(z, 1), the others (1 − α)σ^γ·bce(z, 0). logits [N, C]; labels integer [N]: a
/// value outside [0, C) is background; weight [N]; 0 < alpha < 1.
Tensor sigmoidFocalLoss(const Tensor& logits, const Tensor& labels, const Tensor& weight, double alpha = 0.25,
                        double gamma = 2);

/// Expected bin of each side's distribution (Generalized Focal Loss, eq. 5): logits [N, 4·(n+1)], side-major,
/// to distances [N, 4] in [0, n], in the arithmetic type.
Tensor integral(const Tensor& logits);

/// Distribution focal loss (Generalized Focal Loss, eq. 6): cross entropy of the two bins around a real
/// target, weighted by closeness. logits [M, n+1] with targets [M] and weight [M], or logits [N, 4·(n+1)]
/// with targets [N, 4] and weight [N] (a row's weight counts for its four sides). Targets lie in [0, n): the
/// caller clamps.
Tensor distributionFocalLoss(const Tensor& logits, const Tensor& targets, const Tensor& weight);

/// How `boxLoss` compares two boxes. With I the intersection, U the union, E the enclosing box:
///  - "iou"           −ln max(I / max(U, eps), eps)
///  - "giou"          1 − (I/U − (E−U)/E), U and E at least eps (Rezatofighi et al.)
///  - "diou"          1 − (I/(U+eps) − ρ²/(c²+eps)) (Zheng et al.)
///  - "ciou"          as diou, and + v²/(1−IoU+v), v = 4/π²·(atan(w₂/h₂) − atan(w₁/h₁))²; the gradient flows
///  through
///                    v and through its trade-off factor, as the GFL and LD code bases have it. Where 1−IoU+v
///                    is 0 (identical boxes) the term counts 0; the original divides 0 by 0 there.
///  - "ciou_detached" the same value with the trade-off factor v/(1−IoU+v) held constant, as torchvision has
///  it
///  - "bounded_iou"   smooth L1 (beta 0.2) of the four bounded-IoU costs, summed over x, y, w, h
///  (Tychsen-Smith et al.)
/// Where two box sides coincide the gradient is the mean of both one-sided ones (as torch.max and torch.min).
/// pred, target [N, 4]; weight [N].
Tensor boxLoss(const std::string& kind, const Tensor& pred, const Tensor& target, const Tensor& weight,
               double eps = 1e-6);
/// The same, unweighted, one value a row: [N].
Tensor boxLossRows(const std::string& kind, const Tensor& pred, const Tensor& target, double eps = 1e-6);

/// Similarity of all pairs, [N, M]; no gradient. Kinds: "iou", "iof" (over the area of a), "giou", "diou",
/// "diou_released" (overlap over the area of a minus ρ²/c²: what the LD code base calls diou), "ciou".
/// Denominators are at least eps. a [N, 4], b [M, 4].
Tensor boxIouMatrix(const std::string& kind, const Tensor& a, const Tensor& b, double eps = 1e-6);
/// The same for row i of both: [N].
Tensor boxIouAligned(const std::string& kind, const Tensor& a, const Tensor& b, double eps = 1e-6);

/// What GFL's regression branch needs, in one pass over the logits; units are the level's stride.
struct GflBoxLoss {
  Tensor boxSum;  ///< scalar: Σ weight · box loss of the decoded box
  Tensor dflSum;  ///< scalar: Σ weight · Σ over four sides of the distribution focal loss
  Tensor iou;     ///< [N] IoU of decoded and target box, 0 in skipped rows; no gradient: QFL's quality target
};
/// logits [N, 4·(n+1)] → softmax → integral → box (centre ∓ distances) → IoU, `kind` of box loss, DFL.
/// `centre` [N, 2], `target` [N, 4]; DFL's targets are the distances from the centre to the target's sides
/// clamped to [0, n − 0.1]. The backward pass writes the gradient of both sums with respect to the logits at
/// once.
GflBoxLoss gflBoxLoss(const Tensor& logits, const Tensor& centre, const Tensor& target, const Tensor& weight,
                      const std::string& kind = "giou", double eps = 1e-6);

/// Quality focal loss on probabilities instead of logits (Li et al. 2021, arXiv 2011.12885): Σ weight · Σ
/// over columns of BCE(p, y)·|y − p|², y = quality in the label's column of an assigned row, 0 elsewhere.
/// scores [N, K] in [0, 1] with K ≥ classes; labels [N]: assigned in [0, classes); quality, weight [N].
Tensor qualityFocalLossOfScores(const Tensor& scores, const Tensor& labels, const Tensor& quality,
                                const Tensor& weight, int64_t classes);

/// Localization/knowledge distillation (Zheng et al., Localization Distillation, as released):
/// Σ weight · T²/K · KL(softmax(teacher/T) ‖ softmax(student/T)) with the mean, not the sum, over the K bins.
/// student, teacher [N, K]; weight [N]; temperature > 0.
Tensor klDistillation(const Tensor& student, const Tensor& teacher, const Tensor& weight, double temperature);

/// Feature imitation: Σ weight · Σ over channels of (student − teacher)². student, teacher [N, C]; weight
/// [N]; rows of weight 0 cost nothing and get zero gradients.
Tensor squaredDifference(const Tensor& student, const Tensor& teacher, const Tensor& weight);

}  // namespace hd::ops
