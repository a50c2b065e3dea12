#include "eval/accumulate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>

namespace hd::eval {
namespace {

/// Mean of the defined (> −1) values; −1 without any.
class DefinedMean {
 public:
  void add(double value) {
    if (value <= -1) return;
    sum_ += value;
    ++count_;
  }
  double value() const { return count_ == 0 ? -1 : sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  int64_t count_ = 0;
};

/// A found truth: where precision can have a maximum, and recall rises.
struct Hit {
  double precision = 0, score = 0;
};

size_t curveIndex(const CocoResult& result, size_t t, size_t r, size_t k, size_t a, size_t m) {
  const auto n = [](int value) { return static_cast<size_t>(value); };
  return (((t * n(result.R) + r) * n(result.K) + k) * n(result.A) + a) * n(result.M) + m;
}

size_t recallIndex(const CocoResult& result, size_t t, size_t k, size_t a, size_t m) {
  const auto n = [](int value) { return static_cast<size_t>(value); };
  return ((t * n(result.K) + k) * n(result.A) + a) * n(result.M) + m;
}

/// One curve. `first`: score of the best detection that takes part, ignored or not.
void fillCurve(std::vector<Hit>& hits, int64_t truths, double first, size_t t, size_t k, size_t a, size_t m,
               const CocoParams& params, CocoResult& result) {
  for (size_t i = hits.size(); i-- > 1;)
    hits[i - 1].precision = std::max(hits[i - 1].precision, hits[i].precision);
  const auto total = static_cast<double>(truths);
  result.recall[recallIndex(result, t, k, a, m)] = static_cast<double>(hits.size()) / total;
  const bool anyDetection = !std::isnan(first);
  bool within = anyDetection;
  for (size_t r = 0; r < params.recallThresholds.size(); ++r) {
    const double wanted = params.recallThresholds[r];
    double precision = 0, score = 0;
    if (within && wanted <= 0) {
      precision = hits.empty() ? 0 : hits[0].precision;
      score = first;
    } else if (within) {
      // The first hit whose recall reaches the threshold; estimated, then corrected for rounding.
      auto hit = static_cast<size_t>(std::clamp(wanted * total - 2, 0., static_cast<double>(hits.size())));
      while (hit < hits.size() && static_cast<double>(hit + 1) / total < wanted) ++hit;
      within = hit < hits.size();  // the original gives up at the first threshold out of reach
      if (within) {
        precision = hits[hit].precision;
        score = hits[hit].score;
      }
    }
    const size_t index = curveIndex(result, t, r, k, a, m);
    result.precision[index] = precision;
    result.scores[index] = score;
  }
}

}  // namespace

CategoryDetections sortCategory(const CellTable& table, size_t category,
                                const std::vector<Instance>& detections, size_t layers) {
  CategoryDetections sorted;
  sorted.firstCell = table.firstCell[category];
  sorted.cells = table.cells.data();
  std::vector<uint32_t> members, ranks;
  for (size_t c = sorted.firstCell; c < table.firstCell[category + 1]; ++c) {
    sorted.firstInCell.push_back(static_cast<uint32_t>(members.size()));
    uint32_t rank = 0;
    for (const uint32_t d : table.detectionsOf(table.cells[c])) {
      members.push_back(d);
      ranks.push_back(rank++);
    }
  }
  std::vector<double> scores(members.size());
  for (size_t i = 0; i < members.size(); ++i) scores[i] = detections[members[i]].score;
  std::vector<uint32_t> order(members.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });

