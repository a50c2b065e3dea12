#include "distill/distillation.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "distill/options.h"
#include "distill/region.h"

namespace hd::distill {
namespace {

const detectors::DenseAssignment& own(const detectors::Assignment& assignment) {
  const auto* targets = dynamic_cast<const detectors::DenseAssignment*>(&assignment);
  require(targets != nullptr, "expected the assignment of a dense head");
  return *targets;
}

void addOnce(std::vector<std::string>& list, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  }
}

template <class Student, class Its>
void demand(bool holds, const Teacher& teacher, const std::string& what, const Student& student,
            const Its& its) {
  if (holds) return;
  throw Error("HD_RECIPE_TEACHER",
              concat("expected ", what, " ", student, " as the student has for teacher ", teacher.weights(),
                     " but received ", its, ": choose a teacher of the same kind, or change the student"),
              "teachers");
}

std::string list(const std::vector<int64_t>& values) {
  std::string out;
  for (const int64_t value : values) out += (out.empty() ? "" : ", ") + std::to_string(value);
  return out;
}

/// What every transfer between dense heads needs; classes only where class logits are compared.
void checkFit(const detectors::DenseHead& student, const Teacher& teacher,
              const std::vector<std::string>& taps) {
  const auto reads = [&](const char* prefix) {
    return std::any_of(taps.begin(), taps.end(),
                       [&](const std::string& tap) { return tap.rfind(prefix, 0) == 0; });
  };
  const detectors::DenseHead& its = teacher.head();
  demand(its.strides == student.strides, teacher, "strides", list(student.strides), list(its.strides));
  if (reads("head.reg.")) {
    demand(its.regMax == student.regMax, teacher, "regMax", student.regMax, its.regMax);
    // Sides are distances from an anchor's centre.
    demand(its.anchorsPerCell() == student.anchorsPerCell() && its.anchors.offset == student.anchors.offset,
           teacher, "the anchors of detector", student.family, its.family);
  }
  if (!reads("head.cls.") && !reads("head.score.")) return;
  // What a score means, and of which anchor, differs by family.
  demand(its.family == student.family, teacher, "the detector", student.family, its.family);
  if (teacher.classMap().empty()) {
    demand(its.classes == student.classes, teacher, "classes", student.classes, its.classes);
  } else {
    const auto mapped = static_cast<int64_t>(teacher.classMap().size());
    demand(mapped == student.classes, teacher, "a class map of", student.classes, mapped);
  }
}

std::vector<Tensor> select(const std::map<std::string, Tensor>& outputs,
                           const std::vector<std::string>& taps) {
  std::vector<Tensor> out;
  for (const std::string& tap : taps) out.push_back(outputs.at(tap));
  return out;
}

}  // namespace

Distillation::Distillation(const Value& teachers, const Value& transfers, detectors::DenseHead student,
                           int64_t studentChannels, uint64_t seed)
    : parameters_(seed), head_(std::move(student)) {
  for (const Value& section : teachers.asArray()) teachers_.push_back(std::make_unique<Teacher>(section));
  teacherTaps_.resize(teachers_.size());
  for (const Value& section : transfers.asArray()) {
    Entry entry;
    const int64_t index = section.get("teacher", int64_t{0});
    if (index < 0 || index >= std::ssize(teachers_))
      refuseOption("teacher", concat("a number below ", teachers_.size()), index);
    entry.teacher = static_cast<size_t>(index);
    const Teacher& teacher = *teachers_[entry.teacher];
    const std::string kind = section.at("transfer").asString();
    entry.name = section.get("name", kind.c_str());
    entry.weight = section.get("weight", 1.0);
    entry.transfer =
        transferRegistry().get(kind)(section, {head_, teacher.head().classes, teacher.classMap(),
                                               studentChannels, teacher.neckChannels(), &parameters_});
    checkFit(head_, teacher, entry.transfer->teacherTaps());
    addOnce(studentTaps_, entry.transfer->studentTaps());
    addOnce(teacherTaps_[entry.teacher], entry.transfer->teacherTaps());
    entries_.push_back(std::move(entry));
  }
}

