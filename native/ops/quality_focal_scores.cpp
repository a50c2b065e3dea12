// Quality focal loss on probabilities (ops/losses.h): a composite, because its cost is small beside a step.
#include <ATen/ATen.h>

#include "core/error.h"
#include "ops/losses.h"

namespace hd::ops {
namespace {

/// Binary cross entropy with logarithms bounded as torch.binary_cross_entropy does.
Tensor crossEntropy(const Tensor& probability, const Tensor& target) {
  constexpr double lowest = -100;
  return -(target * probability.log().clamp_min(lowest) +
           (1 - target) * (1 - probability).log().clamp_min(lowest));
}

}  // namespace

Tensor qualityFocalLossOfScores(const Tensor& scores, const Tensor& labels, const Tensor& quality,
                                const Tensor& weight, int64_t classes) {
  require(scores.dim() == 2 && classes >= 1 && classes <= scores.size(1),
          "expected scores of at least one class and a column for each but received shape ", scores.sizes());
  require(labels.sizes() == at::IntArrayRef({scores.size(0)}) && quality.sizes() == labels.sizes() &&
              weight.sizes() == labels.sizes(),
          "expected one label, quality and weight a row");
  const Tensor zero = at::zeros({}, scores.options());
  const Tensor negative = crossEntropy(scores, zero) * scores.square();
  const Tensor positive = labels.ge(0).logical_and(labels.lt(classes)).to(scores.scalar_type());
  const Tensor column = labels.clamp(0, classes - 1).unsqueeze(1);
  const Tensor own = scores.gather(1, column).squeeze(1);
  const Tensor taken = crossEntropy(own, quality) * (quality - own).square();
  const Tensor rows = negative.sum(1) + positive * (taken - negative.gather(1, column).squeeze(1));
  return (rows * weight).sum();
}

}  // namespace hd::ops
