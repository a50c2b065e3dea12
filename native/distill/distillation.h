// The `teachers` and `distill` sections of a recipe at work: which taps are needed, who runs, which terms
// come out. The engine sees only this.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "detectors/detector.h"
#include "distill/agreement.h"
#include "distill/teacher.h"
#include "distill/transfer.h"

namespace hd::distill {

class Distillation {
 public:
  /// `teachers`: list of Teacher sections. `transfers`: list of { transfer, teacher [0], weight, name, … }.
  /// `student`: its head, and the channels of its neck. Throws HD_RECIPE_TEACHER when a teacher does not fit
  /// a transfer, naming both.
  Distillation(const Value& teachers, const Value& transfers, detectors::DenseHead student,
               int64_t studentChannels, uint64_t seed = 0);

  /// What transfers learn themselves (adapters): optimised and saved like the student's, never exported.
  nn::ParameterStore& parameters() { return parameters_; }

  const std::vector<std::unique_ptr<Teacher>>& teachers() const { return teachers_; }
  /// Each once.
  const std::vector<std::string>& studentTaps() const { return studentTaps_; }

  /// Concatenated over transfers; sums over micro-batches and ranks go back into losses().
  std::vector<double> normalisers(const Batch& batch, const detectors::Assignment& assignment) const;

  /// Runs the teachers; one entry a teacher, by tap.
  using TeacherOutputs = std::vector<std::map<std::string, Tensor>>;
  TeacherOutputs runTeachers(const Batch& batch, const detectors::Assignment& assignment);

  /// Names of what losses() gives.
  std::vector<std::string> lossTerms() const;

  /// `student`: the student's outputs by tap.
  std::vector<detectors::LossTerm> losses(const Batch& batch, const detectors::Assignment& assignment,
                                          const std::map<std::string, Tensor>& student,
                                          const TeacherOutputs& teachers,
                                          const std::vector<double>& normalisers) const;

  /// One entry a teacher, from the head maps that its transfers read.
  std::vector<Agreement> agreement(const detectors::Assignment& assignment,
                                   const std::map<std::string, Tensor>& student,
                                   const TeacherOutputs& teachers) const;

 private:
  /// Cells that transfers, or a look at the agreement, read of a teacher: one uint8 mask a level.
  std::vector<Tensor> cellsFrom(size_t teacher, const Batch& batch,
                                const detectors::DenseAssignment& assignment) const;

  struct Entry {
    std::string name;
    size_t teacher = 0;
    double weight = 1;
    std::unique_ptr<Transfer> transfer;
  };

  nn::ParameterStore parameters_;
  std::vector<std::unique_ptr<Teacher>> teachers_;
  std::vector<Entry> entries_;
  std::vector<std::string> studentTaps_;
  std::vector<std::vector<std::string>> teacherTaps_;
  detectors::DenseHead head_;
};

}  // namespace hd::distill
