#include "detectors/gfl.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "nn/networks.h"

namespace hd::detectors {
namespace {

struct HeadMaps {
  std::vector<Tensor> cls, reg;
};

class Gfl final : public Detector {
 public:
  Gfl(const Value& model, uint64_t seed)
      : options_(GflOptions::from(model)), graph_(nn::buildDense(model, seed)) {}

  nn::Graph& graph() override { return *graph_; }
  const DenseHead* denseHead() const override { return &options_; }
  int64_t classes() const override { return options_.classes; }
  int64_t divisor() const override { return options_.divisor; }

  std::vector<std::string> lossTaps() const override {
    std::vector<std::string> names = levelTaps(options_.scoreTap(), options_.strides.size());
    const std::vector<std::string> sides = levelTaps("head.reg", options_.strides.size());
    names.insert(names.end(), sides.begin(), sides.end());
    return names;
  }
  std::vector<std::string> detectTaps() const override { return lossTaps(); }

  std::unique_ptr<Assignment> assign(const Batch& batch) const override { return assignGfl(options_, batch); }

  bool hasPredictionNormalisers() const override { return options_.normalisation == Normalisation::robust; }

  std::vector<double> predictionNormalisers(const nn::Tensors& outputs,
                                            const Assignment& assignment) const override {
    if (!hasPredictionNormalisers()) return {};
    return {confidenceSum(options_, split(outputs).cls, own(assignment))};
  }

  std::vector<std::string> lossTerms() const override { return {"cls", "box", "dfl"}; }

  std::vector<LossTerm> losses(const nn::Tensors& outputs, const Assignment& assignment,
                               const std::vector<double>& assignmentNormalisers,
                               const std::vector<double>& predictionNormalisers) const override {
    const HeadMaps maps = split(outputs);
    const GflAssignment& targets = own(assignment);
    const GflSums sums = gflSums(options_, maps.cls, maps.reg, targets);
    GflScales scales;
    if (options_.normalisation == Normalisation::robust) {
      scales = gflScales(assignmentNormalisers.at(0), predictionNormalisers.at(0));
    } else {
      const double share = 1 / std::max(assignmentNormalisers.at(1), 1.0);
      scales = gflScales(targets.normalisers[0], confidenceSum(options_, maps.cls, targets));
      scales = {scales.cls * share, scales.box * share, scales.dfl * share};
    }
    return {{"cls", at::stack(sums.cls).sum() * scales.cls, 1.0},
            {"box", at::stack(sums.box).sum() * scales.box, 2.0},
            {"dfl", at::stack(sums.dfl).sum() * scales.dfl, 0.25}};
  }

  std::vector<Detections> detect(const nn::Tensors& outputs, const Batch& batch,
                                 const PostProcess& postProcess) const override {
    const HeadMaps maps = split(outputs);
    auto found = detectDense(options_, maps.cls, maps.reg, {}, batch, postProcess);
    if (maps.cls[0].size(1) > options_.classes) {
      for (Detections& detections : found) dropSpareClass(detections);
    }
    return found;
  }

 private:
  HeadMaps split(const nn::Tensors& outputs) const {
    const auto levels = std::ssize(options_.strides);
    require(std::ssize(outputs) == 2 * levels, "expected ", 2 * levels, " head maps but received ",
            outputs.size());
    return {{outputs.begin(), outputs.begin() + levels}, {outputs.begin() + levels, outputs.end()}};
  }

  void dropSpareClass(Detections& detections) const {
    Detections kept;
    for (int64_t d = 0; d < detections.size(); ++d) {
      if (detections.labels[d] >= options_.classes) continue;
      kept.boxes.insert(kept.boxes.end(), detections.boxes.begin() + 4 * d,
                        detections.boxes.begin() + 4 * (d + 1));
      kept.scores.push_back(detections.scores[d]);
      kept.labels.push_back(detections.labels[d]);
    }
    detections = std::move(kept);
  }

  static const GflAssignment& own(const Assignment& assignment) {
    const auto* targets = dynamic_cast<const GflAssignment*>(&assignment);
    require(targets != nullptr, "expected the assignment of a GFL detector");
    return *targets;
  }

  GflOptions options_;
  std::unique_ptr<nn::Graph> graph_;
};

}  // namespace

GflOptions GflOptions::from(const Value& model) {
  GflOptions out;
  static_cast<DenseHead&>(out) = DenseHead::from(model);
  out.jointScores = out.family == "gflv2";
  out.assignerCandidates = model.get("assignerCandidates", out.assignerCandidates);
  expectModelValue(out.assignerCandidates >= 1, "an integer of at least 1", "assignerCandidates",
                   out.assignerCandidates);
  return out;
}

}  // namespace hd::detectors

static const bool hdRegisteredGfl = [] {
  const hd::detectors::DetectorFactory make = [](const hd::Value& model, uint64_t seed) {
    return std::make_unique<hd::detectors::Gfl>(model, seed);
  };
  return hd::detectors::detectorRegistry().add("gfl", make) &&
         hd::detectors::detectorRegistry().add("gflv2", make);
}();
