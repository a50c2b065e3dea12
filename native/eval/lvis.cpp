#include "eval/lvis.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/error.h"
#include "eval/summary.h"

namespace hd::eval {
namespace {

using Pair = std::array<int64_t, 2>;  // image id, category id

std::vector<Pair> rising(std::vector<Pair> pairs) {
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

/// Mean AP of the categories of one frequency that have truths; −1 without any.
double meanOfFrequency(const CocoSet& truth, const FederatedTruth& federated, const CocoResult& result,
                       char frequency) {
  double sum = 0;
  int counted = 0;
  for (size_t c = 0; c < truth.categories.size(); ++c) {
    if (federated.frequency[c] != frequency) continue;
    const auto place =
        std::lower_bound(result.categories.begin(), result.categories.end(), truth.categories[c]);
    const double ap = result.averagePrecision(static_cast<int>(place - result.categories.begin()));
    if (ap < 0) continue;
    sum += ap;
    ++counted;
  }
  return counted == 0 ? -1 : sum / counted;
}

}  // namespace

std::vector<Instance> searchedDetections(const CocoSet& truth, const FederatedTruth& federated,
                                         const std::vector<Instance>& detections) {
  std::vector<Pair> pairs;
  for (const Instance& instance : truth.instances) pairs.push_back({instance.image, instance.category});
  for (const auto& [id, image] : federated.images) {
    for (const int64_t category : image.negative) pairs.push_back({id, category});
  }
  pairs = rising(std::move(pairs));

  std::unordered_map<int64_t, std::vector<size_t>> byImage;
  for (size_t d = 0; d < detections.size(); ++d) byImage[detections[d].image].push_back(d);
  std::vector<uint8_t> kept(detections.size());
  for (auto& [id, members] : byImage) {
    std::stable_sort(members.begin(), members.end(),
                     [&](size_t a, size_t b) { return detections[a].score > detections[b].score; });
    members.resize(std::min(members.size(), kLvisDetections));
    for (const size_t d : members)
      kept[d] = std::binary_search(pairs.begin(), pairs.end(), Pair{id, detections[d].category});
  }
  std::vector<Instance> out;
  for (size_t d = 0; d < detections.size(); ++d) {
    if (kept[d] != 0) out.push_back(detections[d]);
  }
  return out;
}

CocoResult evaluateLvis(const CocoSet& truth, const FederatedTruth& federated,
                        const std::vector<Instance>& detections, int threads) {
  require(federated.frequency.size() == truth.categories.size(), "expected a frequency for each of ",
          truth.categories.size(), " categories but received ", federated.frequency.size());
  CocoParams params = CocoParams::defaults(IouType::bbox);
  params.maxDetections = {static_cast<int>(kLvisDetections)};
  params.useIgnore = true;
  params.threads = threads;
  for (const auto& [id, image] : federated.images) {
    for (const int64_t category : image.notExhaustive) params.excused.push_back({id, category});
  }
  params.excused = rising(std::move(params.excused));
  return evaluateCoco(truth, searchedDetections(truth, federated, detections), params);
}

Value lvisSummary(const CocoSet& truth, const FederatedTruth& federated,
                  const std::vector<Instance>& detections, int threads) {
  const CocoResult result = evaluateLvis(truth, federated, detections, threads);
  const auto frequent = [&](char frequency) { return meanOfFrequency(truth, federated, result, frequency); };
  Value out{Value::Object{}};
  const char* const precisions[] = {"ap", "ap50", "ap75", "apSmall", "apMedium", "apLarge"};
  for (size_t i = 0; i < std::size(precisions); ++i) out.set(precisions[i], result.stats[i]);
  out.set("apRare", frequent('r')).set("apCommon", frequent('c')).set("apFrequent", frequent('f'));
  const char* const recalls[] = {"ar300", "arSmall", "arMedium", "arLarge"};
  for (size_t i = 0; i < std::size(recalls); ++i) out.set(recalls[i], result.stats[8 + i]);
  out.set("perClass", cocoPerClass(truth, detections, result));
  return out;
}

}  // namespace hd::eval
