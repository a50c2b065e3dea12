#include "eval/voc.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "core/error.h"

namespace hd::eval {
namespace {

constexpr double kTiny = 1.1920928955078125e-07;  // float32 epsilon: the floor of the original's denominators

/// Corners in float32, as the original holds them: an overlap of exactly 3/5 must compare with a threshold as
/// it did.
using Corners = std::array<float, 4>;

Corners cornersOf(const VocBox& box) {
  return {static_cast<float>(box.box[0]), static_cast<float>(box.box[1]), static_cast<float>(box.box[2]),
          static_cast<float>(box.box[3])};
}

float areaOf(const Corners& box) {
  return (box[2] - box[0]) * (box[3] - box[1]);
}

float overlap(const Corners& a, const Corners& b) {
  const float width = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.f);
  const float height = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.f);
  const float intersection = width * height;
  return intersection / std::max(areaOf(a) + areaOf(b) - intersection, 1e-6f);
}

/// Indices of boxes by class, then image, else in input order; of class c those from first[c] to first[c +
/// 1].
struct Buckets {
  std::vector<uint32_t> order;
  std::vector<size_t> first;

  Buckets(const std::vector<VocBox>& boxes, int classes) : first(static_cast<size_t>(classes) + 1, 0) {
    for (uint32_t i = 0; i < boxes.size(); ++i) {
      require(boxes[i].label >= 0 && boxes[i].label < classes, "class ", boxes[i].label, " of ", classes);
      ++first[static_cast<size_t>(boxes[i].label) + 1];
      order.push_back(i);
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return boxes[a].label != boxes[b].label ? boxes[a].label < boxes[b].label
                                              : boxes[a].image < boxes[b].image;
    });
  }

  std::span<const uint32_t> of(int label) const {
    const auto c = static_cast<size_t>(label);
    return std::span(order).subspan(first[c], first[c + 1] - first[c]);
  }
};

/// The indices at the front of `rest` that belong to `image`.
std::span<const uint32_t> takeImage(std::span<const uint32_t> rest, const std::vector<VocBox>& boxes,
                                    int64_t image) {
  size_t count = 0;
  while (count < rest.size() && boxes[rest[count]].image == image) ++count;
  return rest.first(count);
}

bool inRange(float area, const VocParams& params) {
  if (!params.scaleRange) return true;
  const auto [low, high] = *params.scaleRange;
  return area >= low * low && area < high * high;
}

struct Verdict {
  double score;
  bool right, wrong;
};

/// Verdicts of the detections `found` of one image against its truths `own`.
void judgeImage(const std::vector<VocBox>& truths, std::span<const uint32_t> own,
                const std::vector<VocBox>& detections, std::span<const uint32_t> found,
                const VocParams& params, std::vector<Verdict>& verdicts) {
  std::vector<uint32_t> order(found.begin(), found.end());
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return detections[a].score > detections[b].score; });
  std::vector<Corners> corners;
  for (const uint32_t g : own) corners.push_back(cornersOf(truths[g]));
  std::vector<uint8_t> taken(own.size());
  for (const uint32_t d : order) {
    const Corners box = cornersOf(detections[d]);
    float best = -1;
    size_t match = 0;
    for (size_t g = 0; g < own.size(); ++g) {
      const float value = overlap(box, corners[g]);
      if (value > best) {
        best = value;
        match = g;
      }
    }
    Verdict verdict{detections[d].score, false, false};
    if (static_cast<double>(best) < params.iouThreshold) {
      verdict.wrong = inRange(areaOf(box), params);
    } else if (!truths[own[match]].ignore && inRange(areaOf(corners[match]), params)) {
      verdict.right = taken[match] == 0;
      verdict.wrong = !verdict.right;
      taken[match] = 1;
    }
    verdicts.push_back(verdict);
  }
}

VocClass evaluateClass(const std::vector<VocBox>& truths, std::span<const uint32_t> own,
                       const std::vector<VocBox>& detections, std::span<const uint32_t> found,
                       const VocParams& params) {
  VocClass out;
  out.detections = static_cast<int64_t>(found.size());
  for (const uint32_t g : own)
    out.truths += !truths[g].ignore && inRange(areaOf(cornersOf(truths[g])), params);
  std::vector<Verdict> verdicts;
  while (!found.empty()) {
    const int64_t image = detections[found[0]].image;
    while (!own.empty() && truths[own[0]].image < image) own = own.subspan(1);
    const auto ownHere = takeImage(own, truths, image), foundHere = takeImage(found, detections, image);
    judgeImage(truths, ownHere, detections, foundHere, params, verdicts);
    found = found.subspan(foundHere.size());
  }
  std::stable_sort(verdicts.begin(), verdicts.end(),
                   [](const Verdict& a, const Verdict& b) { return a.score > b.score; });
  double right = 0, wrong = 0;
  for (const Verdict& verdict : verdicts) {
    right += verdict.right;
    wrong += verdict.wrong;
    out.recalls.push_back(right / std::max(static_cast<double>(out.truths), kTiny));
    out.precisions.push_back(right / std::max(right + wrong, kTiny));
  }
  out.ap = out.truths > 0 ? averagePrecision(out.recalls, out.precisions, params.interpolation) : 0;
  return out;
}

}  // namespace

