// A frozen detector that shows the student what it sees.
//
// Invariants: its weights never change after construction; it runs as a plan (folded, no gradient, no
// activations kept), and only the ancestors of the taps that were asked for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "detectors/detector.h"
#include "detectors/gfl.h"
#include "nn/weights.h"

namespace hd::distill {

class Teacher {
 public:
  /// `section`: { model: as for a student, classes a number; weights: a file; classMap: [teacher's class of
  /// each student class] or null }. Strict load: throws what nn::loadWeights throws (missing, unexpected,
  /// zero, NaN tensors).
  explicit Teacher(const Value& section);

  const std::string& weights() const { return weights_; }
  const nn::MatchReport& report() const { return report_; }
  const detectors::GflOptions& head() const { return head_; }
  const std::vector<int64_t>& classMap() const { return classMap_; }

  nn::Tensors run(const Batch& batch, const std::vector<std::string>& taps);

 private:
  std::string weights_;
  std::unique_ptr<detectors::Detector> detector_;
  detectors::GflOptions head_;
  std::vector<int64_t> classMap_;
  nn::MatchReport report_;
};

}  // namespace hd::distill