std::vector<double> Distillation::normalisers(const Batch& batch,
                                              const detectors::Assignment& assignment) const {
  std::vector<double> out;
  for (const Entry& entry : entries_) {
    for (const double sum : entry.transfer->normalisers(batch, own(assignment))) out.push_back(sum);
  }
  return out;
}

std::vector<Tensor> Distillation::cellsFrom(size_t teacher, const Batch& batch,
                                            const detectors::DenseAssignment& assignment) const {
  std::vector<Tensor> rows;
  for (const Tensor& assigned : assignedRows(assignment, head_.classes))
    rows.push_back(assigned.to(at::kByte));
  for (const Entry& entry : entries_) {
    if (entry.teacher != teacher) continue;
    const auto needed = entry.transfer->teacherRows(batch, assignment);
    for (size_t l = 0; l < rows.size(); ++l) {
      if (needed.empty())
        rows[l].fill_(1);
      else
        rows[l].bitwise_or_(needed[l]);
    }
  }
  if (const int64_t anchors = head_.anchorsPerCell(); anchors > 1) {
    for (Tensor& mask : rows) mask = mask.reshape({-1, anchors}).amax({1});
  }
  return rows;
}

Distillation::TeacherOutputs Distillation::runTeachers(const Batch& batch,
                                                       const detectors::Assignment& assignment) {
  TeacherOutputs out(teachers_.size());
  for (size_t t = 0; t < teachers_.size(); ++t) {
    const auto& taps = teacherTaps_[t];
    if (taps.empty()) continue;
    Teacher& teacher = *teachers_[t];
    if (teacher.cache() != nullptr) {
      const auto& targets = own(assignment);
      out[t] = runCached(*teacher.cache(), batch, targets.grid.levels(), taps, cellsFrom(t, batch, targets),
                         [&](const Batch& one) { return teacher.run(one, taps); });
      continue;
    }
    const nn::Tensors maps = teacher.run(batch, taps);
    for (size_t i = 0; i < maps.size(); ++i) out[t][taps[i]] = maps[i];
  }
  return out;
}

std::vector<std::string> Distillation::lossTerms() const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) out.push_back(entry.name);
  return out;
}

std::vector<detectors::LossTerm> Distillation::losses(const Batch& batch,
                                                      const detectors::Assignment& assignment,
                                                      const std::map<std::string, Tensor>& student,
                                                      const TeacherOutputs& teachers,
                                                      const std::vector<double>& normalisers) const {
  std::vector<detectors::LossTerm> out;
  size_t first = 0;
  for (const Entry& entry : entries_) {
    const size_t count = entry.transfer->normaliserCount();
    const std::vector<double> sums(normalisers.begin() + static_cast<std::ptrdiff_t>(first),
                                   normalisers.begin() + static_cast<std::ptrdiff_t>(first + count));
    first += count;
    const TransferInput input{batch, own(assignment), select(student, entry.transfer->studentTaps()),
                              select(teachers[entry.teacher], entry.transfer->teacherTaps())};
    out.push_back({entry.name, at::stack(entry.transfer->levels(input, sums)).sum(), entry.weight});
  }
  return out;
}

std::vector<Agreement> Distillation::agreement(const detectors::Assignment& assignment,
                                               const std::map<std::string, Tensor>& student,
                                               const TeacherOutputs& teachers) const {
  std::vector<Agreement> out;
  for (size_t t = 0; t < teachers_.size(); ++t) {
    const auto maps = [&](const char* prefix) {
      std::pair<std::vector<Tensor>, std::vector<Tensor>> both;
      for (const std::string& tap : levelTaps(prefix, teachers_[t]->head().strides.size())) {
        const auto own = student.find(tap);
        const auto its = teachers[t].find(tap);
        if (own == student.end() || its == teachers[t].end()) return decltype(both){};
        both.first.push_back(own->second);
        both.second.push_back(its->second);
      }
      return both;
    };
    const auto cls = maps("head.cls"), reg = maps("head.reg");
    out.push_back(measureAgreement(own(assignment), head_.classes, teachers_[t]->classMap(), cls.first,
                                   cls.second, reg.first, reg.second));
  }
  return out;
}

}  // namespace hd::distill
