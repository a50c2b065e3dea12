#include "data/formats/coco_annotations.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace hd::data {
namespace json = simdjson::ondemand;

std::string CocoAnnotation::name() const {
  return concat("annotations[", index, "], id ", annotation.id);
}

CocoAnnotationReader::CocoAnnotationReader(const JsonFile& file, CocoRun& run)
    : file_(file),
      run_(run),
      shapes_(file, run.shapes, [&run](const char* code, std::string where, std::string message) {
        run.findings.push_back({code, std::move(where), std::move(message)});
      }) {}

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
      shapes_.segmentation(
          field.value(), {"annotations", index, "segmentation"}, [&raw] { return raw.name(); }, a, raw.mask);
    } else if (key == "keypoints") {
      shapes_.keypoints(
          field.value(), {"annotations", index, "keypoints"}, [&raw] { return raw.name(); }, a);
    }
  }
  const std::string place = hasImage && hasCategory ? "" : Place{"annotations", index}.text();
  if (!hasImage) file_.fail("image_id", place, "nothing", "add it");
  if (!hasCategory) file_.fail("category_id", place, "nothing", "add it");
  if (!hasBox) {
    run_.findings.push_back(
        {"invalid-box", raw.name(), "no bbox of four numbers x, y, width, height: dropped"});
    return;
  }
  a.x1 = static_cast<float>(box[0]);
  a.y1 = static_cast<float>(box[1]);
  a.x2 = static_cast<float>(box[0] + box[2]);
  a.y2 = static_cast<float>(box[1] + box[3]);
  if (std::isnan(a.area)) a.area = box[2] * box[3];
  run_.annotations.push_back(raw);
}

}  // namespace hd::data
