// COCO metrics (bbox, segm, keypoints), equal to pycocotools to 1e-9, on flat arrays and all cores.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/value.h"

namespace hd::eval {

enum class IouType { bbox, segm, keypoints };

/// Run-length mask, column-major, starting with zeros (pycocotools' layout).
struct Mask {
  uint32_t height = 0, width = 0;
  std::vector<uint32_t> counts;
};

/// One annotation or detection. Boxes are x, y, w, h in pixels of the original picture.
struct Instance {
  int64_t id = 0;        ///< unique among annotations; of detections 1, 2, … in file order
  int64_t image = 0;     ///< image id
  int64_t category = 0;  ///< category id
  std::array<double, 4> box{};
  double area = 0;
  double score = 0;     ///< detections only
  bool crowd = false;   ///< COCO iscrowd: matched by any number of detections, which then count for nothing
  bool ignore = false;  ///< difficult: counts neither as found nor as missed
  Mask mask;            ///< segm only
  std::vector<double> keypoints;  ///< keypoints only: x, y, v triples
  int64_t numKeypoints = 0;
};

struct CocoSet {
  std::vector<int64_t> images;      ///< ids
  std::vector<int64_t> categories;  ///< ids
  std::vector<std::string> names;   ///< of the categories
  std::vector<Instance> instances;
  std::vector<std::array<uint32_t, 2>>
      imageSizes;  ///< height, width per image; empty, or 0 where unknown (boxes need none)
};

/// Reads ground truth (annotation file) or detections (result file: array of results). Polygons and RLE
/// become masks when `type` is segm. A detection's area comes from what its file holds first of box, mask and
/// keypoints, as in pycocotools' loadRes. Throws, with the file in `where` and the element in the sentence:
/// HD_DATA_FILE (cannot be read), HD_DATA_JSON (byte offset), HD_DATA_FIELD (missing, wrong type or range),
/// HD_DATA_ID (dangling or duplicate), HD_DATA_MASK.
CocoSet readCocoTruth(const std::string& path, IouType type);
std::vector<Instance> readCocoResults(const std::string& path, const CocoSet& truth, IouType type);

/// Lists must not be empty, except images and categories; maxDetections rises.
struct CocoParams {
  IouType type = IouType::bbox;
  std::vector<double> iouThresholds;     ///< default .5:.05:.95 as numpy's linspace gives them
  std::vector<double> recallThresholds;  ///< default 0:.01:1
  std::vector<int> maxDetections;        ///< per image and category; default 1, 10, 100 (keypoints: 20)
  std::vector<std::array<double, 2>> areaRanges;  ///< px², both ends included
  std::vector<std::string> areaLabels;            ///< all, small, medium, large (keypoints: no small)
  std::vector<double> keypointSigmas;             ///< keypoints: one per point; default COCO's 17
  std::vector<int64_t> images, categories;        ///< empty: all of the truth
  bool useCategories = true;  ///< false: all categories as one (its id −1); keypoints then match nothing
  bool useIgnore = false;     ///< honour Instance::ignore; pycocotools overwrites the flag with iscrowd
  /// Image and category ids, rising: an unmatched detection there counts for nothing (eval/lvis.h).
  std::vector<std::array<int64_t, 2>> excused;
  int threads = 0;  ///< 0: all
  static CocoParams defaults(IouType type);
};

struct CocoResult {
  int T = 0, R = 0, K = 0, A = 0,
      M = 0;  ///< thresholds, recall points, categories, area ranges, detection limits
  std::vector<double> precision, scores;  ///< T×R×K×A×M, −1 where absent
  std::vector<double> recall;             ///< T×K×A×M
  /// The 12 (keypoints: 10) summary numbers in pycocotools' order; −1 where nothing is defined. Where
  /// pycocotools insists on a limit of 100 (keypoints: 20) detections, the last of maxDetections stands.
  std::vector<double> stats;
  std::vector<int64_t> categories;    ///< ascending ids
  std::vector<double> iouThresholds;  ///< T

  /// Per category, area all, last maxDets; −1 without truth. `iou` −1: mean over the thresholds.
  double averagePrecision(int k, double iou = -1) const;
  double averageRecall(int k) const;  ///< the same for the recall, mean over the thresholds
};

/// Matches and accumulates like pycocotools.COCOeval, defaults and quirks included: thresholds as
/// numpy.linspace gives them; stable sorting by falling score, ties by image id, then by position in
/// `detections`; a truth with id 0 never counts as found. Detections of images or categories outside `params`
/// are left out. Throws HD_DATA_KEYPOINTS when the number of keypoints is not that of the sigmas, HD_INTERNAL
/// for a score that is not finite.
CocoResult evaluateCoco(const CocoSet& truth, const std::vector<Instance>& detections,
                        const CocoParams& params);

/// What happened in one image for one category: the evaluation behind the numbers.
struct ImageMatches {
  int64_t image = 0, category = 0;        ///< ids; category −1 without categories
  std::vector<int64_t> truthIds;          ///< G, those to be ignored last
  std::vector<uint8_t> truthIgnored;      ///< G
  std::vector<int64_t> detectionIds;      ///< D, by falling score, the best maxDetections.back()
  std::vector<double> scores;             ///< D
  std::vector<int64_t> matches;           ///< T×D: id of the matched truth, 0 without
  std::vector<uint8_t> detectionIgnored;  ///< T×D
  std::vector<double> overlaps;  ///< D×G with the truths in the order of the input; empty when not computed
};

/// Every (category, image) with a truth or a detection, for one of `params.areaRanges`; by category, then
/// image id.
std::vector<ImageMatches> matchCoco(const CocoSet& truth, const std::vector<Instance>& detections,
                                    const CocoParams& params, size_t areaRange = 0);

}  // namespace hd::eval
