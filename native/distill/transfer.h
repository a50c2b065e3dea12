// One way of teaching: reads taps of the student and of one teacher, gives one loss term. A new transfer is
// one file in transfers/ with one HD_REGISTER_TRANSFER line; the engine knows none of them.
//
// Order in a step, as for detectors: `normalisers` of every micro-batch are summed over micro-batches and
// ranks, then `levels` is called per micro-batch with the sums, so that a result does not depend on how a
// global batch is cut (preset released: on purpose it does).
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "detectors/dense_head.h"
#include "nn/parameters.h"
#include "nn/registry.h"

namespace hd::distill {

using detectors::anchorRows;
using detectors::levelTaps;
using torch::Tensor;

/// The dense head that both sides share.
struct HeadShape {
  detectors::DenseHead options;  ///< of the student
  int64_t teacherClasses = 0;
  std::vector<int64_t> classMap;  ///< teacher's class of each student class; empty: the same
  int64_t studentChannels = 256, teacherChannels = 256;  ///< of the neck
  nn::ParameterStore* parameters = nullptr;  ///< where a transfer puts what it learns itself (adapters)
};

/// One micro-batch. Maps are N×C×H×W by level, in the order of the taps that the transfer asked for.
struct TransferInput {
  const Batch& batch;
  const detectors::DenseAssignment& assignment;
  std::vector<Tensor> student, teacher;  ///< the teacher's need no gradient
};

class Transfer {
 public:
  virtual ~Transfer() = default;
  virtual std::vector<std::string> studentTaps() const = 0;
  virtual std::vector<std::string> teacherTaps() const = 0;
  /// Rows of the teacher's maps that it reads: one uint8 mask a level, rows image-major, then cells, then
  /// their anchors. Empty: all rows.
  virtual std::vector<Tensor> teacherRows(const Batch&, const detectors::DenseAssignment&) const {
    return {};
  }
  /// How many sums `normalisers` gives.
  virtual size_t normaliserCount() const = 0;
  /// Sums that follow from the assignment alone.
  virtual std::vector<double> normalisers(const Batch& batch,
                                          const detectors::DenseAssignment& assignment) const = 0;
  /// One fp32 scalar a level, normalised, not weighted. Rows outside the region give exact zeros with zero
  /// gradients.
  virtual std::vector<Tensor> levels(const TransferInput& input,
                                     const std::vector<double>& normalisers) const = 0;
};

/// The columns of rows of class logits or scores that stand for the same classes on both sides, in the
/// student's order. A spare column behind the classes (GFL v2 as released) stays when both sides have one and
/// number their classes alike (`classMap` empty).
std::pair<Tensor, Tensor> commonClasses(const Tensor& student, const Tensor& teacher, int64_t classes,
                                        const std::vector<int64_t>& classMap);

/// `entry` is one element of the recipe's `distill` list.
using TransferFactory = std::function<std::unique_ptr<Transfer>(const Value& entry, const HeadShape& shape)>;
nn::Registry<TransferFactory>& transferRegistry();

}  // namespace hd::distill

#define HD_REGISTER_TRANSFER(name, ...)                        \
  [[maybe_unused]] static const bool HD_UNIQUE(hdRegistered) = \
      ::hd::distill::transferRegistry().add(name, __VA_ARGS__)
