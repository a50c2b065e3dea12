// A frozen detector that shows the student what it sees.
//
// Invariants: its weights never change after construction; it runs as a plan (folded, no gradient, no
// activations kept), and only the ancestors of the taps that were asked for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "detectors/dense_head.h"
#include "detectors/detector.h"
#include "distill/cache.h"
#include "nn/weights.h"

namespace hd::distill {

class Teacher {
 public:
  /// `section`: { model: as for a student, classes a number; weights: a file; classMap: [teacher's class of
  /// each student class] or null; cache: { folder, limit in bytes } or null; precision: "fp32" or "bf16" of
  /// the plan }. Strict load: throws what nn::loadWeights throws (missing, unexpected, zero, NaN tensors).
  explicit Teacher(const Value& section);

  const std::string& weights() const { return weights_; }
  const nn::MatchReport& report() const { return report_; }
  const detectors::DenseHead& head() const { return head_; }
  const std::vector<int64_t>& classMap() const { return classMap_; }
  int64_t neckChannels() const { return neckChannels_; }

  /// fp32 whatever the plan computes in. A bf16 plan is within 2 % of the largest value of a map (measured).
  nn::Tensors run(const Batch& batch, const std::vector<std::string>& taps);

  /// Null without a cache.
  OutputCache* cache() { return cache_.get(); }

  /// Its own detections, in the student's classes; those of classes that the student lacks are dropped.
  std::vector<Detections> detect(const Batch& batch, const detectors::PostProcess& options);

 private:
  std::string weights_;
  std::unique_ptr<detectors::Detector> detector_;
  detectors::DenseHead head_;
  int64_t neckChannels_;
  std::vector<int64_t> classMap_;
  nn::MatchReport report_;
  std::unique_ptr<OutputCache> cache_;
  /// Of the last run, written again by the next when nobody holds them: maps made in the midst of a run would
  /// leave the memory of its activations in pieces that the student's do not fit into.
  std::map<std::string, nn::Tensor> outputs_;
};

}  // namespace hd::distill
