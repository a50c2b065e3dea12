#include "detectors/focal_head.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "nn/networks.h"
#include "ops/losses.h"

namespace hd::detectors {
namespace {

const FocalAssignment& own(const Assignment& assignment) {
  const auto* targets = dynamic_cast<const FocalAssignment*>(&assignment);
  require(targets != nullptr, "expected the assignment of an ATSS, FCOS or RetinaNet detector");
  return *targets;
}

Tensor positiveMask(const Tensor& labels, int64_t classes) {
  return labels.ge(0).logical_and(labels.lt(classes));
}

struct HeadMaps {
  std::vector<Tensor> cls, reg, centerness;
};

HeadMaps split(const FocalOptions& options, const nn::Tensors& outputs) {
  const size_t levels = options.strides.size(), groups = options.centerness ? 3 : 2;
  require(outputs.size() == groups * levels, "expected ", groups * levels, " head maps but received ",
          outputs.size());
  const auto part = [&](size_t group) {
    const auto first = outputs.begin() + static_cast<std::ptrdiff_t>(group * levels);
    return std::vector<Tensor>(first, first + static_cast<std::ptrdiff_t>(levels));
  };
  return {part(0), part(1), options.centerness ? part(2) : std::vector<Tensor>{}};
}

}  // namespace

Tensor centernessTargets(const DenseTargets& targets, int64_t classes) {
  const Tensor start = targets.centres - targets.boxes.slice(1, 0, 2);
  const Tensor end = targets.boxes.slice(1, 2, 4) - targets.centres;
  const Tensor ratios = at::minimum(start, end) / at::maximum(start, end);
  const Tensor positive = positiveMask(targets.labels, classes);
  return at::where(positive, ratios.prod(1).clamp_min(0).sqrt(), at::zeros({}));
}

void finishAssignment(const FocalOptions& options, const std::vector<int64_t>& positives,
                      FocalAssignment& out) {
  double assigned = 0, weights = 0;
  for (const int64_t count : positives)
    assigned += static_cast<double>(options.atLeastOneAnImage ? std::max<int64_t>(count, 1) : count);
  for (const DenseTargets& level : out.levels) {
    out.boxWeights.push_back(options.centerness ? centernessTargets(level, options.classes)
                                                : positiveMask(level.labels, options.classes).to(at::kFloat));
    weights += out.boxWeights.back().sum(at::kDouble).item<double>();
  }
  out.normalisers = {assigned, weights, 1.0};
}

FocalSums focalSums(const FocalOptions& options, const std::vector<Tensor>& cls,
                    const std::vector<Tensor>& reg, const std::vector<Tensor>& centerness,
                    const FocalAssignment& assignment) {
  const int64_t perCell = options.anchorsPerCell();
  checkMaps(cls, perCell * options.classes, assignment, "class");
  checkMaps(reg, perCell * 4 * options.bins(), assignment, "box");
  if (options.centerness) checkMaps(centerness, perCell, assignment, "centerness");
  FocalSums sums;
  for (size_t l = 0; l < assignment.levels.size(); ++l) {
    const DenseTargets& targets = assignment.levels[l];
    const Tensor& weights = assignment.boxWeights[l];
    sums.cls.push_back(ops::sigmoidFocalLoss(anchorRows(cls[l], perCell), targets.labels, targets.weights));
    sums.box.push_back(
        ops::gflBoxLoss(anchorRows(reg[l], perCell), targets.centres, targets.boxes, weights, options.boxLoss)
            .boxSum);
    if (!options.centerness) continue;
    const Tensor rows = anchorRows(centerness[l], perCell).flatten();
    const Tensor mask = positiveMask(targets.labels, options.classes).to(rows.scalar_type());
    sums.centerness.push_back(at::binary_cross_entropy_with_logits(rows, weights.to(rows.scalar_type()), mask,
                                                                   {}, at::Reduction::Sum));
  }
  return sums;
}

FocalScales focalScales(const FocalOptions& options, double assigned, double centernessSum) {
  constexpr double none = 1e-12;  // as in mmdet
  const double each = 1 / std::max(assigned, 1.0);
  const double box = !options.centerness ? each : centernessSum < none ? 1 : 1 / centernessSum;
  return {each, box, each};
}

FocalDetector::FocalDetector(FocalOptions options, const Value& model, uint64_t seed)
    : options_(std::move(options)), graph_(nn::buildDense(model, seed)) {}

std::vector<std::string> FocalDetector::lossTaps() const {
  std::vector<std::string> names;
  std::vector<const char*> prefixes{"head.cls", "head.reg"};
  if (options_.centerness) prefixes.push_back("head.centerness");
  for (const char* prefix : prefixes) {
    for (std::string& tap : levelTaps(prefix, options_.strides.size())) names.push_back(std::move(tap));
  }
  return names;
}

std::vector<std::string> FocalDetector::lossTerms() const {
  std::vector<std::string> names{"cls", "box"};
  if (options_.centerness) names.emplace_back("centerness");
  return names;
}

std::vector<LossTerm> FocalDetector::losses(const nn::Tensors& outputs, const Assignment& assignment,
                                            const std::vector<double>& assignmentNormalisers,
                                            const std::vector<double>&) const {
  const HeadMaps maps = split(options_, outputs);
  const FocalAssignment& targets = own(assignment);
  const FocalSums sums = focalSums(options_, maps.cls, maps.reg, maps.centerness, targets);
  const bool robust = options_.normalisation == Normalisation::robust;
  const auto& own = robust ? assignmentNormalisers : targets.normalisers;
  const double share = robust ? 1 : 1 / std::max(assignmentNormalisers.at(2), 1.0);
  const FocalScales scales = focalScales(options_, own.at(0), own.at(1));
  std::vector<LossTerm> terms{{"cls", at::stack(sums.cls).sum() * (scales.cls * share), 1.0},
                              {"box", at::stack(sums.box).sum() * (scales.box * share), options_.boxWeight}};
  if (options_.centerness)
    terms.push_back({"centerness", at::stack(sums.centerness).sum() * (scales.centerness * share), 1.0});
  return terms;
}

std::vector<Detections> FocalDetector::detect(const nn::Tensors& outputs, const Batch& batch,
                                              const PostProcess& postProcess) const {
  const HeadMaps maps = split(options_, outputs);
  return detectDense(options_, maps.cls, maps.reg, maps.centerness, batch, postProcess);
}

}  // namespace hd::detectors
