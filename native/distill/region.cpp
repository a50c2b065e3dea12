#include "distill/region.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "distill/options.h"

namespace hd::distill {

RegionOptions RegionOptions::from(const Value& transfer, const detectors::DenseHead& head, bool alike) {
  RegionOptions out;
  const std::string preset = choice(transfer, "preset", "robust", {"robust", "released", "paper"});
  const bool released = preset == "released";
  out.kind = choice(transfer, "region", "main", {"main", "valuable"}) == "main" ? Kind::main : Kind::valuable;
  out.rule =
      choice(transfer, "overlap", released ? "released" : "distance", {"distance", "released"}) == "released"
          ? detectors::RegionRule::released
          : detectors::RegionRule::distance;
  const char* published = head.family == "fcos" ? "confidence" : "overlap";
  const std::string weights =
      choice(transfer, "weights", released && !alike ? published : "mask", {"overlap", "mask", "confidence"});
  out.weights = weights == "overlap"      ? Weights::overlap
                : weights == "confidence" ? Weights::confidence
                                          : Weights::mask;
  const bool withoutPositives = released && head.family == "retinanet";
  out.positives = transfer.get("positives", preset != "robust" && !withoutPositives);
  out.gamma = within(transfer, "gamma", 0.25, 0, 1);
  return out;
}

std::vector<Tensor> valuableRows(const RegionOptions& options, const detectors::DenseHead& head,
                                 const Batch& batch, const detectors::DenseAssignment& assignment) {
  std::vector<Tensor> out;
  for (const auto& level : assignment.grid.levels()) out.push_back(at::zeros({batch.count * level.count()}));
  at::parallel_for(0, batch.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const ImageTargets& image = batch.images[static_cast<size_t>(i)];
      const auto valid = assignment.grid.validCells(image.height, image.width, head.divisor);
      const std::vector<float> overlaps =
          assignment.valuable(image, static_cast<size_t>(i), valid, options.rule, options.gamma);
      for (size_t l = 0; l < out.size(); ++l) {
        const auto& level = assignment.grid.levels()[l];
        const int64_t first = i * level.count();
        const int64_t* labels = assignment.levels[l].labels.const_data_ptr<int64_t>() + first;
        float* weights = out[l].data_ptr<float>() + first;
        for (int64_t cell = 0; cell < level.count(); ++cell) {
          const float overlap = overlaps[static_cast<size_t>(level.first + cell)];
          const bool assigned = labels[cell] >= 0 && labels[cell] < head.classes;
          if (overlap <= 0 || (assigned && !options.positives)) continue;
          weights[cell] = options.weights == RegionOptions::Weights::overlap ? overlap : 1.0f;
        }
      }
    }
  });
  return out;
}

std::vector<Tensor> assignedRows(const detectors::DenseAssignment& assignment, int64_t classes) {
  std::vector<Tensor> out;
  for (const auto& level : assignment.levels)
    out.push_back(level.labels.ge(0).logical_and(level.labels.lt(classes)).to(at::kFloat));
  return out;
}

std::vector<Tensor> regionMasks(const RegionOptions& options, const detectors::DenseHead& head,
                                const Batch& batch, const detectors::DenseAssignment& assignment) {
  std::vector<Tensor> masks = options.kind == RegionOptions::Kind::main
                                  ? assignedRows(assignment, head.classes)
                                  : valuableRows(options, head, batch, assignment);
  for (Tensor& mask : masks) mask = mask.ne(0).to(at::kByte);
  return masks;
}

}  // namespace hd::distill
