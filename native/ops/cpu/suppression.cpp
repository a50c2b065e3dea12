#include "ops/cpu/suppression.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

namespace hd::ops {
namespace {

constexpr double votingSharpness = 0.025;
constexpr double fewestVotingOverlap = 0.7;  // below it a box counts as a stranger
constexpr double fewestPaaOverlap = 0.01;

double intersectionOverUnion(const float* a, const float* b) {
  const double width = std::max(0.0, std::min<double>(a[2], b[2]) - std::max<double>(a[0], b[0]));
  const double height = std::max(0.0, std::min<double>(a[3], b[3]) - std::max<double>(a[1], b[1]));
  const double common = width * height;
  const auto area = [](const float* box) { return (double{box[2]} - box[0]) * (double{box[3]} - box[1]); };
  return common / (area(a) + area(b) - common);
}

double votingWeight(double overlap) {
  return std::exp(-(1 - overlap) * (1 - overlap) / votingSharpness);
}

/// Candidates by class, in falling score (ties: lower index); NaN scores last.
std::unordered_map<int32_t, std::vector<int64_t>> byClass(const float* scores, const int32_t* labels,
                                                          int64_t count) {
  std::unordered_map<int32_t, std::vector<int64_t>> classes;
  for (int64_t i = 0; i < count; ++i) classes[labels[i]].push_back(i);
  for (auto& [label, members] : classes) {
    std::stable_sort(members.begin(), members.end(), [&](int64_t a, int64_t b) {
      return std::isnan(scores[b]) ? !std::isnan(scores[a]) : scores[a] > scores[b];
    });
  }
  return classes;
}

/// Σ weight and Σ weight · box.
struct WeightedBox {
  double weight = 0, box[4] = {};
  void add(double by, const float* corners) {
    weight += by;
    for (int side = 0; side < 4; ++side) box[side] += by * corners[side];
  }
  void write(float* out) const {
    if (!(weight > 0)) return;
    for (int side = 0; side < 4; ++side) out[side] = static_cast<float>(box[side] / weight);
  }
};

void scoreVoting(const float* boxes, const float* scores, const int32_t* labels, int64_t count,
                 OverlapKind kind, Survivors& survivors) {
  const auto classes = byClass(scores, labels, count);
  const double strangers = votingWeight(0);
  WeightedBox all;
  for (int64_t i = 0; i < count; ++i) all.add(strangers * scores[i], boxes + 4 * i);
  for (size_t k = 0; k < survivors.index.size(); ++k) {
    const int64_t own = survivors.index[k];
    const auto& members = classes.at(labels[own]);
    WeightedBox mean = all;
    bool reached = false;
    for (const int64_t other : members) {
      reached = reached || other == own;
      if (!reached) continue;  // only boxes of no higher place vote
      const float* box = boxes + 4 * other;
      double overlap = other == own ? 1 : intersectionOverUnion(boxes + 4 * own, box);
      if (other != own && overlap > fewestVotingOverlap && kind.distance)
        overlap = distanceOverlap(boxes + 4 * own, box, kind.beta);
      if (!(overlap > fewestVotingOverlap)) continue;
      mean.add((votingWeight(overlap) - strangers) * scores[other], box);
    }
    mean.write(survivors.boxes.data() + 4 * k);
  }
}

void paaVoting(const float* boxes, const float* scores, const int32_t* labels, int64_t count,
               Survivors& survivors) {
  const auto classes = byClass(scores, labels, count);
  for (size_t k = 0; k < survivors.index.size(); ++k) {
    const int64_t own = survivors.index[k];
    WeightedBox mean;
    for (const int64_t other : classes.at(labels[own])) {
      const double overlap = intersectionOverUnion(boxes + 4 * own, boxes + 4 * other);
      if (overlap > fewestPaaOverlap) mean.add(votingWeight(overlap) * scores[other], boxes + 4 * other);
    }
    mean.write(survivors.boxes.data() + 4 * k);
  }
}

/// Takes the best of a class, weakens the rest, until nothing is above the smallest score.
void soften(const float* boxes, const std::vector<int64_t>& members, const SuppressionOptions& options,
            std::vector<double>& scores, std::vector<int64_t>& taken) {
  std::vector<int64_t> left = members;
  while (!left.empty()) {
    // The first of the highest: members lie by rising index within equal scores.
    const auto best = std::max_element(left.begin(), left.end(), [&](int64_t a, int64_t b) {
      return scores[a] != scores[b] ? scores[a] < scores[b] : a > b;
    });
    const int64_t chosen = *best;
    left.erase(best);
    taken.push_back(chosen);
    std::erase_if(left, [&](int64_t other) {
      // NaN, of two boxes without area, is no overlap.
      const double measured = intersectionOverUnion(boxes + 4 * chosen, boxes + 4 * other);
      const double overlap = measured > 0 ? measured : 0;
      if (options.kind == SuppressionOptions::Kind::softGaussian) {
        scores[other] *= std::exp(-overlap * overlap / options.sigma);
      } else if (overlap > options.threshold) {
        scores[other] *= 1 - overlap;
      }
      return !(scores[other] >= options.minScore);
    });
  }
}

Survivors softNms(const float* boxes, const float* given, const int32_t* labels, int64_t count,
                  const SuppressionOptions& options) {
  std::vector<double> scores(given, given + count);
  std::vector<int64_t> taken;
  for (auto& [label, members] : byClass(given, labels, count)) {
    auto valid = members;
    std::erase_if(valid, [&](int64_t i) { return !(given[i] >= options.minScore); });
    soften(boxes, valid, options, scores, taken);
  }
  std::sort(taken.begin(), taken.end(), [&](int64_t a, int64_t b) {
    if (scores[a] != scores[b]) return scores[a] > scores[b];
    return labels[a] != labels[b] ? labels[a] < labels[b] : a < b;
  });
  if (options.limit >= 0 && std::ssize(taken) > options.limit)
    taken.resize(static_cast<size_t>(options.limit));
  Survivors out;
  out.index = taken;
  for (const int64_t i : taken) {
    out.boxes.insert(out.boxes.end(), boxes + 4 * i, boxes + 4 * i + 4);
    out.scores.push_back(static_cast<float>(scores[i]));
  }
  return out;
}

}  // namespace

Survivors suppress(const float* boxes, const float* scores, const int32_t* labels, int64_t count,
                   const SuppressionOptions& options) {
  if (options.kind != SuppressionOptions::Kind::greedy) return softNms(boxes, scores, labels, count, options);
  Survivors out;
  out.index = batchedNms(boxes, scores, labels, count, options.threshold, options.limit, options.overlap);
  for (const int64_t i : out.index) {
    out.boxes.insert(out.boxes.end(), boxes + 4 * i, boxes + 4 * i + 4);
    out.scores.push_back(scores[i]);
  }
  if (options.voting == SuppressionOptions::Voting::score)
    scoreVoting(boxes, scores, labels, count, options.overlap, out);
  if (options.voting == SuppressionOptions::Voting::paa) paaVoting(boxes, scores, labels, count, out);
  return out;
}

}  // namespace hd::ops
