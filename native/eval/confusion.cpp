#include "eval/confusion.h"

#include <algorithm>
#include <unordered_map>

#include "eval/mask.h"
#include "eval/parallel.h"

namespace hd::eval {
namespace {

constexpr size_t kImagesAtOnce = 64;

std::unordered_map<int64_t, size_t> placesOf(const std::vector<int64_t>& ids) {
  std::unordered_map<int64_t, size_t> places;
  for (size_t i = 0; i < ids.size(); ++i) places.emplace(ids[i], i);
  return places;
}

/// One truth or detection of an image.
struct Member {
  const Instance* instance;
  size_t label;
};

/// The members of each image in the order of `instances`; of images and classes that `truth` does not have
/// none.
template <class Wanted>
std::vector<std::vector<Member>> byImage(const CocoSet& truth, const std::vector<Instance>& instances,
                                         const Wanted& wanted) {
  const auto images = placesOf(truth.images), labels = placesOf(truth.categories);
  std::vector<std::vector<Member>> members(truth.images.size());
  for (const Instance& instance : instances) {
    const auto image = images.find(instance.image);
    const auto label = labels.find(instance.category);
    if (image == images.end() || label == labels.end() || !wanted(instance)) continue;
    members[image->second].push_back({&instance, label->second});
  }
  return members;
}

size_t sizeOf(double area) {
  return area < 32. * 32. ? 0 : area < 96. * 96. ? 1 : 2;
}

bool isIgnored(const Instance& truth) {
  return truth.crowd || truth.ignore;
}

void countImage(const std::vector<Member>& truths, std::vector<Member>& found, double iou, Confusion& out) {
  std::stable_sort(found.begin(), found.end(),
                   [](const Member& a, const Member& b) { return a.instance->score > b.instance->score; });
  const size_t background = out.classes, row = out.classes + 1;
  std::vector<uint8_t> taken(truths.size());
  for (const Member& detection : found) {
    double best = 0;
    size_t match = truths.size();
    bool excused = false;
    for (size_t t = 0; t < truths.size(); ++t) {
      if (taken[t] != 0) continue;
      const Instance& truth = *truths[t].instance;
      const double overlap = boxOverlap(detection.instance->box, truth.box, truth.crowd);
      if (overlap < iou) continue;
      if (isIgnored(truth)) {
        excused = true;
      } else if (match == truths.size() || overlap > best) {
        best = overlap;
        match = t;
      }
    }
    if (match == truths.size()) {
      if (!excused) ++out.counts[background * row + detection.label];
      continue;
    }
    taken[match] = 1;
    ++out.counts[truths[match].label * row + detection.label];
    if (truths[match].label == detection.label) ++out.sizes[sizeOf(truths[match].instance->area)].found;
  }
  for (size_t t = 0; t < truths.size(); ++t) {
    if (isIgnored(*truths[t].instance)) continue;
    ++out.sizes[sizeOf(truths[t].instance->area)].truths;
    if (taken[t] == 0) ++out.counts[truths[t].label * row + background];
  }
}

}  // namespace

Confusion confusionOf(const CocoSet& truth, const std::vector<Instance>& detections,
                      const ConfusionOptions& options) {
  const auto truths = byImage(truth, truth.instances, [](const Instance&) { return true; });
  auto found =
      byImage(truth, detections, [&](const Instance& detection) { return detection.score >= options.score; });
  Confusion empty;
  empty.classes = truth.categories.size();
  empty.counts.assign((empty.classes + 1) * (empty.classes + 1), 0);
  // Whole numbers: the order in which they are added up does not matter.
  Confusion sum = empty;
  std::mutex mutex;
  parallelRanges(truths.size(), kImagesAtOnce, options.threads, [&](size_t begin, size_t end) {
    Confusion part = empty;
    for (size_t image = begin; image < end; ++image)
      countImage(truths[image], found[image], options.iou, part);
    const std::lock_guard lock(mutex);
    for (size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += part.counts[i];
    for (size_t size = 0; size < sum.sizes.size(); ++size) {
      sum.sizes[size].truths += part.sizes[size].truths;
      sum.sizes[size].found += part.sizes[size].found;
    }
  });
  return sum;
}

}  // namespace hd::eval
