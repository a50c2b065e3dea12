#include "distill/agreement.h"

#include <ATen/ATen.h>

#include "distill/transfer.h"

namespace hd::distill {

void Agreement::add(const Agreement& other) {
  rows += other.rows;
  for (size_t side = 0; side < 4; ++side) sideDivergence[side] += other.sideDivergence[side];
  sides = sides || other.sides;
  classes = classes || other.classes;
  sameClass += other.sameClass;
  scoreDifference += other.scoreDifference;
}

Value Agreement::toValue() const {
  Value out{Value::Object{}};
  out.set("rows", rows);
  if (rows == 0) return out;
  const auto count = static_cast<double>(rows);
  if (sides) {
    Value means{Value::Array{}};
    for (const double sum : sideDivergence) means.push(sum / count);
    out.set("sides", std::move(means));
  }
  if (classes) {
    out.set("sameClass", static_cast<double>(sameClass) / count);
    out.set("scoreDifference", scoreDifference / count);
  }
  return out;
}

Agreement measureAgreement(const detectors::DenseAssignment& assignment, int64_t classes,
                           const std::vector<int64_t>& classMap, const std::vector<Tensor>& studentCls,
                           const std::vector<Tensor>& teacherCls, const std::vector<Tensor>& studentReg,
                           const std::vector<Tensor>& teacherReg) {
  const at::NoGradGuard guard;
  Agreement out;
  out.classes = !studentCls.empty();
  out.sides = !studentReg.empty();
  for (size_t l = 0; l < assignment.levels.size(); ++l) {
    const Tensor& labels = assignment.levels[l].labels;
    const Tensor rows = labels.ge(0).logical_and(labels.lt(classes)).nonzero().flatten();
    out.rows += rows.numel();
    if (rows.numel() == 0) continue;
    const auto select = [&](const Tensor& map) {
      return anchorRows(map.detach(), assignment.grid.levels()[l].perCell)
          .index_select(0, rows)
          .to(at::kFloat);
    };
    if (out.classes) {
      const auto [student, teacher] =
          commonClasses(select(studentCls[l]), select(teacherCls[l]), classes, classMap);
      out.sameClass += student.argmax(1).eq(teacher.argmax(1)).sum().item<int64_t>();
      out.scoreDifference += (teacher.sigmoid() - student.sigmoid()).abs().mean(1).sum().item<double>();
    }
    if (out.sides) {
      const Tensor student = select(studentReg[l]).reshape({rows.numel(), 4, -1}).log_softmax(2);
      const Tensor teacher = select(teacherReg[l]).reshape({rows.numel(), 4, -1}).log_softmax(2);
      const Tensor divergence = (teacher.exp() * (teacher - student)).sum(2).sum(0);
      for (size_t side = 0; side < 4; ++side)
        out.sideDivergence[side] += divergence[static_cast<int64_t>(side)].item<double>();
    }
  }
  return out;
}

}  // namespace hd::distill
