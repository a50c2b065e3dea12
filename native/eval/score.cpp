#include "eval/score.h"

#include "core/error.h"
#include "eval/coco.h"
#include "eval/summary.h"

namespace hd::eval {
namespace {

IouType typeOf(const std::string& name) {
  if (name == "bbox") return IouType::bbox;
  if (name == "segm") return IouType::segm;
  if (name == "keypoints") return IouType::keypoints;
  throw Error("HD_USAGE", concat("expected bbox, segm or keypoints for --type but received '", name,
                                 "'; choose one of them"));
}

}  // namespace

Value score(const Value& options) {
  const std::string name = options.get("type", "bbox"), format = options.get("format", "coco");
  const IouType type = typeOf(name);
  if (format != "coco" && format != "voc") {
    throw Error("HD_USAGE",
                concat("expected coco or voc for --format but received '", format, "'; choose one of them"));
  }
  if (format == "voc" && type != IouType::bbox) {
    throw Error("HD_USAGE", concat("expected bbox for --type with --format voc but received '", name,
                                   "'; VOC has no such metric, choose --format coco"));
  }
  const CocoSet truth = readCocoTruth(options.at("gt").asString(), type);
  const auto detections = readCocoResults(options.at("dt").asString(), truth, type);
  const int threads = options.get("threads", 0);
  if (format == "voc") {
    Value out = vocSummary(truth, detections, interpolationOf(options.get("interpolation", "area")), threads);
    out.set("type", name);
    out.set("stats", Value::Array{out.at("ap"), out.at("ap50"), out.at("ap75")});
    return out;
  }
  CocoParams params = CocoParams::defaults(type);
  params.threads = threads;
  const CocoResult result = evaluateCoco(truth, detections, params);
  Value stats{Value::Array{}};
  for (const double value : result.stats) stats.push(value);
  Value out = cocoNumbers(result, type);
  out.set("type", name);
  out.set("stats", std::move(stats));
  out.set("perClass", cocoPerClass(truth, detections, result));
  return out;
}

}  // namespace hd::eval
