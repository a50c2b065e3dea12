// Pascal VOC average precision as the GFL and LD code bases measure it (mmdetection's eval_map): one IoU
// threshold at a time, a detection is tested only against the truth that it overlaps most, no "+1" in areas.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hd::eval {

enum class Interpolation {
  area,         ///< area under the monotone precision curve (VOC 2010 and later)
  elevenPoint,  ///< mean of the best precision at recalls 0, 0.1, … 1 (VOC 2007)
};

/// A truth or detection of one image. Boxes are x1, y1, x2, y2.
struct VocBox {
  int64_t image = 0;
  int32_t label = 0;
  std::array<double, 4> box{};
  double score = 0;  ///< detections only
  bool ignore =
      false;  ///< truths only: difficult or crowd; a detection matched to one is neither right nor wrong
};

struct VocParams {
  double iouThreshold = 0.5;
  Interpolation interpolation = Interpolation::area;
  /// Only truths whose √area lies in [low, high) count.
  std::optional<std::array<double, 2>> scaleRange;
};

struct VocClass {
  double ap = 0;       ///< 0 without truths; such a class is left out of means
  int64_t truths = 0;  ///< that count
  int64_t detections = 0;
  std::vector<double> recalls, precisions;  ///< by falling score
};

/// One entry a class. Overlaps are taken in float32, as in the original. Ties in score go to the lower image,
/// then to the earlier detection; ties in overlap to the earlier truth. Throws HD_INTERNAL for a label
/// outside [0, classes).
std::vector<VocClass> evaluateVoc(const std::vector<VocBox>& truths, const std::vector<VocBox>& detections,
                                  int classes, const VocParams& params);

/// Mean AP over classes with truths; −1 when there is none.
double meanAp(const std::vector<VocClass>& classes);

/// The ten thresholds of the mean: 0.5 and nine times + 0.05, added up as the original does.
std::array<double, 10> vocThresholds();

double averagePrecision(std::span<const double> recalls, std::span<const double> precisions,
                        Interpolation interpolation);

/// Share of truths (without the ignored ones) that the best `limits` proposals of their image reach at each
/// threshold, when both pair off one to one, closest pair first (mmdetection's eval_recalls). Labels play no
/// part. Returns limits × iouThresholds, row-major; −1 without truths.
std::vector<double> proposalRecalls(const std::vector<VocBox>& truths, const std::vector<VocBox>& proposals,
                                    std::span<const int> limits, std::span<const double> iouThresholds);

}  // namespace hd::eval
