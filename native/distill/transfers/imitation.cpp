// Feature imitation: the student's pyramid features become the teacher's in a region.
//
//   level sum = Σ rows of the region Σ channels (student − teacher)² / (rows of the region · channels)
//
// kind         region                                                     source
//   fitnets      every cell                                               Romero et al. 2015, arXiv 1412.6550
//   inside-box   anchor centre inside an object (released: "fitnet")      Zheng et al. 2022, arXiv 2102.12252
//   finegrained  anchors nearly as good as an object's best one           Wang et al. 2019, arXiv 1906.03609
//   decouple     inside-box, plus 2 × the same mean over all other cells  Guo et al. 2021, arXiv 2103.14475
//   gibox        where teacher and student disagree most                  Dai et al. 2021, arXiv 2103.02340
//
// Rows are counted over the global batch; gibox takes the mean of every image and averages over the images.
// Preset released: as published, by the micro-batch (and micro-batches averaged), a level without assigned
// anchors costs nothing, and gibox looks at all images as one. Where channels differ, a learned 1×1
// convolution, one for all levels, takes the student's to the teacher's; it lives in checkpoints and not in
// the student.
#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

#include "distill/imitation_region.h"
#include "distill/options.h"
#include "distill/transfer.h"
#include "nn/layers/conv.h"
#include "ops/losses.h"

namespace hd::distill {
namespace {

constexpr double backgroundWeight = 2;

class Imitation final : public Transfer {
 public:
  Imitation(const Value& entry, const HeadShape& shape)
      : head_(shape.options),
        classMap_(shape.classMap),
        kind_(choice(entry, "kind", "gibox", {"fitnets", "inside-box", "finegrained", "decouple", "gibox"})),
        released_(choice(entry, "preset", "robust", {"robust", "released", "paper"}) == "released") {
    instances_.flattened = released_;
    if (shape.studentChannels == shape.teacherChannels) return;
    require(shape.parameters != nullptr, "expected a place for the parameters of an adapter");
    nn::ConvOptions adapter;
    adapter.conv = concat("distill.", entry.get("name", "imitation"), ".adapter");
    adapter.in = shape.studentChannels;
    adapter.out = shape.teacherChannels;
    adapter.bias = true;
    adapter.initial = nn::xavierUniform();
    adapter_ = std::make_unique<nn::ConvUnit>(*shape.parameters, adapter);
  }

  std::vector<std::string> studentTaps() const override { return taps(head_.scoreTap()); }
  std::vector<std::string> teacherTaps() const override {
    // As released, GFLv2's student scores stand against the teacher's class logits.
    return taps(head_.jointScores && !released_ ? "head.score" : "head.cls");
  }

  std::vector<Tensor> teacherRows(const Batch& batch,
                                  const detectors::DenseAssignment& assignment) const override {
    // Disagreement is looked for everywhere, and the background is everywhere.
    if (kind_ == "gibox" || kind_ == "decouple") return {};
    auto rows = masks(batch, assignment);
    for (Tensor& cells : rows) cells = cells.repeat_interleave(head_.anchorsPerCell());
    return rows;
  }

  size_t normaliserCount() const override { return kind_ == "gibox" ? 2 : 2 * head_.strides.size() + 2; }
  std::vector<double> normalisers(const Batch& batch,
                                  const detectors::DenseAssignment& assignment) const override {
    std::vector<double> sums;
    if (kind_ != "gibox") {
      const auto regions = masks(batch, assignment), valid = wholeMap(assignment);
      for (size_t l = 0; l < regions.size(); ++l) {
        const auto inside = regions[l].sum().item<double>();
        sums.push_back(inside);
        sums.push_back(valid[l].sum().item<double>() - inside);
      }
    }
    sums.push_back(static_cast<double>(batch.count));
    sums.push_back(1);  // micro-batches
    return sums;
  }

