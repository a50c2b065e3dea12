#include "eval/evaluator.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "eval/diagnosis.h"
#include "eval/summary.h"
#include "io/atomic_file.h"

namespace hd::eval {

Evaluator::Evaluator(CocoSet truth, std::optional<FederatedTruth> federated)
    : truth_(std::move(truth)),
      federated_(std::move(federated)),
      late_(truth_.images.size()),
      collected_(truth_.images.size()),
      seen_(truth_.images.size()) {
  // pycocotools never counts a truth with id 0 as found; in files that is kept, here it must not happen.
  for (size_t i = 0; i < truth_.instances.size(); ++i) truth_.instances[i].id = static_cast<int64_t>(i) + 1;
}

void Evaluator::add(int64_t image, Detections detections) {
  require(image >= 0 && image < static_cast<int64_t>(collected_.size()), "expected an image below ",
          collected_.size(), " but received ", image);
  const size_t count = detections.scores.size();
  require(detections.boxes.size() == 4 * count && detections.labels.size() == count,
          "expected one box and label for each of ", count, " scores");
  for (const int32_t label : detections.labels) {
    require(label >= 0 && label < static_cast<int64_t>(truth_.categories.size()), "expected a class below ",
            truth_.categories.size(), " but received ", label);
  }
  const auto finite = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  };
  if (!finite(detections.scores) || !finite(detections.boxes)) {
    throw Error("HD_DIVERGED",
                concat("expected finite boxes and scores for the detections of image ",
                       truth_.images[static_cast<size_t>(image)],
                       " but received NaN or infinity: the weights have diverged; go back to an earlier "
                       "checkpoint, with a lower learning rate"));
  }
  const std::lock_guard lock(mutex_);
  collected_[static_cast<size_t>(image)] = std::move(detections);
  seen_[static_cast<size_t>(image)] = 1;
}

void Evaluator::setTruth(int64_t image, std::vector<Instance> instances, const std::vector<int32_t>& labels) {
  require(image >= 0 && image < static_cast<int64_t>(late_.size()), "expected an image below ", late_.size(),
          " but received ", image);
  require(instances.size() == labels.size(), "expected one label for each of ", instances.size(), " truths");
  for (size_t i = 0; i < instances.size(); ++i) {
    require(labels[i] >= 0 && labels[i] < static_cast<int64_t>(truth_.categories.size()),
            "expected a class below ", truth_.categories.size(), " but received ", labels[i]);
    instances[i].image = truth_.images[static_cast<size_t>(image)];
    instances[i].category = truth_.categories[static_cast<size_t>(labels[i])];
  }
  const std::lock_guard lock(mutex_);
  late_[static_cast<size_t>(image)] = std::move(instances);
}

CocoSet Evaluator::wholeTruth(bool seenOnly) const {
  CocoSet whole = truth_;
  for (const auto& instances : late_) {
    for (const Instance& instance : instances) {
      whole.instances.push_back(instance);
      whole.instances.back().id = static_cast<int64_t>(whole.instances.size());
    }
  }
  if (seenOnly) {
    std::set<int64_t> seen;
    for (size_t i = 0; i < seen_.size(); ++i) {
      if (seen_[i] != 0) seen.insert(truth_.images[i]);
    }
    const auto unseen = [&](int64_t image) { return seen.count(image) == 0; };
    std::erase_if(whole.images, unseen);
    std::erase_if(whole.instances, [&](const Instance& instance) { return unseen(instance.image); });
  }
  return whole;
}

const Detections& Evaluator::detections(int64_t image) const {
  require(image >= 0 && image < static_cast<int64_t>(collected_.size()), "expected an image below ",
          collected_.size(), " but received ", image);
  return collected_[static_cast<size_t>(image)];
}

void Evaluator::clear() {
  const std::lock_guard lock(mutex_);
  for (Detections& detections : collected_) detections = {};
  std::fill(seen_.begin(), seen_.end(), 0);
  for (auto& instances : late_) instances.clear();
}

std::vector<Instance> Evaluator::instances() const {
  std::vector<Instance> out;
  for (size_t image = 0; image < collected_.size(); ++image) {
    const Detections& found = collected_[image];
    for (size_t i = 0; i < found.scores.size(); ++i) {
      const float* box = found.boxes.data() + 4 * i;
      Instance instance;
      instance.id = static_cast<int64_t>(out.size()) + 1;
      instance.image = truth_.images[image];
      instance.category = truth_.categories[static_cast<size_t>(found.labels[i])];
      instance.box = {box[0], box[1], double{box[2]} - box[0], double{box[3]} - box[1]};
      instance.area = instance.box[2] * instance.box[3];
      instance.score = found.scores[i];
      out.push_back(std::move(instance));
    }
  }
  return out;
}

Value Evaluator::summarize(const Value& options) const {
  const std::lock_guard lock(mutex_);
  const auto detections = instances();
  const CocoSet truth = wholeTruth(options.get("seenOnly", false));
  Value out;
  const std::string metric = options.get("metric", "coco");
  if (metric != "coco" && metric != "voc" && metric != "lvis") {
    throw Error("HD_USAGE", concat("expected coco, voc or lvis for the metric but received '", metric,
                                   "'; choose one of them"));
  }
  if (metric == "lvis" && !federated_) {
    throw Error(
        "HD_USAGE",
        "expected data in LVIS format for the metric lvis but received other data, which do not say what "
        "each picture was searched for; choose coco");
  }
  if (metric == "voc") {
    out = vocSummary(truth, detections, interpolationOf(options.get("interpolation", "area")),
                     options.get("threads", 0));
  } else if (metric == "lvis") {
    out = lvisSummary(truth, *federated_, detections, options.get("threads", 0));
  } else {
    CocoParams params = CocoParams::defaults(IouType::bbox);
    params.threads = options.get("threads", 0);
    params.useIgnore = true;  // difficult objects of VOC data
    const CocoResult result = evaluateCoco(truth, detections, params);
    out = cocoNumbers(result, IouType::bbox);
    out.set("perClass", cocoPerClass(truth, detections, result));
  }
  out.set("images", static_cast<int64_t>(truth.images.size()));
  out.set("detections", static_cast<int64_t>(detections.size()));
  return out;
}

Value Evaluator::diagnose(const Value& options) const {
  DiagnosisOptions wanted;
  wanted.iou = options.get("iou", wanted.iou);
  wanted.score = options.get("score", wanted.score);
  wanted.threads = options.get("threads", 0);
  if (!(wanted.iou >= 0.1 && wanted.iou <= 1)) {
    throw Error("HD_USAGE", concat("expected 0.1 to 1 for the IoU of a diagnosis but received ", wanted.iou,
                                   "; take 0.5"));
  }
  const std::lock_guard lock(mutex_);
  const CocoSet truth = wholeTruth(options.get("seenOnly", false));
  const auto detections = instances();
  return eval::diagnose(truth, federated_ ? searchedDetections(truth, *federated_, detections) : detections,
                        wanted);
}

void Evaluator::writeResults(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  std::string text = "[";
  for (const Instance& instance : instances()) {
    if (text.size() > 1) text += ",\n";
    Value box{Value::Array{}};
    for (const double value : instance.box) box.push(value);
    text += printJson(Value::Object{{"image_id", instance.image},
                                    {"category_id", instance.category},
                                    {"bbox", std::move(box)},
                                    {"score", instance.score}});
  }
  text += "]\n";
  io::writeFileAtomically(path, text);
}

}  // namespace hd::eval
