#include "detectors/gfl.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "detectors/distribution_decoder.h"
#include "nn/networks.h"

namespace hd::detectors {
namespace {

/// Level names p3…p7 belong to strides 8…128.
std::vector<std::string> taps(const std::string& prefix, size_t levels) {
  std::vector<std::string> names;
  for (size_t l = 0; l < levels; ++l) names.push_back(prefix + ".p" + std::to_string(3 + l));
  return names;
}

struct HeadMaps {
  std::vector<Tensor> cls, reg;
};

class Gfl final : public Detector {
 public:
  Gfl(const Value& model, uint64_t seed)
      : options_(GflOptions::from(model)), graph_(nn::buildGfl(model, seed)) {}

  nn::Graph& graph() override { return *graph_; }
  int64_t classes() const override { return options_.classes; }
  int64_t divisor() const override { return options_.divisor; }

  std::vector<std::string> lossTaps() const override {
    std::vector<std::string> names =
        taps(options_.version2 ? "head.score" : "head.cls", options_.strides.size());
    const std::vector<std::string> sides = taps("head.reg", options_.strides.size());
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
    auto found = detectGfl(options_, maps.cls, maps.reg, batch, postProcess);
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
  out.classes = model.at("classes").asInt();
  out.regMax = model.get("regMax", out.regMax);
  out.boxLoss = model.get("boxLoss", "giou");
  out.assignerCandidates = model.get("assignerCandidates", out.assignerCandidates);
  out.ignoreThreshold = model.get("ignoreThreshold", out.ignoreThreshold);
  out.version2 = model.get("detector", "gfl") == std::string("gflv2");
  const std::string preset = model.get("preset", "robust");
  const auto expect = [](bool holds, const char* what, const char* key, const auto& received) {
    if (holds) return;
    throw Error(
        "HD_RECIPE_VALUE",
        concat("expected ", what, " for model.", key, " but received ", received, ": mend the recipe"),
        concat("model.", key));
  };
  expect(out.classes >= 1, "an integer of at least 1", "classes", out.classes);
  expect(out.regMax >= 1, "an integer of at least 1", "regMax", out.regMax);
  expect(out.assignerCandidates >= 1, "an integer of at least 1", "assignerCandidates",
         out.assignerCandidates);
  expect(out.boxLoss == "iou" || out.boxLoss == "giou" || out.boxLoss == "diou" || out.boxLoss == "ciou",
         "iou, giou, diou or ciou", "boxLoss", out.boxLoss);
  expect(preset == "robust" || preset == "released", "robust or released", "preset", preset);
  out.normalisation = preset == "released" ? Normalisation::released : Normalisation::robust;
  return out;
}

std::vector<Detections> detectGfl(const GflOptions& options, const std::vector<Tensor>& cls,
                                  const std::vector<Tensor>& reg, const Batch& batch,
                                  const PostProcess& postProcess) {
  const int64_t bins = options.regMax + 1;
  const auto channelsLast = [](const Tensor& map, int64_t images, int64_t channels) {
    require(map.dim() == 4 && map.size(0) == images && map.size(1) == channels, "expected a map of ", images,
            " images and ", channels, " channels but received ", map.sizes());
    return map.detach().to(at::kFloat).permute({0, 2, 3, 1}).contiguous();
  };
  require(cls.size() == options.strides.size() && reg.size() == cls.size(), "expected one map a level");
  HeadMaps maps;
  const int64_t columns = options.version2 && !cls.empty() ? cls[0].size(1) : options.classes;
  for (size_t l = 0; l < cls.size(); ++l) {
    // The decoder reads logits; those of a score give the score back to the last bit but one.
    maps.cls.push_back(
        channelsLast(options.version2 ? at::logit(cls[l].detach()) : cls[l], batch.count, columns));
    maps.reg.push_back(channelsLast(reg[l], batch.count, 4 * bins));
    require(cls[l].size(2) == reg[l].size(2) && cls[l].size(3) == reg[l].size(3),
            "expected maps of equal size a level");
  }
  std::vector<Detections> out(static_cast<size_t>(batch.count));
  at::parallel_for(0, batch.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<LevelMaps> levels;
      for (size_t l = 0; l < maps.cls.size(); ++l) {
        const int64_t height = maps.cls[l].size(1), width = maps.cls[l].size(2), cells = height * width;
        levels.push_back({options.strides[l], height, width,
                          maps.cls[l].const_data_ptr<float>() + i * cells * columns,
                          maps.reg[l].const_data_ptr<float>() + i * cells * 4 * bins});
      }
      out[i] = decodeDistributions(levels, columns, bins, batch.images[i], postProcess);
    }
  });
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