  std::vector<Tensor> levels(const TransferInput& input, const std::vector<double>& sums) const override {
    const double share = released_ ? 1 / std::max(sums.back(), 1.0) : 1;
    std::vector<Tensor> weights =
        kind_ == "gibox" ? instanceWeights(input, sums[sums.size() - 2])
                         : maskWeights(input, released_ ? normalisers(input.batch, input.assignment) : sums);
    std::vector<Tensor> out;
    for (size_t l = 0; l < weights.size(); ++l) {
      if (released_ && !anyAssigned(input.assignment.levels[l].labels)) weights[l].zero_();
      const Tensor& map = input.student[l];
      const Tensor student = anchorRows(adapter_ ? adapter_->forward(map, nn::Mode::train) : map);
      const Tensor teacher = anchorRows(input.teacher[l]);
      out.push_back(ops::squaredDifference(student, teacher, weights[l]) *
                    (share / static_cast<double>(teacher.size(1))));
    }
    return out;
  }

 private:
  std::vector<std::string> taps(const char* classes) const {
    auto names = levelTaps("neck", head_.strides.size());
    if (kind_ == "gibox") {
      for (const char* prefix : {classes, "head.reg"}) {
        for (auto& tap : levelTaps(prefix, head_.strides.size())) names.push_back(std::move(tap));
      }
    }
    return names;
  }

  bool anyAssigned(const Tensor& labels) const {
    return labels.ge(0).logical_and(labels.lt(head_.classes)).any().item<bool>();
  }

  std::vector<Tensor> masks(const Batch& batch, const detectors::DenseAssignment& assignment) const {
    if (kind_ == "fitnets") return wholeMap(assignment);
    if (kind_ == "finegrained") return nearBestAnchors(head_, batch, assignment);
    return insideBoxes(head_, batch, assignment);
  }

  /// `sums`: per level the rows inside the region and the valid ones outside.
  std::vector<Tensor> maskWeights(const TransferInput& input, const std::vector<double>& sums) const {
    const auto valid = wholeMap(input.assignment);
    std::vector<Tensor> out;
    for (const Tensor& mask : masks(input.batch, input.assignment)) {
      const double inside = sums[2 * out.size()], outside = sums[2 * out.size() + 1];
      Tensor weights = mask.to(at::kFloat) * (1 / std::max(inside, 1.0));
      if (kind_ == "decouple") {
        const Tensor background = valid[out.size()].ne(0).logical_and(mask.eq(0)).to(at::kFloat);
        weights = weights + background * (backgroundWeight / std::max(outside, 1.0));
      }
      out.push_back(weights);
    }
    return out;
  }

  std::vector<Tensor> instanceWeights(const TransferInput& input, double images) const {
    const size_t levels = head_.strides.size();
    const int64_t anchors = head_.anchorsPerCell();
    std::vector<Tensor> out;
    for (size_t l = 0; l < levels; ++l) {
      auto [student, teacher] =
          commonClasses(anchorRows(input.student[levels + l], anchors),
                        anchorRows(input.teacher[levels + l], anchors), head_.classes, classMap_);
      if (!head_.jointScores) {
        teacher = teacher.sigmoid();
        student = student.sigmoid();
      }
      Tensor weights = at::zeros({student.size(0) / anchors});
      for (const auto& rows :
           generalInstances(instances_, student, teacher, anchorRows(input.student[2 * levels + l], anchors),
                            anchorRows(input.teacher[2 * levels + l], anchors),
                            input.assignment.levels[l].labels, input.assignment.grid.levels()[l])) {
        const double lists = released_ ? 1 : std::max(images, 1.0);
        // Two anchors of one cell count twice.
        for (const int64_t row : rows)
          weights.data_ptr<float>()[row / anchors] +=
              static_cast<float>(1 / (lists * static_cast<double>(rows.size())));
      }
      out.push_back(weights);
    }
    return out;
  }

  detectors::DenseHead head_;
  std::vector<int64_t> classMap_;
  std::string kind_;
  bool released_;
  InstanceOptions instances_;
  std::unique_ptr<nn::ConvUnit> adapter_;
};

HD_REGISTER_TRANSFER("imitation", [](const Value& entry, const HeadShape& shape) {
  return std::make_unique<Imitation>(entry, shape);
});

}  // namespace
}  // namespace hd::distill
