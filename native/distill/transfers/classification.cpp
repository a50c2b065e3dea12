// Knowledge distillation of the class logits (Hinton et al. 2015) inside a region of the dense head.
//
//   softmax (as released):  level sum = Σ rows m · T²/C · KL(softmax(teacher/T) ‖ softmax(student/T)) / rows
//   of the level binary:                 the same with one Bernoulli distribution a class, σ(logit/T); its
//   mean over classes. It also
//                           teaches data of one class, where a softmax has nothing to say.
//
// The rows of a level are counted over the global batch (preset released: over the micro-batch, and
// micro-batches are averaged). In the main region m = 1; in the valuable one it is 1 unless `weights` says
// otherwise (the released code has the term there, times 0).
#include <ATen/ATen.h>

#include <algorithm>

#include "distill/options.h"
#include "distill/region.h"
#include "distill/transfer.h"
#include "ops/losses.h"

namespace hd::distill {
namespace {

/// Σ weight · T² · mean over classes of KL(Bernoulli(σ(t/T)) ‖ Bernoulli(σ(s/T))).
Tensor binaryDivergence(const Tensor& student, const Tensor& teacher, const Tensor& weight,
                        double temperature) {
  const int64_t classes = student.size(1);
  // Both logits stand for a two-bin distribution: KL over the bins (z, 0) is the Bernoulli one. The kernel
  // takes the mean over two bins where the sum is wanted.
  const auto pairs = [](const Tensor& logits) {
    const Tensor column = logits.reshape({-1, 1});
    return at::cat({column, at::zeros_like(column)}, 1);
  };
  const Tensor repeated = weight.repeat_interleave(classes) * (2.0 / static_cast<double>(classes));
  return ops::klDistillation(pairs(student), pairs(teacher), repeated, temperature);
}

class Classification final : public Transfer {
 public:
  Classification(const Value& entry, const HeadShape& shape)
      : head_(shape.options),
        classMap_(shape.classMap),
        region_(RegionOptions::from(entry, head_, /*alike=*/true)),
        temperature_(positive(entry, "temperature", 2)),
        binary_(choice(entry, "kind", "softmax", {"softmax", "binary"}) == "binary"),
        released_(entry.get("preset", "robust") == std::string("released")) {}

  std::vector<std::string> studentTaps() const override {
    return levelTaps("head.cls", head_.strides.size());
  }
  std::vector<std::string> teacherTaps() const override {
    return levelTaps("head.cls", head_.strides.size());
  }

  std::vector<Tensor> teacherRows(const Batch& batch,
                                  const detectors::DenseAssignment& assignment) const override {
    return regionMasks(region_, head_, batch, assignment);
  }

  size_t normaliserCount() const override { return head_.strides.size() + 1; }
  std::vector<double> normalisers(const Batch& batch,
                                  const detectors::DenseAssignment& assignment) const override {
    std::vector<double> rows;
    for (const Tensor& weights : rowWeights(batch, assignment))
      rows.push_back(static_cast<double>(weights.ne(0).sum().item<int64_t>()));
    rows.push_back(1);  // micro-batches
    return rows;
  }

  std::vector<Tensor> levels(const TransferInput& input,
                             const std::vector<double>& normalisers) const override {
    const auto weights = rowWeights(input.batch, input.assignment);
    const auto own = released_ ? this->normalisers(input.batch, input.assignment) : normalisers;
    const double share = released_ ? 1 / std::max(normalisers.back(), 1.0) : 1;
    std::vector<Tensor> out;
    for (size_t l = 0; l < weights.size(); ++l) {
      const auto [student, teacher] =
          commonClasses(anchorRows(input.student[l], head_.anchorsPerCell()),
                        anchorRows(input.teacher[l], head_.anchorsPerCell()), head_.classes, classMap_);
      const Tensor sum = binary_ ? binaryDivergence(student, teacher, weights[l], temperature_)
                                 : ops::klDistillation(student, teacher, weights[l], temperature_);
      out.push_back(sum * (share / std::max(own[l], 1.0)));
    }
    return out;
  }

 private:
  std::vector<Tensor> rowWeights(const Batch& batch, const detectors::DenseAssignment& assignment) const {
    return region_.kind == RegionOptions::Kind::main ? assignedRows(assignment, head_.classes)
                                                     : valuableRows(region_, head_, batch, assignment);
  }

  detectors::DenseHead head_;
  std::vector<int64_t> classMap_;
  RegionOptions region_;
  double temperature_;
  bool binary_, released_;
};

HD_REGISTER_TRANSFER("classification", [](const Value& entry, const HeadShape& shape) {
  return std::make_unique<Classification>(entry, shape);
});

}  // namespace
}  // namespace hd::distill