std::array<double, 10> vocThresholds() {
  std::array<double, 10> out{};
  double threshold = 0.5;
  for (double& value : out) {
    value = threshold;
    threshold += 0.05;
  }
  return out;
}

double averagePrecision(std::span<const double> recalls, std::span<const double> precisions,
                        Interpolation interpolation) {
  if (interpolation == Interpolation::elevenPoint) {
    double sum = 0;
    for (int i = 0; i <= 10; ++i) {
      double best = 0;
      for (size_t k = 0; k < recalls.size(); ++k) {
        if (recalls[k] >= i * 0.1) best = std::max(best, precisions[k]);
      }
      sum += best;
    }
    return sum / 11;
  }
  std::vector<double> recall{0}, precision{0};
  recall.insert(recall.end(), recalls.begin(), recalls.end());
  precision.insert(precision.end(), precisions.begin(), precisions.end());
  recall.push_back(1);
  precision.push_back(0);
  for (size_t i = precision.size() - 1; i > 0; --i)
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double area = 0;
  for (size_t i = 0; i + 1 < recall.size(); ++i) area += (recall[i + 1] - recall[i]) * precision[i + 1];
  return area;
}

std::vector<VocClass> evaluateVoc(const std::vector<VocBox>& truths, const std::vector<VocBox>& detections,
                                  int classes, const VocParams& params) {
  const Buckets own(truths, classes), found(detections, classes);
  std::vector<VocClass> out;
  for (int label = 0; label < classes; ++label) {
    out.push_back(evaluateClass(truths, own.of(label), detections, found.of(label), params));
  }
  return out;
}

namespace {

/// Each truth's overlap when truths and proposals pair off one to one, the closest pair first. `overlaps`:
/// truths × proposals; consumed.
std::vector<float> pairOff(std::vector<float> overlaps, size_t truths, size_t proposals) {
  std::vector<float> paired(truths, 0);
  if (proposals == 0) return paired;
  for (size_t turn = 0; turn < truths; ++turn) {
    const auto best =
        static_cast<size_t>(std::max_element(overlaps.begin(), overlaps.end()) - overlaps.begin());
    const size_t truth = best / proposals, proposal = best % proposals;
    paired[turn] = overlaps[best];
    for (size_t p = 0; p < proposals; ++p) overlaps[truth * proposals + p] = -1;
    for (size_t g = 0; g < truths; ++g) overlaps[g * proposals + proposal] = -1;
  }
  return paired;
}

}  // namespace

std::vector<double> proposalRecalls(const std::vector<VocBox>& truths, const std::vector<VocBox>& proposals,
                                    std::span<const int> limits, std::span<const double> iouThresholds) {
  std::vector<VocBox> counted, ranked = proposals;
  std::copy_if(truths.begin(), truths.end(), std::back_inserter(counted),
               [](const VocBox& box) { return !box.ignore; });
  for (auto* boxes : {&counted, &ranked}) {
    for (VocBox& box : *boxes) box.label = 0;  // proposals have no class
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const VocBox& a, const VocBox& b) { return a.score > b.score; });
  const Buckets own(counted, 1), found(ranked, 1);
  std::vector<double> recalls;
  for (const int limit : limits) {
    std::vector<float> paired;
    for (auto rest = own.of(0), candidates = found.of(0); !rest.empty();) {
      const int64_t image = counted[rest[0]].image;
      const auto ownHere = takeImage(rest, counted, image);
      while (!candidates.empty() && ranked[candidates[0]].image < image) candidates = candidates.subspan(1);
      auto here = takeImage(candidates, ranked, image);
      here = here.first(std::min(here.size(), static_cast<size_t>(std::max(limit, 0))));
      std::vector<float> overlaps;
      for (const uint32_t g : ownHere) {
        for (const uint32_t p : here)
          overlaps.push_back(overlap(cornersOf(counted[g]), cornersOf(ranked[p])));
      }
      const std::vector<float> pairs = pairOff(std::move(overlaps), ownHere.size(), here.size());
      paired.insert(paired.end(), pairs.begin(), pairs.end());
      rest = rest.subspan(ownHere.size());
    }
    for (const double threshold : iouThresholds) {
      const auto reached =
          std::count_if(paired.begin(), paired.end(), [&](float value) { return value >= threshold; });
      recalls.push_back(paired.empty() ? -1
                                       : static_cast<double>(reached) / static_cast<double>(paired.size()));
    }
  }
  return recalls;
}

double meanAp(const std::vector<VocClass>& classes) {
  double sum = 0;
  int64_t counted = 0;
  for (const VocClass& entry : classes) {
    if (entry.truths == 0) continue;
    sum += entry.ap;
    ++counted;
  }
  return counted > 0 ? sum / static_cast<double>(counted) : -1;
}

}  // namespace hd::eval
