// COCO JSON: spec { images: folder, annotations: file, classes?: names to use and their order, keepEmpty,
// minSide }. Classes default to all categories by rising id. One pass of simdjson's On-Demand parser, members
// in any order.
//
// Broken structure (syntax, types, duplicate image or category ids) throws; an annotation with bad content
// becomes a finding and is dropped. Semantics: crowd and `ignore` stay as regions to ignore; `area` defaults
// to the box's; run lengths that do not fill the picture, and polygons with fewer than three points, are
// dropped without their annotation.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "data/dataset_builder.h"
#include "data/formats/format.h"
#include "data/formats/json_file.h"
#include "data/formats/listing.h"
#include "data/formats/shapes.h"

namespace hd::data {
namespace {

namespace json = simdjson::ondemand;

constexpr int64_t maxSide = 1 << 20;

struct RawAnnotation {
  Annotation annotation;
  int64_t imageId, categoryId;
  int64_t index;  // in the file
  MaskSize mask;
};

class CocoReader {
 public:
  explicit CocoReader(const Value& spec)
      : path_(spec.at("annotations").asString()),
        file_(path_),
        folder_(spec.at("images").asString()),
        wanted_(classesOf(spec)),
        filter_(TrainingFilter::from(spec)),
        builder_(folder_) {}

  std::shared_ptr<const Dataset> read() {
    file_.parse([this](json::document& document) { readRoot(document); });
    chooseClasses();
    builder_.probeFiles(false);
    addAnnotations();
    return builder_.build(filter_);
  }

 private:
  // --- the document ---

  void readRoot(json::document& document) {
    json::object root;
    const auto error = document.get_object().get(root);
    if (error != simdjson::SUCCESS && error != simdjson::INCORRECT_TYPE)
      throw simdjson::simdjson_error(error);
    if (error == simdjson::INCORRECT_TYPE) {
      file_.fail("an object with images, annotations and categories", "the whole file", file_.start(),
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
      file_.fail("a list of images", "images", images ? "an empty list" : "nothing",
                 "name a file that describes pictures");
    }
    if (!categories || names_.empty()) {
      file_.fail("a list of categories", "categories", categories ? "an empty list" : "nothing",
                 "add the categories");
    }
    if (!annotations)
      builder_.report("no-annotations", path_, "the file has no list 'annotations': all pictures are empty");
  }

  bool readList(json::value value, const char* name, void (CocoReader::*readElement)(json::object, int64_t)) {
    json::array list;
    const auto error = value.get_array().get(list);
    if (error != simdjson::SUCCESS && error != simdjson::INCORRECT_TYPE)
      throw simdjson::simdjson_error(error);
    if (error == simdjson::INCORRECT_TYPE) {
      file_.fail("a list", name, value.raw_json_token(), "correct the file");
    }
    int64_t index = 0;
    for (json::value item : list) {
      json::object element;
      if (item.get_object().get(element) != simdjson::SUCCESS) {
        file_.fail("an object", Place{name, index}.text(), item.raw_json_token(), "correct the file");
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
        id = file_.integer(field.value(), {"categories", index, "id"});
        hasId = true;
      } else if (key == "name") {
        name = file_.string(field.value(), {"categories", index, "name"});
        hasName = true;
      }
    }
    if (!hasId || !hasName)
      file_.fail("id and name", Place{"categories", index}.text(), "only one of them", "add the missing one");
    if (!categoryName_.emplace(id, name).second) {
      file_.fail("different ids", Place{"categories", index, "id"}.text(), concat(id, " a second time"),
                 "renumber the categories");
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
      const int64_t pixels = file_.integer(value, {"images", index, key});
      if (pixels < 0 || pixels > maxSide) {
        file_.fail("0…1048576 pixels", Place{"images", index, key}.text(), concat(pixels),
                   "correct the size, or leave it out");
      }
      return pixels;
    };
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (key == "id") {
        id = file_.integer(field.value(), {"images", index, "id"});
        hasId = true;
      } else if (key == "file_name") {
        name = file_.string(field.value(), {"images", index, "file_name"});
      } else if (key == "width") {
        width = side(field.value(), "width");
      } else if (key == "height") {
        height = side(field.value(), "height");
      }
    }
    if (!hasId || name.empty()) {
      file_.fail("id and file_name", Place{"images", index}.text(), hasId ? "no file_name" : "no id",
                 "add the missing one");
    }
    if (!imageIndex_.emplace(id, builder_.images()).second) {
      file_.fail("different ids", Place{"images", index, "id"}.text(), concat(id, " a second time"),
                 "renumber the images; files that were merged often repeat ids");
    }
    if (!fileNames_.insert(name).second) {
      builder_.report("duplicate-file", Place{"images", index}.text(),
                      concat("file_name '", name, "' stands twice"));
    }
    const bool complete = width > 0 && height > 0;
    builder_.addImage(id, (std::filesystem::path(folder_) / name).string(),
                      complete ? static_cast<int>(width) : 0, complete ? static_cast<int>(height) : 0);
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
            field.value(), {"annotations", index, "segmentation"}, [&] { return name(raw); }, a, raw.mask);
      } else if (key == "keypoints") {
        shapes_.keypoints(
            field.value(), {"annotations", index, "keypoints"}, [&] { return name(raw); }, a);
      }
    }
    const std::string place = hasImage && hasCategory ? "" : Place{"annotations", index}.text();
    if (!hasImage) file_.fail("image_id", place, "nothing", "add it");
    if (!hasCategory) file_.fail("category_id", place, "nothing", "add it");
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

  // --- after the document ---

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
          throw Error(
              "HD_DATA_CLASSES",
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
        builder_.report("unknown-class", name(raw),
                        concat("no category has id ", raw.categoryId, ": dropped"));
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
      ShapeReader::requireSize(
          builder_, image->second, [&] { return name(raw); }, a, raw.mask);
      builder_.addAnnotation(image->second, a, name(raw));
    }
  }

  std::string path_;
  JsonFile file_;
  std::string folder_;
  std::vector<std::string> wanted_;
  TrainingFilter filter_;
  DatasetBuilder builder_;
  std::vector<std::string> names_;  // of the categories, in file order
  std::vector<int64_t> categoryIds_;
  std::unordered_map<int64_t, std::string> categoryName_;
  std::unordered_map<int64_t, int32_t> label_;
  std::unordered_map<int64_t, int64_t> imageIndex_;
  std::unordered_set<std::string> fileNames_;
  std::vector<RawAnnotation> raw_;
  std::vector<double> list_;  // reused
  ShapeReader shapes_{file_, builder_};
};

HD_REGISTER_FORMAT(coco, [](const Value& spec) { return CocoReader(spec).read(); });

}  // namespace
}  // namespace hd::data
