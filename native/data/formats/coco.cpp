// COCO JSON: spec { images: folder, annotations: file, classes?: names to use and their order, keepEmpty, minSide }.
// Classes default to all categories by rising id. One pass of simdjson's On-Demand parser, members in any order.
//
// Broken structure (syntax, types, duplicate image or category ids) throws; an annotation with bad content becomes a
// finding and is dropped. Semantics: crowd and `ignore` stay as regions to ignore; `area` defaults to the box's; run
// lengths that do not fill the picture, and polygons with fewer than three points, are dropped without their annotation.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "data/dataset_builder.h"
#include "data/formats/format.h"
#include "data/rle.h"
#include "data/text_file.h"

namespace hd::data {
namespace {

namespace json = simdjson::ondemand;

constexpr int64_t maxFileBytes = 0xFFFFFFFFll - 4096;  // simdjson's positions have 32 bits
constexpr int64_t maxSide = 1 << 20;

/// Where a value stands, turned into text only when something is wrong with it.
struct Place {
  const char* list;
  int64_t index;
  const char* field = "";
  std::string text() const { return concat(list, "[", index, "]", *field == '\0' ? "" : ".", field); }
};

struct RawAnnotation {
  Annotation annotation;
  int64_t imageId, categoryId;
  int64_t index;                              // in the file
  int64_t maskWidth, maskHeight, maskPixels;  // of the run lengths
};

class CocoReader {
 public:
  explicit CocoReader(const Value& spec)
      : path_(spec.at("annotations").asString()),
        folder_(spec.at("images").asString()),
        wanted_(spec.strings("classes")),
        filter_(TrainingFilter::from(spec)),
        builder_(folder_) {}

  std::shared_ptr<const Dataset> read() {
    text_ = readTextFile(path_, maxFileBytes, simdjson::SIMDJSON_PADDING);
    json::parser parser;
    json::document document;
    try {
      if (const auto error = parser.iterate(text_.data(), text_.size(), text_.capacity()).get(document)) {
        failSyntax(error, startOffset(error));
      }
      readRoot(document);
    } catch (const simdjson::simdjson_error& failure) {
      const char* at = nullptr;
      const bool known = document.current_location().get(at) == simdjson::SUCCESS;
      failSyntax(failure.error(), known ? static_cast<size_t>(at - text_.data()) : text_.size());
    }
    chooseClasses();
    builder_.probeFiles(false);
    addAnnotations();
    return builder_.build(filter_);
  }

 private:
  [[noreturn]] void failSyntax(simdjson::error_code error, size_t offset) const {
    throw Error("HD_DATA_JSON",
                concat("expected valid JSON for ", path_, " but received an error at byte ", std::min(offset, text_.size()),
                       " of ", text_.size(), " (", simdjson::error_message(error), "): export or download the file again"),
                path_);
  }

  [[noreturn]] void fail(const char* what, const std::string& place, std::string_view received, const char* cure) const {
    throw Error("HD_DATA_FORMAT",
                concat("expected ", what, " for ", place, " but received ", trim(received).substr(0, 60), " (", path_, "): ",
                       cure),
                concat(path_, ": ", place));
  }

  /// Errors of the first stage have no position: find it from their kind.
  size_t startOffset(simdjson::error_code error) const {
    if (error != simdjson::UTF8_ERROR) return error == simdjson::EMPTY ? 0 : text_.size();
    size_t valid = 0, invalid = text_.size();  // a longer prefix of bad text stays bad
    while (invalid - valid > 1) {
      const size_t middle = valid + (invalid - valid) / 2;
      (simdjson::validate_utf8(text_.data(), middle) ? valid : invalid) = middle;
    }
    return valid;
  }

  // --- typed reading -------------------------------------------------------------------------------------------------

  double number(json::value value, const Place& place) const {
    double out = 0;
    if (value.get_double().get(out) != simdjson::SUCCESS) {
      fail("a number", place.text(), value.raw_json_token(), "correct the value");
    }
    return out;
  }

  int64_t integer(json::value value, const Place& place) const {
    int64_t exact = 0;
    if (value.get_int64().get(exact) == simdjson::SUCCESS) return exact;
    double real = 0;  // some exporters write 7.0
    if (value.get_double().get(real) == simdjson::SUCCESS && real == std::trunc(real) && std::abs(real) < 0x1p53) {
      return static_cast<int64_t>(real);
    }
    fail("an integer", place.text(), value.raw_json_token(), "write numbers without quotes or fractions");
  }

