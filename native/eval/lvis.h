// LVIS metrics (Gupta et al. 2019): COCO's AP where annotators searched each image only for some categories.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/value.h"
#include "eval/coco.h"

namespace hd::eval {

/// What annotators looked for. An image was searched for the categories that it has a truth of, and for its
/// negative ones, of which it has none.
struct FederatedTruth {
  struct Image {
    std::vector<int64_t> negative, notExhaustive;  ///< category ids
  };
  std::vector<char> frequency;                ///< by category of the truth: 'r', 'c', 'f', or 0 where unknown
  std::unordered_map<int64_t, Image> images;  ///< by image id; one that is missing has neither
};

/// Detections an image, before those of categories that it was not searched for are left out.
constexpr size_t kLvisDetections = 300;

/// The best kLvisDetections of each image (ties: the earlier), and of these only the categories that the
/// image was searched for.
std::vector<Instance> searchedDetections(const CocoSet& truth, const FederatedTruth& federated,
                                         const std::vector<Instance>& detections);

/// COCO's numbers of the searched detections; where a category is not exhaustively annotated, unmatched ones
/// count for nothing. Equal to lvis-api's to 1e-9. Truths flagged ignore count as there; LVIS has no crowds.
CocoResult evaluateLvis(const CocoSet& truth, const FederatedTruth& federated,
                        const std::vector<Instance>& detections, int threads = 0);

/// {ap, ap50, ap75, apSmall, apMedium, apLarge, apRare, apCommon, apFrequent, ar300, arSmall, arMedium,
/// arLarge, perClass}; −1 where undefined.
Value lvisSummary(const CocoSet& truth, const FederatedTruth& federated,
                  const std::vector<Instance>& detections, int threads = 0);

}  // namespace hd::eval
