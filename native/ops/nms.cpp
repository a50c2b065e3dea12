#include "ops/nms.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <limits>

#include "core/error.h"
#include "ops/cpu/nms_kernel.h"

namespace hd::ops {
namespace {

using torch::Tensor;

struct Candidates {
  Tensor boxes, scores;  // contiguous float32
  int64_t count;
};

Candidates candidatesOf(const Tensor& boxes, const Tensor& scores) {
  require(boxes.dim() == 2 && boxes.size(1) == 4 && scores.dim() == 1 && scores.size(0) == boxes.size(0),
          "expected boxes [K, 4] and scores [K] for nms but received ", boxes.sizes(), " and ",
          scores.sizes(), ": pass one score a box");
  return {boxes.to(at::kFloat).contiguous(), scores.to(at::kFloat).contiguous(), boxes.size(0)};
}

Tensor indices(const std::vector<int64_t>& keep) {
  return at::from_blob(const_cast<int64_t*>(keep.data()), {std::ssize(keep)}, at::kLong).clone();
}

Tensor nmsCpu(const Tensor& boxes, const Tensor& scores, double threshold) {
  const auto [corners, values, count] = candidatesOf(boxes, scores);
  return indices(nms(corners.const_data_ptr<float>(), values.const_data_ptr<float>(), count, threshold));
}

Tensor batchedNmsCpu(const Tensor& boxes, const Tensor& scores, const Tensor& labels, double threshold,
                     int64_t limit) {
  const auto [corners, values, count] = candidatesOf(boxes, scores);
  require(labels.dim() == 1 && labels.size(0) == count && at::isIntegralType(labels.scalar_type(), false),
          "expected integer labels [", count, "] for batched nms but received ", labels.sizes(), " of type ",
          labels.scalar_type(), ": pass one class a box");
  const auto wide = labels.to(at::kLong).contiguous();
  std::vector<int32_t> classes(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = wide.const_data_ptr<int64_t>()[i];
    require(label >= std::numeric_limits<int32_t>::min() && label <= std::numeric_limits<int32_t>::max(),
            "expected labels within 32 bits for batched nms but received ", label,
            ": number the classes from 0");
    classes[i] = static_cast<int32_t>(label);
  }
  return indices(batchedNms(corners.const_data_ptr<float>(), values.const_data_ptr<float>(), classes.data(),
                            count, threshold, limit));
}

TORCH_LIBRARY_FRAGMENT(hdtrain, library) {
  library.def("nms(Tensor boxes, Tensor scores, float threshold) -> Tensor");
  library.def(
      "batched_nms(Tensor boxes, Tensor scores, Tensor labels, float threshold, int limit=-1) -> Tensor");
}

TORCH_LIBRARY_IMPL(hdtrain, CPU, library) {
  library.impl("nms", nmsCpu);
  library.impl("batched_nms", batchedNmsCpu);
}

}  // namespace

Tensor nms(const Tensor& boxes, const Tensor& scores, double threshold) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("hdtrain::nms", "")
                             .typed<Tensor(const Tensor&, const Tensor&, double)>();
  return op.call(boxes.detach(), scores.detach(), threshold);
}

Tensor batchedNms(const Tensor& boxes, const Tensor& scores, const Tensor& labels, double threshold,
                  int64_t limit) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("hdtrain::batched_nms", "")
                             .typed<Tensor(const Tensor&, const Tensor&, const Tensor&, double, int64_t)>();
  return op.call(boxes.detach(), scores.detach(), labels, threshold, limit);
}

}  // namespace hd::ops
