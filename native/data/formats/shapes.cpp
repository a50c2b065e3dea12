#include "data/formats/shapes.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "data/rle.h"

namespace hd::data {
namespace {

namespace json = simdjson::ondemand;

constexpr int64_t maxSide = 1 << 20;

bool finite(const std::vector<double>& list) {
  return std::all_of(list.begin(), list.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace

void ShapeReader::segmentation(json::value value, const Place& place, const Where& where,
                               Annotation& annotation, MaskSize& size) {
  if (value.is_null()) return;
  json::object run;
  if (value.get_object().get(run) == simdjson::SUCCESS)
    return runLengths(run, place, where, annotation, size);
  json::array list;
  if (value.get_array().get(list) != simdjson::SUCCESS) {
    file_.fail("polygons or run lengths", place.text(), value.raw_json_token(), "correct the value");
  }
  polygons_.clear();
  for (json::value item : list) {
    file_.numbers(item, place, list_);
    if (list_.size() < 6 || list_.size() % 2 != 0 || !finite(list_)) {
      report_("invalid-polygon", where(),
              concat("a polygon of ", list_.size(), " numbers", finite(list_) ? "" : ", some not finite",
                     ": dropped"));
      continue;
    }
    polygons_.emplace_back(list_.begin(), list_.end());
  }
  if (!polygons_.empty()) annotation.polygons = table_.addPolygons(polygons_);
}

void ShapeReader::runLengths(json::object object, const Place& place, const Where& where,
                             Annotation& annotation, MaskSize& size) {
  std::optional<std::vector<uint32_t>> counts;
  std::vector<double> sides;
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    if (key == "size") {
      file_.numbers(field.value(), place, sides);
    } else if (key == "counts") {
      json::value value = field.value();
      std::string_view packed;
      if (value.get_string().get(packed) == simdjson::SUCCESS) {
        counts = unpackRle(packed);
      } else {
        file_.numbers(value, place, list_);
        const bool valid =
            std::all_of(list_.begin(), list_.end(), [](double run) { return run >= 0 && run <= UINT32_MAX; });
        if (valid) counts.emplace(list_.begin(), list_.end());
      }
    }
  }
  const bool sized =
      sides.size() == 2 && sides[0] >= 1 && sides[0] <= maxSide && sides[1] >= 1 && sides[1] <= maxSide;
  const int64_t pixels = counts ? std::accumulate(counts->begin(), counts->end(), int64_t{0}) : -1;
  if (!sized || static_cast<double>(pixels) != sides[0] * sides[1]) {
    report_("invalid-rle", where(), "run lengths do not add up to height × width: mask dropped");
    return;
  }
  size = {static_cast<int64_t>(sides[1]), static_cast<int64_t>(sides[0])};
  annotation.rle = table_.addRle(packRle(*counts));
}

void ShapeReader::keypoints(json::value value, const Place& place, const Where& where,
                            Annotation& annotation) {
  if (value.is_null()) return;
  file_.numbers(value, place, list_);
  if (list_.size() % 3 != 0 || !finite(list_)) {
    report_("invalid-keypoints", where(), concat(list_.size(), " numbers are no x, y, v triples: dropped"));
    return;
  }
  bool labelled = false;
  for (size_t i = 2; i < list_.size(); i += 3) labelled |= list_[i] > 0;
  const std::vector<float> triples(list_.begin(), list_.end());
  if (labelled) annotation.keypoints = table_.addKeypoints(triples);
}

void ShapeReader::requireSize(DatasetBuilder& builder, int64_t image, const Where& where,
                              Annotation& annotation, const MaskSize& size) {
  if (annotation.rle < 0 || (size.width == builder.width(image) && size.height == builder.height(image)))
    return;
  builder.report("invalid-rle", where(), "the mask has another size than the picture: mask dropped");
  annotation.rle = -1;
}

}  // namespace hd::data