  std::string_view string(json::value value, const Place& place) const {
    std::string_view out;
    if (value.get_string().get(out) != simdjson::SUCCESS) {
      fail("a string", place.text(), value.raw_json_token(), "correct the value");
    }
    return out;
  }

  bool flag(json::value value, const Place& place) const {
    bool out = false;
    if (value.get_bool().get(out) == simdjson::SUCCESS) return out;
    return integer(value, place) != 0;
  }

  /// Numbers; null stands for "not a number", as exporters write NaN.
  void numbers(json::value value, const Place& place, std::vector<double>& out) const {
    out.clear();
    json::array list;
    if (value.get_array().get(list) != simdjson::SUCCESS) {
      fail("a list of numbers", place.text(), value.raw_json_token(), "correct the value");
    }
    for (json::value item : list) out.push_back(item.is_null() ? std::nan("") : number(item, place));
  }

  // --- the document --------------------------------------------------------------------------------------------------

  void readRoot(json::document& document) {
    json::object root;
    if (document.get_object().get(root) != simdjson::SUCCESS) {
      fail("an object with images, annotations and categories", "the whole file", text_.substr(0, 20),
           "name a COCO annotation file; a list is a result file, which 'hdtrain score --dt' reads");
    }
    bool images = false, categories = false, annotations = false;
    for (auto field : root) {
      const std::string_view key = field.unescaped_key();
      if (key == "images") {
        images = readList(field.value(), "images", &CocoReader::readImage);
      } else if (key == "categories") {
        categories = readList(field.value(), "categories", &CocoReader::readCategory);
      } else if (key == "annotations") {
        annotations = readList(field.value(), "annotations", &CocoReader::readAnnotation);
      }
    }
    if (!images || builder_.images() == 0) {
      fail("a list of images", "images", images ? "an empty list" : "nothing", "name a file that describes pictures");
    }
    if (!categories || names_.empty()) {
      fail("a list of categories", "categories", categories ? "an empty list" : "nothing", "add the categories");
    }
    if (!annotations) builder_.report("no-annotations", path_, "the file has no list 'annotations': all pictures are empty");
  }

  bool readList(json::value value, const char* name, void (CocoReader::*readElement)(json::object, int64_t)) {
    json::array list;
    if (value.get_array().get(list) != simdjson::SUCCESS) {
      fail("a list", name, value.raw_json_token(), "correct the file");
    }
    int64_t index = 0;
    for (json::value item : list) {
      json::object element;
      if (item.get_object().get(element) != simdjson::SUCCESS) {
        fail("an object", Place{name, index}.text(), item.raw_json_token(), "correct the file");
      }
      (this->*readElement)(element, index++);
    }
    return true;
  }

  void readCategory(json::object object, int64_t index) {
    bool hasId = false, hasName = false;
    int64_t id = 0;
    std::string name;
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (key == "id") {
        id = integer(field.value(), {"categories", index, "id"});
        hasId = true;
      } else if (key == "name") {
        name = string(field.value(), {"categories", index, "name"});
        hasName = true;
      }
    }
    if (!hasId || !hasName) fail("id and name", Place{"categories", index}.text(), "only one of them", "add the missing one");
    if (!categoryName_.emplace(id, name).second) {
      fail("different ids", Place{"categories", index, "id"}.text(), concat(id, " a second time"), "renumber the categories");
    }
    names_.push_back(std::move(name));
    categoryIds_.push_back(id);
  }

  void readImage(json::object object, int64_t index) {
    bool hasId = false;
    int64_t id = 0, width = 0, height = 0;
    std::string name;
    const auto side = [&](json::value value, const char* key) {
      if (value.is_null()) return int64_t{0};
      const int64_t pixels = integer(value, {"images", index, key});
      if (pixels < 0 || pixels > maxSide) {
        fail("0…1048576 pixels", Place{"images", index, key}.text(), concat(pixels), "correct the size, or leave it out");
      }
      return pixels;
    };
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (key == "id") {
        id = integer(field.value(), {"images", index, "id"});
        hasId = true;
      } else if (key == "file_name") {
        name = string(field.value(), {"images", index, "file_name"});
      } else if (key == "width") {
        width = side(field.value(), "width");
      } else if (key == "height") {
        height = side(field.value(), "height");
      }
    }
    if (!hasId || name.empty()) {
      fail("id and file_name", Place{"images", index}.text(), hasId ? "no file_name" : "no id", "add the missing one");
    }
    if (!imageIndex_.emplace(id, builder_.images()).second) {
      fail("different ids", Place{"images", index, "id"}.text(), concat(id, " a second time"),
           "renumber the images; files that were merged often repeat ids");
    }
    if (!fileNames_.insert(name).second) {
      builder_.report("duplicate-file", Place{"images", index}.text(), concat("file_name '", name, "' stands twice"));
    }
    const bool complete = width > 0 && height > 0;
    builder_.addImage(id, (std::filesystem::path(folder_) / name).string(), complete ? static_cast<int>(width) : 0,
                      complete ? static_cast<int>(height) : 0);
  }

