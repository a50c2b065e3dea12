// Dense heads of the focal-loss line with box-side distributions: ATSS, FCOS and RetinaNet as the
// localization-distillation code has them (Zheng et al. 2022, arXiv 2102.12252, §4.3; its class heads without
// quality focal or distribution focal loss). They differ in assigner, anchors and centerness.
//
//   cls         focal loss / N
//   box         Σ positives c · box loss / Σ c, c the centerness target; without centerness / N
//   centerness  Σ positives BCE(centerness, c) / N
//
// A family is one file that gives `assign` and one registration line.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "detectors/dense_head.h"

namespace hd::detectors {

struct FocalOptions : DenseHead {
  double boxWeight = 2;    ///< of the box loss
  bool centerness = true;  ///< the head has "head.centerness.p3"…
  /// Every image counts for at least one in N; else only N as a whole is at least 1.
  bool atLeastOneAnImage = true;
};

/// `normalisers`: N, Σ c over positives, and the number of micro-batches.
struct FocalAssignment : DenseAssignment {
  /// Per level, float [rows]: c of positives (1 without centerness), 0 elsewhere.
  std::vector<Tensor> boxWeights;
};

/// Fills boxWeights and normalisers from levels and the positives of each image.
void finishAssignment(const FocalOptions& options, const std::vector<int64_t>& positives,
                      FocalAssignment& out);

/// How central a point is in its box: √(min(l, r)/max(l, r) · min(t, b)/max(t, b)) of its distances to the
/// sides (FCOS, eq. 3); rows of `labels` outside [0, classes) give 0. Floats [rows].
Tensor centernessTargets(const DenseTargets& targets, int64_t classes);

/// Undivided sums of one micro-batch, one scalar a level; all fp32 with gradient. Without centerness that
/// list is empty.
struct FocalSums {
  std::vector<Tensor> cls, box, centerness;
};
FocalSums focalSums(const FocalOptions& options, const std::vector<Tensor>& cls,
                    const std::vector<Tensor>& reg, const std::vector<Tensor>& centerness,
                    const FocalAssignment& assignment);

/// What turns the sums of a micro-batch into its share of the loss terms.
struct FocalScales {
  double cls = 0, box = 0, centerness = 0;
};
/// N = max(1, assigned); box is divided by Σ c, by 1 when that is 0.
FocalScales focalScales(const FocalOptions& options, double assigned, double centernessSum);

class FocalDetector : public Detector {
 public:
  FocalDetector(FocalOptions options, const Value& model, uint64_t seed);

  nn::Graph& graph() override { return *graph_; }
  const DenseHead* denseHead() const override { return &options_; }
  int64_t classes() const override { return options_.classes; }
  int64_t divisor() const override { return options_.divisor; }
  std::vector<std::string> lossTaps() const override;
  std::vector<std::string> detectTaps() const override { return lossTaps(); }
  bool hasPredictionNormalisers() const override { return false; }
  std::vector<double> predictionNormalisers(const nn::Tensors&, const Assignment&) const override {
    return {};
  }
  std::vector<std::string> lossTerms() const override;
  std::vector<LossTerm> losses(const nn::Tensors& outputs, const Assignment& assignment,
                               const std::vector<double>& assignmentNormalisers,
                               const std::vector<double>& predictionNormalisers) const override;
  std::vector<Detections> detect(const nn::Tensors& outputs, const Batch& batch,
                                 const PostProcess& postProcess) const override;

 protected:
  FocalOptions options_;

 private:
  std::unique_ptr<nn::Graph> graph_;
};

/// What each family makes of a model section; for the detectors and for tests.
FocalOptions atssOptions(const Value& model);
FocalOptions fcosOptions(const Value& model);
FocalOptions retinanetOptions(const Value& model);
std::unique_ptr<FocalAssignment> assignAtss(const FocalOptions& options, const Batch& batch);
std::unique_ptr<FocalAssignment> assignFcos(const FocalOptions& options, const Batch& batch);
std::unique_ptr<FocalAssignment> assignRetinanet(const FocalOptions& options, const Batch& batch);

}  // namespace hd::detectors
