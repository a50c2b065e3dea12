// VOC average precision against mmdetection's eval_map.
#include "eval/voc.h"

#include "eval/summary.h"
#include "golden.h"

namespace {

using hd::Value;
using hd::eval::VocBox;

std::vector<VocBox> boxesOf(const Value& array, int64_t image, const std::function<int(size_t)>& label,
                            bool scored, bool ignore) {
  const auto data = golden::dataOf(array);
  const size_t width = scored ? 5 : 4;
  std::vector<VocBox> out;
  for (size_t i = 0; i * width < data.size(); ++i) {
    const double* row = data.data() + i * width;
    out.push_back({image, label(i), {row[0], row[1], row[2], row[3]}, scored ? row[4] : 0.0, ignore});
  }
  return out;
}

void append(std::vector<VocBox>& all, const std::vector<VocBox>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

/// The same boxes as a set that the summary takes.
hd::eval::CocoSet setOf(const std::vector<VocBox>& truths, int64_t images, size_t classes) {
  hd::eval::CocoSet out;
  for (int64_t image = 0; image < images; ++image) out.images.push_back(image);
  for (size_t c = 0; c < classes; ++c) {
    out.categories.push_back(static_cast<int64_t>(c));
    out.names.push_back(std::to_string(c));
  }
  for (const VocBox& truth : truths) {
    const auto& [x1, y1, x2, y2] = truth.box;
    hd::eval::Instance instance;
    instance.id = static_cast<int64_t>(out.instances.size()) + 1;
    instance.image = truth.image;
    instance.category = truth.label;
    instance.box = {x1, y1, x2 - x1, y2 - y1};
    instance.score = truth.score;
    instance.ignore = truth.ignore;
    out.instances.push_back(std::move(instance));
  }
  return out;
}

GOLDEN("ld/voc_map", file, check) {
  const golden::Tolerance tolerance = golden::toleranceOf(file.at("tolerance"));
  std::vector<VocBox> truths, detections;
  int64_t image = 0;
  for (const Value& annotation : file.at("annotations").asArray()) {
    const auto labels = annotation.numbers("labels"), ignored = annotation.numbers("labels_ignore");
    append(truths, boxesOf(
                       annotation.at("bboxes"), image, [&](size_t i) { return static_cast<int>(labels[i]); },
                       false, false));
    append(truths, boxesOf(
                       annotation.at("bboxes_ignore"), image,
                       [&](size_t i) { return static_cast<int>(ignored[i]); }, false, true));
    ++image;
  }
  size_t classes = 0;
  image = 0;
  for (const Value& perImage : file.at("detections").asArray()) {
    classes = perImage.asArray().size();
    for (size_t c = 0; c < classes; ++c) {
      append(detections,
             boxesOf(
                 perImage.asArray()[c], image, [&](size_t) { return static_cast<int>(c); }, true, false));
    }
    ++image;
  }
  // The repository's "AP": the mean over ten thresholds, each with a key of its own.
  const auto truthSet = setOf(truths, image, classes), detectionSet = setOf(detections, image, classes);
  for (const auto& [mode, interpolation] : {std::pair{"11points", hd::eval::Interpolation::elevenPoint},
                                            {"area", hd::eval::Interpolation::area}}) {
    const Value summary = vocSummary(truthSet, detectionSet.instances, interpolation, 1);
    double sum = 0;
    int thresholds = 0;
    for (const Value& it : file.at("cases").asArray()) {
      if (it.at("op").asString() != "eval_map" || it.at("mode").asString() != mode) continue;
      const auto percent = std::lround(100 * it.at("iou_thr").asNumber());
      check.close(summary.at(hd::concat("ap", percent)).asNumber(), it.at("mAP").asNumber(), tolerance,
                  hd::concat(mode, " ap", percent));
      sum += it.at("mAP").asNumber();
      ++thresholds;
    }
    if (thresholds == 10) check.close(summary.at("ap").asNumber(), sum / 10, tolerance, "mean of ten");
  }
  for (const Value& it : file.at("cases").asArray()) {
    const std::string op = it.at("op").asString();
    if (op == "average_precision") {
      const auto recalls = golden::dataOf(it.at("recalls")), precisions = golden::dataOf(it.at("precisions"));
      check.close(averagePrecision(recalls, precisions, hd::eval::Interpolation::area),
                  it.at("area").asNumber(), tolerance, "area");
      check.close(averagePrecision(recalls, precisions, hd::eval::Interpolation::elevenPoint),
                  it.at("11points").asNumber(), tolerance, "11 points");
      continue;
    }
    if (op == "eval_recalls") {
      std::vector<int> limits;
      for (const double limit : it.numbers("proposal_nums")) limits.push_back(static_cast<int>(limit));
      check.close(proposalRecalls(truths, detections, limits, it.numbers("iou_thrs")),
                  golden::dataOf(it.at("recalls_num_by_iou")), tolerance, op);
      continue;
    }
    hd::eval::VocParams params;
    params.iouThreshold = it.at("iou_thr").asNumber();
    params.interpolation = it.at("mode").asString() == "area" ? hd::eval::Interpolation::area
                                                              : hd::eval::Interpolation::elevenPoint;
    const Value* ranges = it.find("scale_ranges");
    const size_t runs = ranges == nullptr ? 1 : ranges->asArray().size();
    for (size_t run = 0; run < runs; ++run) {
      if (ranges != nullptr) {
        const auto& range = ranges->asArray()[run].asArray();
        params.scaleRange = std::array<double, 2>{range[0].asNumber(), range[1].asNumber()};
      }
      const auto of = [&](const Value& value) {
        return ranges == nullptr ? value.asNumber() : value.asArray()[run].asNumber();
      };
      const auto result = evaluateVoc(truths, detections, static_cast<int>(classes), params);
      check.close(meanAp(result), of(it.at("mAP")), tolerance, op + " mAP");
      for (size_t c = 0; c < classes; ++c) {
        check.close(result[c].ap, of(it.at("ap").asArray()[c]), tolerance, hd::concat(op, " class ", c));
        check.close(static_cast<double>(result[c].truths), of(it.at("num_gts").asArray()[c]), {}, "truths");
        if (const Value* counts = it.find("num_dets")) {
          check.equal(result[c].detections, counts->asArray()[c].asInt(), "detections");
        }
      }
      if (it.find("recall_class0") != nullptr) {
        check.close(result[0].recalls, golden::dataOf(it.at("recall_class0")), tolerance, "recalls");
        check.close(result[0].precisions, golden::dataOf(it.at("precision_class0")), tolerance, "precisions");
      }
    }
  }
}

}  // namespace