  sorted.places.resize(order.size());
  for (uint32_t place = 0; place < order.size(); ++place) {
    const uint32_t i = order[place];
    sorted.places[i] = place;
    sorted.scores.push_back(scores[i]);
    sorted.areas.push_back(detections[members[i]].area);
    sorted.ranks.push_back(ranks[i]);
  }
  sorted.outcomes.assign(layers * order.size(), Outcome::unmatched);
  return sorted;
}

void accumulate(const CategoryDetections& category, size_t k, size_t a, const CocoParams& params,
                CocoResult& result) {
  const int64_t truths = category.truths[a];
  if (truths == 0) return;
  const size_t count = category.scores.size(), thresholds = params.iouThresholds.size();
  std::vector<uint8_t> inside(count);  // an unmatched detection outside the area range counts for nothing
  for (size_t i = 0; i < count; ++i) {
    inside[i] = !(category.areas[i] < params.areaRanges[a][0] || category.areas[i] > params.areaRanges[a][1]);
  }
  std::vector<uint32_t> taking;
  std::vector<Hit> hits;
  for (size_t m = 0; m < params.maxDetections.size(); ++m) {
    taking.clear();
    for (uint32_t i = 0; i < count; ++i) {
      if (category.ranks[i] < static_cast<uint32_t>(params.maxDetections[m])) taking.push_back(i);
    }
    const double first =
        taking.empty() ? std::numeric_limits<double>::quiet_NaN() : category.scores[taking[0]];
    for (size_t t = 0; t < thresholds; ++t) {
      const Outcome* outcomes = category.outcomesOf(a, t, thresholds);
      hits.clear();
      int64_t wrong = 0;
      for (const uint32_t i : taking) {
        if (outcomes[i] == Outcome::found) {
          const auto right = static_cast<double>(hits.size() + 1);
          constexpr double kSpacing = std::numeric_limits<double>::epsilon();
          hits.push_back({right / (static_cast<double>(wrong) + right + kSpacing), category.scores[i]});
        } else {
          wrong += outcomes[i] == Outcome::unmatched && inside[i];
        }
      }
      fillCurve(hits, truths, first, t, k, a, m, params, result);
    }
  }
}

namespace {

/// Mean over categories (all, or `onlyCategory`), and over thresholds (all, or the one equal to `iou`).
double meanOf(const CocoResult& result, bool precision, double iou, size_t a, size_t m,
              int onlyCategory = -1) {
  DefinedMean mean;
  const int from = std::max(onlyCategory, 0), to = onlyCategory < 0 ? result.K : onlyCategory + 1;
  for (size_t t = 0; t < static_cast<size_t>(result.T); ++t) {
    if (iou >= 0 && std::abs(result.iouThresholds[t] - iou) > 1e-9) continue;
    for (auto k = static_cast<size_t>(from); k < static_cast<size_t>(to); ++k) {
      if (precision) {
        for (size_t r = 0; r < static_cast<size_t>(result.R); ++r)
          mean.add(result.precision[curveIndex(result, t, r, k, a, m)]);
      } else {
        mean.add(result.recall[recallIndex(result, t, k, a, m)]);
      }
    }
  }
  return mean.value();
}

}  // namespace

std::vector<double> summarizeStats(const CocoResult& result, const CocoParams& params) {
  const size_t last = params.maxDetections.size() - 1;
  const auto statistic = [&](bool precision, double iou, std::string_view area, size_t limit) {
    const auto label = std::find(params.areaLabels.begin(), params.areaLabels.end(), area);
    if (label == params.areaLabels.end()) return -1.;
    return meanOf(result, precision, iou, static_cast<size_t>(label - params.areaLabels.begin()),
                  std::min(limit, last));
  };
  const auto precision = [&](double iou, std::string_view area) { return statistic(true, iou, area, last); };
  const auto recall = [&](double iou, std::string_view area) { return statistic(false, iou, area, last); };
  if (params.type == IouType::keypoints) {
    return {precision(-1, "all"),   precision(.5, "all"), precision(.75, "all"), precision(-1, "medium"),
            precision(-1, "large"), recall(-1, "all"),    recall(.5, "all"),     recall(.75, "all"),
            recall(-1, "medium"),   recall(-1, "large")};
  }
  return {precision(-1, "all"),
          precision(.5, "all"),
          precision(.75, "all"),
          precision(-1, "small"),
          precision(-1, "medium"),
          precision(-1, "large"),
          statistic(false, -1, "all", 0),
          statistic(false, -1, "all", 1),
          recall(-1, "all"),
          recall(-1, "small"),
          recall(-1, "medium"),
          recall(-1, "large")};
}

double CocoResult::averagePrecision(int k, double iou) const {
  return meanOf(*this, true, iou, 0, static_cast<size_t>(M) - 1, k);
}

double CocoResult::averageRecall(int k) const {
  return meanOf(*this, false, -1, 0, static_cast<size_t>(M) - 1, k);
}

}  // namespace hd::eval
