#include "data/formats/coco_annotations.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "data/rle.h"

namespace hd::data {
namespace {

namespace json = simdjson::ondemand;

constexpr int64_t maxSide = 1 << 20;

}  // namespace

std::string CocoAnnotation::name() const {
  return concat("annotations[", index, "], id ", annotation.id);
}

void CocoAnnotationReader::report(const char* code, const CocoAnnotation& raw, std::string message) {
  run_.findings.push_back({code, raw.name(), std::move(message)});
}

void CocoAnnotationReader::read(json::object object, int64_t index) {
  CocoAnnotation raw{};
  raw.index = index;
  Annotation& a = raw.annotation;
  a.id = index + 1;
  a.area = std::nan("");
  a.polygons = a.keypoints = a.rle = -1;
  bool hasImage = false, hasCategory = false;
  std::array<double, 4> box{};
  bool hasBox = false;
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    if (key == "id") {
      a.id = file_.integer(field.value(), {"annotations", index, "id"});
    } else if (key == "image_id") {
      raw.imageId = file_.integer(field.value(), {"annotations", index, "image_id"});
      hasImage = true;
    } else if (key == "category_id") {
      raw.categoryId = file_.integer(field.value(), {"annotations", index, "category_id"});
      hasCategory = true;
    } else if (key == "bbox") {
      file_.numbers(field.value(), {"annotations", index, "bbox"}, list_);
      hasBox = list_.size() == 4;
      if (hasBox) std::copy(list_.begin(), list_.end(), box.begin());
    } else if (key == "area") {
      json::value value = field.value();
      if (!value.is_null()) a.area = file_.number(value, {"annotations", index, "area"});
    } else if (key == "iscrowd") {
      a.crowd = file_.flag(field.value(), {"annotations", index, "iscrowd"});
    } else if (key == "ignore") {
      a.difficult = file_.flag(field.value(), {"annotations", index, "ignore"});
    } else if (key == "segmentation") {
      readSegmentation(field.value(), raw);
    } else if (key == "keypoints") {
      readKeypoints(field.value(), raw);
    }
  }
  const std::string place = hasImage && hasCategory ? "" : Place{"annotations", index}.text();
  if (!hasImage) file_.fail("image_id", place, "nothing", "add it");
  if (!hasCategory) file_.fail("category_id", place, "nothing", "add it");
  if (!hasBox) {
    report("invalid-box", raw, "no bbox of four numbers x, y, width, height: dropped");
    return;
  }
  a.x1 = static_cast<float>(box[0]);
  a.y1 = static_cast<float>(box[1]);
  a.x2 = static_cast<float>(box[0] + box[2]);
  a.y2 = static_cast<float>(box[1] + box[3]);
  if (std::isnan(a.area)) a.area = box[2] * box[3];
  run_.annotations.push_back(raw);
}

void CocoAnnotationReader::readSegmentation(json::value value, CocoAnnotation& raw) {
  const Place place{"annotations", raw.index, "segmentation"};
  if (value.is_null()) return;
  json::object run;
  if (value.get_object().get(run) == simdjson::SUCCESS) return readRle(run, raw);
  json::array list;
  if (value.get_array().get(list) != simdjson::SUCCESS) {
    file_.fail("polygons or run lengths", place.text(), value.raw_json_token(), "correct the value");
  }
  polygons_.clear();
  for (json::value item : list) {
    file_.numbers(item, place, list_);
    const bool finite = std::all_of(list_.begin(), list_.end(), [](double x) { return std::isfinite(x); });
    if (list_.size() < 6 || list_.size() % 2 != 0 || !finite) {
      report("invalid-polygon", raw,
                      concat("a polygon of ", list_.size(), " numbers", finite ? "" : ", some not finite",
                             ": dropped"));
      continue;
    }
    polygons_.emplace_back(list_.begin(), list_.end());
  }
  if (!polygons_.empty()) raw.annotation.polygons = run_.shapes.addPolygons(polygons_);
}

void CocoAnnotationReader::readRle(json::object object, CocoAnnotation& raw) {
  const Place place{"annotations", raw.index, "segmentation"};
  std::optional<std::vector<uint32_t>> counts;
  std::vector<double> size;
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    if (key == "size") {
      file_.numbers(field.value(), place, size);
    } else if (key == "counts") {
      json::value value = field.value();
      std::string_view packed;
      if (value.get_string().get(packed) == simdjson::SUCCESS) {
        counts = unpackRle(packed);
      } else {
        file_.numbers(value, place, list_);
        const bool valid = std::all_of(list_.begin(), list_.end(),
                                       [](double run) { return run >= 0 && run <= UINT32_MAX; });
        if (valid) counts.emplace(list_.begin(), list_.end());
      }
    }
  }
  const bool sized =
      size.size() == 2 && size[0] >= 1 && size[0] <= maxSide && size[1] >= 1 && size[1] <= maxSide;
  const int64_t pixels = counts ? std::accumulate(counts->begin(), counts->end(), int64_t{0}) : -1;
  if (!sized || static_cast<double>(pixels) != size[0] * size[1]) {
    report("invalid-rle", raw, "run lengths do not add up to height × width: mask dropped");
    return;
  }
  raw.maskHeight = static_cast<int64_t>(size[0]);
  raw.maskWidth = static_cast<int64_t>(size[1]);
  raw.annotation.rle = run_.shapes.addRle(packRle(*counts));
}

void CocoAnnotationReader::readKeypoints(json::value value, CocoAnnotation& raw) {
  if (value.is_null()) return;
  file_.numbers(value, {"annotations", raw.index, "keypoints"}, list_);
  const bool finite = std::all_of(list_.begin(), list_.end(), [](double x) { return std::isfinite(x); });
  if (list_.size() % 3 != 0 || !finite) {
    report("invalid-keypoints", raw,
                    concat(list_.size(), " numbers are no x, y, v triples: dropped"));
    return;
  }
  bool labelled = false;
  for (size_t i = 2; i < list_.size(); i += 3) labelled |= list_[i] > 0;
  const std::vector<float> triples(list_.begin(), list_.end());
  if (labelled) raw.annotation.keypoints = run_.shapes.addKeypoints(triples);
}

}  // namespace hd::data