  void readAnnotation(json::object object, int64_t index) {
    RawAnnotation raw{};
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
        a.id = integer(field.value(), {"annotations", index, "id"});
      } else if (key == "image_id") {
        raw.imageId = integer(field.value(), {"annotations", index, "image_id"});
        hasImage = true;
      } else if (key == "category_id") {
        raw.categoryId = integer(field.value(), {"annotations", index, "category_id"});
        hasCategory = true;
      } else if (key == "bbox") {
        numbers(field.value(), {"annotations", index, "bbox"}, list_);
        hasBox = list_.size() == 4;
        if (hasBox) std::copy(list_.begin(), list_.end(), box.begin());
      } else if (key == "area") {
        json::value value = field.value();
        if (!value.is_null()) a.area = number(value, {"annotations", index, "area"});
      } else if (key == "iscrowd") {
        a.crowd = flag(field.value(), {"annotations", index, "iscrowd"});
      } else if (key == "ignore") {
        a.difficult = flag(field.value(), {"annotations", index, "ignore"});
      } else if (key == "segmentation") {
        readSegmentation(field.value(), raw);
      } else if (key == "keypoints") {
        readKeypoints(field.value(), raw);
      }
    }
    const std::string place = hasImage && hasCategory ? "" : Place{"annotations", index}.text();
    if (!hasImage) fail("image_id", place, "nothing", "add it");
    if (!hasCategory) fail("category_id", place, "nothing", "add it");
    if (!hasBox) {
      builder_.report("invalid-box", name(raw), "no bbox of four numbers x, y, width, height: dropped");
      return;
    }
    a.x1 = static_cast<float>(box[0]);
    a.y1 = static_cast<float>(box[1]);
    a.x2 = static_cast<float>(box[0] + box[2]);
    a.y2 = static_cast<float>(box[1] + box[3]);
    if (std::isnan(a.area)) a.area = box[2] * box[3];
    raw_.push_back(raw);
  }

  static std::string name(const RawAnnotation& raw) {
    return concat("annotations[", raw.index, "], id ", raw.annotation.id);
  }

  void readSegmentation(json::value value, RawAnnotation& raw) {
    const Place place{"annotations", raw.index, "segmentation"};
    if (value.is_null()) return;
    json::object run;
    if (value.get_object().get(run) == simdjson::SUCCESS) return readRle(run, raw);
    json::array list;
    if (value.get_array().get(list) != simdjson::SUCCESS) {
      fail("polygons or run lengths", place.text(), value.raw_json_token(), "correct the value");
    }
    polygons_.clear();
    for (json::value item : list) {
      numbers(item, place, list_);
      const bool finite = std::all_of(list_.begin(), list_.end(), [](double x) { return std::isfinite(x); });
      if (list_.size() < 6 || list_.size() % 2 != 0 || !finite) {
        builder_.report("invalid-polygon", name(raw),
                        concat("a polygon of ", list_.size(), " numbers", finite ? "" : ", some not finite", ": dropped"));
        continue;
      }
      polygons_.emplace_back(list_.begin(), list_.end());
    }
    if (!polygons_.empty()) raw.annotation.polygons = builder_.table().addPolygons(polygons_);
  }

  void readRle(json::object object, RawAnnotation& raw) {
    const Place place{"annotations", raw.index, "segmentation"};
    std::optional<std::vector<uint32_t>> counts;
    std::vector<double> size;
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (key == "size") {
        numbers(field.value(), place, size);
      } else if (key == "counts") {
        json::value value = field.value();
        std::string_view packed;
        if (value.get_string().get(packed) == simdjson::SUCCESS) {
          counts = unpackRle(packed);
        } else {
          numbers(value, place, list_);
          const bool valid =
              std::all_of(list_.begin(), list_.end(), [](double run) { return run >= 0 && run <= UINT32_MAX; });
          if (valid) counts.emplace(list_.begin(), list_.end());
        }
      }
    }
    const bool sized = size.size() == 2 && size[0] >= 1 && size[0] <= maxSide && size[1] >= 1 && size[1] <= maxSide;
    const int64_t pixels = counts ? std::accumulate(counts->begin(), counts->end(), int64_t{0}) : -1;
    if (!sized || static_cast<double>(pixels) != size[0] * size[1]) {
      builder_.report("invalid-rle", name(raw), "run lengths do not add up to height × width: mask dropped");
      return;
    }
    raw.maskHeight = static_cast<int64_t>(size[0]);
    raw.maskWidth = static_cast<int64_t>(size[1]);
    raw.annotation.rle = builder_.table().addRle(packRle(*counts));
  }

  void readKeypoints(json::value value, RawAnnotation& raw) {
    if (value.is_null()) return;
    numbers(value, {"annotations", raw.index, "keypoints"}, list_);
    const bool finite = std::all_of(list_.begin(), list_.end(), [](double x) { return std::isfinite(x); });
    if (list_.size() % 3 != 0 || !finite) {
      builder_.report("invalid-keypoints", name(raw), concat(list_.size(), " numbers are no x, y, v triples: dropped"));
      return;
    }
    bool labelled = false;
    for (size_t i = 2; i < list_.size(); i += 3) labelled |= list_[i] > 0;
    const std::vector<float> triples(list_.begin(), list_.end());
    if (labelled) raw.annotation.keypoints = builder_.table().addKeypoints(triples);
  }

  // --- after the document --------------------------------------------------------------------------------------------

  void chooseClasses() {
    std::vector<int64_t> ids;
    if (wanted_.empty()) {
      ids = categoryIds_;
      std::sort(ids.begin(), ids.end());
      for (const int64_t id : ids) wanted_.push_back(categoryName_.at(id));
    } else {
      for (const std::string& wanted : wanted_) {
        const auto found = std::find(names_.begin(), names_.end(), wanted);
        if (found == names_.end()) {
          const std::string nearest = nearestName(wanted, names_);
          throw Error("HD_DATA_CLASSES",
                      concat("expected a category of ", path_, " for data.classes but received '", wanted, "'",
                             nearest.empty() ? ": correct the name" : concat(": did you mean '", nearest, "'?")),
                      path_);
        }
        ids.push_back(categoryIds_[static_cast<size_t>(found - names_.begin())]);
      }
    }
    for (size_t c = 0; c < ids.size(); ++c) label_.emplace(ids[c], static_cast<int32_t>(c));
    builder_.setClasses(std::move(wanted_), std::move(ids));
  }

  void addAnnotations() {
    std::unordered_set<int64_t> ids;
    ids.reserve(raw_.size());
    for (RawAnnotation& raw : raw_) {
      Annotation& a = raw.annotation;
      if (!categoryName_.contains(raw.categoryId)) {
        builder_.report("unknown-class", name(raw), concat("no category has id ", raw.categoryId, ": dropped"));
        continue;
      }
      const auto label = label_.find(raw.categoryId);
      if (label == label_.end()) continue;  // a class that the recipe leaves out
      const auto image = imageIndex_.find(raw.imageId);
      if (image == imageIndex_.end()) {
        builder_.report("dangling-image", name(raw), concat("no image has id ", raw.imageId, ": dropped"));
        continue;
      }
      if (!ids.insert(a.id).second) {
        builder_.report("duplicate-id", name(raw), "another annotation has this id: both are kept");
      }
      a.label = label->second;
      if (a.rle >= 0 &&
          (raw.maskWidth != builder_.width(image->second) || raw.maskHeight != builder_.height(image->second))) {
        builder_.report("invalid-rle", name(raw), "the mask has another size than the picture: mask dropped");
        a.rle = -1;
      }
      builder_.addAnnotation(image->second, a, name(raw));
    }
  }

  std::string path_, folder_;
  std::vector<std::string> wanted_;
  TrainingFilter filter_;
  DatasetBuilder builder_;
  std::string text_;
  std::vector<std::string> names_;  // of the categories, in file order
  std::vector<int64_t> categoryIds_;
  std::unordered_map<int64_t, std::string> categoryName_;
  std::unordered_map<int64_t, int32_t> label_;
  std::unordered_map<int64_t, int64_t> imageIndex_;
  std::unordered_set<std::string> fileNames_;
  std::vector<RawAnnotation> raw_;
  std::vector<double> list_;  // reused: most annotations hold two or three lists
  std::vector<std::vector<float>> polygons_;
};

HD_REGISTER_FORMAT(coco, [](const Value& spec) { return CocoReader(spec).read(); });

}  // namespace
}  // namespace hd::data
