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

/// One annotation or detection. Boxes are x, y, w, h.
struct Instance {
  int64_t id = 0;
  int64_t image = 0;     ///< image id
  int64_t category = 0;  ///< category id
  std::array<double, 4> box{};
  double area = 0;
  double score = 0;      ///< detections only
  bool crowd = false, ignore = false;
  Mask mask;                      ///< segm only
  std::vector<double> keypoints;  ///< keypoints only: x, y, v triples
  int64_t numKeypoints = 0;
};

struct CocoSet {
  std::vector<int64_t> images;      ///< ids
  std::vector<int64_t> categories;  ///< ids
  std::vector<std::string> names;   ///< of the categories
  std::vector<Instance> instances;
};

/// Reads ground truth (annotation file) or detections (result file: array of results). Polygons and RLE become masks
/// when `type` is segm. Throws HD_DATA_… naming file and element.
CocoSet readCocoTruth(const std::string& path, IouType type);
std::vector<Instance> readCocoResults(const std::string& path, const CocoSet& truth, IouType type);

struct CocoParams {
  IouType type = IouType::bbox;
  std::vector<double> iouThresholds;   ///< default .5:.05:.95 as numpy's linspace gives them
  std::vector<double> recallThresholds;
  std::vector<int> maxDetections;      ///< default 1, 10, 100 (keypoints: 20)
  std::vector<std::array<double, 2>> areaRanges;
  std::vector<std::string> areaLabels;
  std::vector<int64_t> images, categories;  ///< empty: all of the truth
  bool useCategories = true;
  int threads = 0;                     ///< 0: all
  static CocoParams defaults(IouType type);
};

struct CocoResult {
  int T = 0, R = 0, K = 0, A = 0, M = 0;
  std::vector<double> precision, scores;  ///< T×R×K×A×M, −1 where absent
  std::vector<double> recall;             ///< T×K×A×M
  std::vector<double> stats;              ///< the 12 (keypoints: 10) summary numbers in pycocotools' order
  std::vector<int64_t> categories;
  double averagePrecision(int k, double iou = -1) const;  ///< per category, area all, last maxDets; −1 without truth
};

CocoResult evaluateCoco(const CocoSet& truth, const std::vector<Instance>& detections, const CocoParams& params);

}  // namespace hd::eval
