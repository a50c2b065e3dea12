#include "distill/transfer.h"

#include <ATen/ATen.h>

namespace hd::distill {

nn::Registry<TransferFactory>& transferRegistry() {
  static nn::Registry<TransferFactory> registry("transfer");
  return registry;
}

std::pair<Tensor, Tensor> commonClasses(const Tensor& student, const Tensor& teacher, int64_t classes,
                                        const std::vector<int64_t>& classMap) {
  if (classMap.empty() && student.size(1) == teacher.size(1)) return {student, teacher};
  const Tensor own = student.slice(1, 0, classes);
  if (classMap.empty()) return {own, teacher.slice(1, 0, classes)};
  return {own, teacher.index_select(1, at::tensor(classMap))};
}

}  // namespace hd::distill
