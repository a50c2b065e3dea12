#include "eval/match.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "eval/mask.h"

namespace hd::eval {
namespace {

void checkKeypoints(const Instance& instance, const char* kind, size_t expected) {
  if (instance.keypoints.size() == 3 * expected) return;
  throw Error("HD_DATA_KEYPOINTS",
              concat("expected ", expected, " keypoints for ", kind, " ", instance.id, " but received ",
                     instance.keypoints.size() / 3, "; give one sigma per keypoint"));
}

std::vector<double> maskOverlaps(const CocoSet& truth, std::span<const uint32_t> truths,
                                 const std::vector<Instance>& detections, std::span<const uint32_t> found) {
  std::vector<std::array<double, 4>> truthBoxes;
  for (const uint32_t t : truths) truthBoxes.push_back(maskBox(truth.instances[t].mask));
  std::vector<double> overlaps;
  overlaps.reserve(found.size() * truths.size());
  for (const uint32_t d : found) {
    const Mask& mask = detections[d].mask;
    const auto box = maskBox(mask);
    for (size_t g = 0; g < truths.size(); ++g) {
      const Instance& instance = truth.instances[truths[g]];
      const bool apart = boxOverlap(box, truthBoxes[g], false) <= 0;  // spares most walks along the runs
      overlaps.push_back(apart ? 0 : maskOverlap(mask, instance.mask, instance.crowd));
    }
  }
  return overlaps;
}

}  // namespace

double keypointSimilarity(const Instance& detection, const Instance& truth, std::span<const double> sigmas) {
  const auto labelled = [&](size_t i) { return truth.keypoints[3 * i + 2] > 0; };
  bool anyLabelled = false;
  for (size_t i = 0; i < sigmas.size(); ++i) anyLabelled |= labelled(i);
  const auto& [x, y, w, h] = truth.box;
  const double left = x - w, right = x + w * 2, top = y - h, bottom = y + h * 2;
  double sum = 0;
  int counted = 0;
  for (size_t i = 0; i < sigmas.size(); ++i) {
    if (anyLabelled && !labelled(i)) continue;
    const double px = detection.keypoints[3 * i], py = detection.keypoints[3 * i + 1];
    double dx = px - truth.keypoints[3 * i], dy = py - truth.keypoints[3 * i + 1];
    if (!anyLabelled) {
      dx = std::max(0., left - px) + std::max(0., px - right);
      dy = std::max(0., top - py) + std::max(0., py - bottom);
    }
    const double variance = (sigmas[i] * 2) * (sigmas[i] * 2);
    constexpr double kSpacing = std::numeric_limits<double>::epsilon();
    sum += std::exp(-((dx * dx + dy * dy) / variance / (truth.area + kSpacing) / 2));
    ++counted;
  }
  return sum / counted;
}

std::vector<double> computeOverlaps(const CocoSet& truth, std::span<const uint32_t> truths,
                                    const std::vector<Instance>& detections, std::span<const uint32_t> found,
                                    const CocoParams& params) {
  if (params.type == IouType::segm) return maskOverlaps(truth, truths, detections, found);
  if (params.type == IouType::keypoints) {
    for (const uint32_t t : truths)
      checkKeypoints(truth.instances[t], "annotation", params.keypointSigmas.size());
    for (const uint32_t d : found) checkKeypoints(detections[d], "detection", params.keypointSigmas.size());
  }
  std::vector<double> overlaps;
  overlaps.reserve(found.size() * truths.size());
  for (const uint32_t d : found) {
    for (const uint32_t t : truths) {
      const Instance& instance = truth.instances[t];
      overlaps.push_back(params.type == IouType::bbox
                             ? boxOverlap(detections[d].box, instance.box, instance.crowd)
                             : keypointSimilarity(detections[d], instance, params.keypointSigmas));
    }
  }
  return overlaps;
}

bool isIgnored(const Instance& truth, const CocoParams& params) {
  return truth.crowd || (params.useIgnore && truth.ignore) ||
         (params.type == IouType::keypoints && truth.numKeypoints == 0);
}

TruthOrder orderTruths(const CocoSet& truth, std::span<const uint32_t> truths,
                       const std::array<double, 2>& areaRange, const CocoParams& params) {
  TruthOrder ordered;
  for (const uint8_t ignored : {0, 1}) {
    for (uint32_t place = 0; place < truths.size(); ++place) {
      const Instance& instance = truth.instances[truths[place]];
      const bool outside = instance.area < areaRange[0] || instance.area > areaRange[1];
      if ((isIgnored(instance, params) || outside) != (ignored == 1)) continue;
      ordered.order.push_back(place);
      ordered.ignored.push_back(ignored);
      ordered.crowd.push_back(instance.crowd);
    }
  }
  return ordered;
}

void matchGreedily(std::span<const double> overlaps, size_t detections, const TruthOrder& truths,
                   std::span<const double> thresholds, std::vector<int32_t>& matches) {
  const size_t count = truths.order.size();
  matches.assign(thresholds.size() * detections, -1);
  std::vector<uint8_t> taken(count);
  for (size_t t = 0; t < thresholds.size(); ++t) {
    std::fill(taken.begin(), taken.end(), 0);
    for (size_t d = 0; d < detections; ++d) {
      double best = std::min(thresholds[t], 1 - 1e-10);
      int32_t match = -1;
      for (size_t g = 0; g < count; ++g) {
        if (taken[g] && !truths.crowd[g]) continue;
        if (match >= 0 && !truths.ignored[match] && truths.ignored[g]) break;
        const double overlap = overlaps[d * count + truths.order[g]];
        if (overlap < best) continue;
        best = overlap;
        match = static_cast<int32_t>(g);
      }
      if (match < 0) continue;
      taken[match] = 1;
      matches[t * detections + d] = match;
    }
  }
}

}  // namespace hd::eval
