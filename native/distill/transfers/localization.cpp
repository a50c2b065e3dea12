// Localization distillation (Zheng et al. 2022, arXiv 2102.12252, eq. 3–5; Zheng et al. 2023, arXiv
// 2204.05957): the distribution of each box side learns the teacher's.
//
//   level sum = Σ rows w · Σ sides T²/K · KL(softmax(teacher/T) ‖ softmax(student/T)) / divisor
//
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
        region_(RegionOptions::from(entry)),
        temperature_(positive(entry, "temperature", 10)),
        released_(entry.get("preset", "robust") == std::string("released")) {}

  std::vector<std::string> studentTaps() const override {
    auto taps = levelTaps("head.reg", head_.strides.size());
    if (region_.kind == RegionOptions::Kind::main) {
      for (auto& tap : levelTaps(head_.version2 ? "head.score" : "head.cls", head_.strides.size()))
        taps.push_back(std::move(tap));
    }
    return taps;
  }
  std::vector<std::string> teacherTaps() const override {
    return levelTaps("head.reg", head_.strides.size());
  }

  std::vector<Tensor> teacherRows(const Batch& batch,
                                  const detectors::GflAssignment& assignment) const override {
    return regionMasks(region_, head_, batch, assignment);
  }

  std::vector<double> normalisers(const Batch& batch, const detectors::GflAssignment&) const override {
    return {released_ ? 1.0 : static_cast<double>(batch.count)};
  }

  std::vector<Tensor> levels(const TransferInput& input,
                             const std::vector<double>& normalisers) const override {
    const size_t levels = head_.strides.size();
    const bool main = region_.kind == RegionOptions::Kind::main;
    const double scale = 1 / ((main ? 4.0 : 16.0) * std::max(normalisers.at(0), 1.0));
    const auto valuable =
        main ? std::vector<Tensor>{} : valuableRows(region_, head_, input.batch, input.assignment);
    std::vector<Tensor> out;
    for (size_t l = 0; l < levels; ++l) {
      const Tensor weights = main ? detectors::positiveConfidence(head_, rowsOf(input.student[levels + l]),
                                                                  input.assignment.levels[l].labels)
                                  : valuable[l];
      const int64_t bins = head_.regMax + 1;
      out.push_back(ops::klDistillation(rowsOf(input.student[l]).reshape({-1, bins}),
                                        rowsOf(input.teacher[l]).reshape({-1, bins}),
                                        weights.repeat_interleave(4), temperature_) *
                    scale);
    }
    return out;
  }

 private:
  detectors::GflOptions head_;
  RegionOptions region_;
  double temperature_;
  bool released_;
};

HD_REGISTER_TRANSFER("localization", [](const Value& entry, const HeadShape& shape) {
  return std::make_unique<Localization>(entry, shape);
});

}  // namespace
}  // namespace hd::distill
