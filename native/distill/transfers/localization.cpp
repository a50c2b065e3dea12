// Localization distillation (Zheng et al. 2022, arXiv 2102.12252, eq. 3–5; Zheng et al. 2023, arXiv
// 2204.05957): the distribution of each box side learns the teacher's.
//
//   level sum = Σ rows w · Σ sides T²/K · KL(softmax(teacher/T) ‖ softmax(student/T)) / divisor
//
// A row has K = n + 1 bins for each of its four sides; `sides: together` (as released for RetinaNet) makes
// one distribution of all 4K.
// Main region: w is the student's highest class score, divisor 4. Valuable region: w from the region,
// divisor 16. Preset released: as published, no further normaliser (micro-batches are averaged). Otherwise
// divided by the images of the global batch: a batch of two equal images costs what one does.
#include <ATen/ATen.h>

#include <algorithm>

#include "distill/options.h"
#include "distill/region.h"
#include "distill/transfer.h"
#include "ops/losses.h"

namespace hd::distill {
namespace {

class Localization final : public Transfer {
 public:
  Localization(const Value& entry, const HeadShape& shape)
      : head_(shape.options),
        region_(RegionOptions::from(entry, head_)),
        temperature_(positive(entry, "temperature", 10)),
        released_(entry.get("preset", "robust") == std::string("released")) {
    const char* usual = released_ && head_.family == "retinanet" ? "together" : "separate";
    together_ = choice(entry, "sides", usual, {"separate", "together"}) == "together";
  }

  std::vector<std::string> studentTaps() const override {
    auto taps = levelTaps("head.reg", head_.strides.size());
    if (readsConfidence()) {
      for (auto& tap : levelTaps(head_.scoreTap(), head_.strides.size())) taps.push_back(std::move(tap));
    }
    return taps;
  }
  std::vector<std::string> teacherTaps() const override {
    return levelTaps("head.reg", head_.strides.size());
  }

  std::vector<Tensor> teacherRows(const Batch& batch,
                                  const detectors::DenseAssignment& assignment) const override {
    return regionMasks(region_, head_, batch, assignment);
  }

  size_t normaliserCount() const override { return 1; }
  std::vector<double> normalisers(const Batch& batch, const detectors::DenseAssignment&) const override {
    return {released_ ? 1.0 : static_cast<double>(batch.count)};
  }

  std::vector<Tensor> levels(const TransferInput& input,
                             const std::vector<double>& normalisers) const override {
    const size_t levels = head_.strides.size();
    const bool main = region_.kind == RegionOptions::Kind::main;
    const double scale = 1 / ((main ? 4.0 : 16.0) * std::max(normalisers.at(0), 1.0));
    const auto valuable =
        main ? std::vector<Tensor>{} : valuableRows(region_, head_, input.batch, input.assignment);
    const int64_t anchors = head_.anchorsPerCell(), width = (together_ ? 4 : 1) * head_.bins();
    std::vector<Tensor> out;
    for (size_t l = 0; l < levels; ++l) {
      Tensor weights = main ? Tensor() : valuable[l];
      if (readsConfidence()) {
        const Tensor scores = anchorRows(input.student[levels + l], anchors);
        const Tensor confident =
            main ? detectors::positiveConfidence(head_, scores, input.assignment.levels[l].labels)
                 : detectors::rowConfidence(head_, scores);
        weights = main ? confident : confident * weights;
      }
      out.push_back(ops::klDistillation(anchorRows(input.student[l], anchors).reshape({-1, width}),
                                        anchorRows(input.teacher[l], anchors).reshape({-1, width}),
                                        together_ ? weights : weights.repeat_interleave(4), temperature_) *
                    scale);
    }
    return out;
  }

 private:
  bool readsConfidence() const {
    return region_.kind == RegionOptions::Kind::main || region_.weights == RegionOptions::Weights::confidence;
  }

  detectors::DenseHead head_;
  RegionOptions region_;
  double temperature_;
  bool released_, together_ = false;
};

HD_REGISTER_TRANSFER("localization", [](const Value& entry, const HeadShape& shape) {
  return std::make_unique<Localization>(entry, shape);
});

}  // namespace
}  // namespace hd::distill
