#include "eval/voc.h"

#include <algorithm>
#include <numeric>

namespace hd::eval {
namespace {

constexpr double kTiny = 1.1920928955078125e-07;  // float32 epsilon: the floor of the original's denominators

double areaOf(const std::array<double, 4>& box) { return (box[2] - box[0]) * (box[3] - box[1]); }

double overlap(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  const double width = std::min(a[2], b[2]) - std::max(a[0], b[0]), height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const double inter = width * height;
  return inter / std::max(areaOf(a) + areaOf(b) - inter, 1e-6);
}

/// Indices of boxes of one class, by image, in input order.
std::vector<uint32_t> ofClass(const std::vector<VocBox>& boxes, int label) {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < boxes.size(); ++i) {
    if (boxes[i].label == label) out.push_back(i);
  }
  std::stable_sort(out.begin(), out.end(), [&](uint32_t a, uint32_t b) { return boxes[a].image < boxes[b].image; });
  return out;
}

struct Verdict {
  double score;
  bool right, wrong;
};

/// Verdicts of the detections [found] of one image against its truths [own].
void judgeImage(const std::vector<VocBox>& truths, std::span<const uint32_t> own, const std::vector<VocBox>& detections,
                std::span<const uint32_t> found, const VocParams& params, std::vector<Verdict>& verdicts) {
  const auto inRange = [&](double area) {
    if (!params.scaleRange) return true;
    const auto [low, high] = *params.scaleRange;
    return area >= low * low && area < high * high;
  };
  std::vector<uint32_t> order(found.begin(), found.end());
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return detections[a].score > detections[b].score; });
  std::vector<char> taken(own.size());
  for (const uint32_t d : order) {
    double best = -1;
    size_t match = 0;
    for (size_t g = 0; g < own.size(); ++g) {
      const double value = overlap(detections[d].box, truths[own[g]].box);
      if (value > best) {
        best = value;
        match = g;
      }
    }
    Verdict verdict{detections[d].score, false, false};
    if (best >= params.iouThreshold) {
      const VocBox& truth = truths[own[match]];
      if (!truth.ignore && inRange(areaOf(truth.box))) {
        verdict.right = taken[match] == 0;
        verdict.wrong = !verdict.right;
        taken[match] = 1;
      }
    } else {
      verdict.wrong = inRange(areaOf(detections[d].box));
    }
    verdicts.push_back(verdict);
  }
}

VocClass evaluateClass(const std::vector<VocBox>& truths, const std::vector<VocBox>& detections, int label, const VocParams& params) {
  const auto own = ofClass(truths, label), found = ofClass(detections, label);
  VocClass out;
  out.detections = static_cast<int64_t>(found.size());
  for (const uint32_t g : own) {
    const double area = areaOf(truths[g].box);
    const bool inside = !params.scaleRange || (area >= (*params.scaleRange)[0] * (*params.scaleRange)[0] &&
                                               area < (*params.scaleRange)[1] * (*params.scaleRange)[1]);
    out.truths += !truths[g].ignore && inside;
  }
  std::vector<Verdict> verdicts;
  size_t g = 0;
  for (size_t d = 0; d < found.size();) {
    const int64_t image = detections[found[d]].image;
    size_t last = d;
    while (last < found.size() && detections[found[last]].image == image) ++last;
    while (g < own.size() && truths[own[g]].image < image) ++g;
    size_t end = g;
    while (end < own.size() && truths[own[end]].image == image) ++end;
    judgeImage(truths, std::span(own).subspan(g, end - g), detections, std::span(found).subspan(d, last - d), params, verdicts);
    d = last;
  }
  std::stable_sort(verdicts.begin(), verdicts.end(), [](const Verdict& a, const Verdict& b) { return a.score > b.score; });
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

double averagePrecision(std::span<const double> recalls, std::span<const double> precisions, Interpolation interpolation) {
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
  for (size_t i = precision.size() - 1; i > 0; --i) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double area = 0;
  for (size_t i = 0; i + 1 < recall.size(); ++i) area += (recall[i + 1] - recall[i]) * precision[i + 1];
  return area;
}

std::vector<VocClass> evaluateVoc(const std::vector<VocBox>& truths, const std::vector<VocBox>& detections, int classes,
                                  const VocParams& params) {
  std::vector<VocClass> out;
  for (int label = 0; label < classes; ++label) out.push_back(evaluateClass(truths, detections, label, params));
  return out;
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
