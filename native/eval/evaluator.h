// Collects detections of a pass over a data set in memory and scores them against its truth; no JSON on the
// way.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/batch.h"
#include "core/value.h"
#include "eval/coco.h"
#include "eval/lvis.h"

namespace hd::eval {

class Evaluator {
 public:
  /// Truth in data set order: image index i ↔ truth.images[i]; class c ↔ truth.categories[c].
  /// `federated`: of data in LVIS format.
  explicit Evaluator(CocoSet truth, std::optional<FederatedTruth> federated = std::nullopt);

  /// Thread-safe. `image` is the index in the data set; a second call for the same image replaces the first.
  /// Throws HD_DIVERGED for a box or score that is not finite, HD_INTERNAL for an image or label out of
  /// range.
  void add(int64_t image, Detections detections);
  /// Truth that becomes known only with its picture (a program's own source); replaces that of the image
  /// from an earlier call. `category` and `image` of the instances are set here from `labels`, 0-based.
  /// Thread-safe. Throws HD_INTERNAL for an image or label out of range.
  void setTruth(int64_t image, std::vector<Instance> instances, const std::vector<int32_t>& labels);
  /// Valid until the next add() for this image, or clear().
  const Detections& detections(int64_t image) const;
  void clear();

  /// Difficult truths (Instance::ignore) count neither as found nor as missed. `threads`: 0 = all.
  /// `metric`: "coco" → {ap, ap50, ap75, apSmall, apMedium, apLarge, ar1, ar10, ar100, arSmall, …, perClass:
  /// [{name, ap, ap50, ap75, ar, truths, detections}], images, detections}; "voc" → {ap (mean of ten
  /// thresholds), ap50, ap55 … ap95, perThreshold, perClass} with `interpolation`: "11point" | "area"; "lvis"
  /// → see lvis.h, HD_USAGE without federated truth. Values are 0–1; −1 where undefined. `seenOnly`: only
  /// images that add() was called for count.
  Value summarize(const Value& options) const;
  /// Error kinds, confusions, precision curves and sizes; see diagnosis.h. Options: iou (0.5), score (0.3),
  /// threads, seenOnly. Of federated truth only the detections that LVIS looks at. Throws HD_USAGE for an iou
  /// outside 0.1–1.
  Value diagnose(const Value& options) const;
  /// COCO result JSON of everything collected (score files, `eval --out`).
  void writeResults(const std::string& path) const;

 private:
  std::vector<Instance> instances() const;
  CocoSet wholeTruth(bool seenOnly) const;

  CocoSet truth_;
  std::optional<FederatedTruth> federated_;
  std::vector<std::vector<Instance>> late_;  // by image, from setTruth
  mutable std::mutex mutex_;
  std::vector<Detections> collected_;
  std::vector<char> seen_;
};

}  // namespace hd::eval
