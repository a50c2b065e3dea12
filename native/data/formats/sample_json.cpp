#include "data/formats/sample_json.h"

#include <cmath>
#include <utility>

#include "core/error.h"

namespace hd::data {
namespace {

namespace json = simdjson::ondemand;

constexpr int64_t maxSide = 1 << 20;
constexpr int64_t maxObjects = 100'000;

class SampleReader {
 public:
  SampleReader(const std::string& path, DatasetBuilder& builder)
      : path_(path),
        builder_(builder),
        file_(path),
        shapes_(file_, builder.table(),
                [&builder](const char* code, const std::string& where, const std::string& message) {
                  builder.report(code, where, message);
                }) {}

  SampleJson read(std::string text) {
    file_.parse(std::move(text), [this](json::document& document) { readRoot(document); });
    SampleJson out;
    if (width_ > 0 && height_ > 0) {
      out.width = static_cast<int>(width_);
      out.height = static_cast<int>(height_);
    }
    for (Object& object : objects_) {
      if (object.boxed) {
        out.objects.push_back(std::move(object.sample));
      } else {
        builder_.report("invalid-box", where(object.sample.index), "no box of four numbers: dropped");
      }
    }
    return out;
  }

 private:
  struct Object {
    SampleObject sample;
    bool boxed = false, labelled = false, measured = false;
  };

  void readRoot(json::document& document) {
    json::object root;
    const auto error = document.get_object().get(root);
    if (error == simdjson::INCORRECT_TYPE)
      file_.fail("an object", "the whole file", file_.start(), "see 'WebDataset shards' in the guide");
    if (error != simdjson::SUCCESS) throw simdjson::simdjson_error(error);
    for (auto field : root) readMember(field.unescaped_key(), field.value());
    if ((boxes_ < 0) == (annotations_ < 0)) {
      file_.fail("either 'boxes' or 'annotations'", "the sample", boxes_ < 0 ? "none of them" : "both",
                 "write \"boxes\": [] for a picture without objects");
    }
    if (annotations_ >= 0) return;
    if (labels_ < 0) labels_ = 0;
    for (const auto& [name, count] : counts_) requireLength(name, count);
    requireLength("labels", labels_);
  }

  void readMember(std::string_view key, json::value value) {
    if (key == "width") {
      width_ = side(value, "width");
    } else if (key == "height") {
      height_ = side(value, "height");
    } else if (key == "annotations") {
      annotations_ = readList(value, "annotations", [&](json::value item, int64_t index) {
        json::object object;
        if (item.get_object().get(object) != simdjson::SUCCESS)
          file_.fail("an object", Place{"annotations", index}.text(), item.raw_json_token(), "correct it");
        readObject(object, index);
      });
    } else if (key == "boxes") {
      boxes_ = readColumn(value, "boxes", [&](json::value item, Object& object, const Place& place) {
        readBox(item, object, place, false);
      });
    } else if (key == "labels") {
      labels_ = readColumn(value, "labels", [&](json::value item, Object& object, const Place& place) {
        readLabel(item, object, place);
      });
    } else {
      // One value a box of what an object of the other form has under the same name.
      for (const char* name : {"iscrowd", "ignore", "area", "segmentation", "keypoints"}) {
        if (key != name || value.is_null()) continue;
        counts_.emplace_back(
            name, readColumn(value, name, [&](json::value item, Object& object, const Place& place) {
              readDetail(name, item, object, place);
            }));
      }
    }
  }

  template <class Read>
  int64_t readList(json::value value, const char* name, const Read& read) {
    json::array list;
    if (value.get_array().get(list) != simdjson::SUCCESS)
      file_.fail("a list", name, value.raw_json_token(), "correct the sample");
    int64_t index = 0;
    for (json::value item : list) {
      if (index >= maxObjects)
        file_.fail("at most 100000 objects", name, "more", "take the picture out, or cut it into several");
      read(item, index++);
    }
    return index;
  }

  template <class Read>
  int64_t readColumn(json::value value, const char* name, const Read& read) {
    return readList(value, name, [&](json::value item, int64_t index) {
      read(item, objectAt(index), Place{name, index});
    });
  }

  void readObject(json::object object, int64_t index) {
    Object& out = objectAt(index);
    const Place place{"annotations", index};
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (key == "bbox") {
        readBox(field.value(), out, {"annotations", index, "bbox"}, true);
      } else if (key == "category" || key == "category_id") {
        readLabel(field.value(), out, {"annotations", index, key == "category" ? "category" : "category_id"});
      } else {
        for (const char* name : {"iscrowd", "ignore", "area", "segmentation", "keypoints"}) {
          if (key == name) readDetail(name, field.value(), out, {"annotations", index, name});
        }
      }
    }
    if (!out.labelled) file_.fail("category or category_id", place.text(), "none of them", "add one");
  }

  void readBox(json::value value, Object& object, const Place& place, bool sized) {
    file_.numbers(value, place, list_);
    if (list_.size() != 4) return;
    Annotation& a = object.sample.annotation;
    const double x2 = list_[2] + (sized ? list_[0] : 0), y2 = list_[3] + (sized ? list_[1] : 0);
    a.x1 = static_cast<float>(list_[0]), a.y1 = static_cast<float>(list_[1]);
    a.x2 = static_cast<float>(x2), a.y2 = static_cast<float>(y2);
    if (!object.measured) a.area = (x2 - list_[0]) * (y2 - list_[1]);
    object.boxed = true;
  }

  void readLabel(json::value value, Object& object, const Place& place) {
    std::string_view name;
    if (value.get_string().get(name) == simdjson::SUCCESS) {
      if (name.empty()) file_.fail("a class name", place.text(), "''", "name the class");
      object.sample.className = name;
    } else {
      object.sample.number = file_.integer(value, place);
    }
    object.labelled = true;
  }

  void readDetail(std::string_view name, json::value value, Object& object, const Place& place) {
    Annotation& a = object.sample.annotation;
    const ShapeReader::Where here = [&] { return concat(path_, ": ", place.text()); };
    if (value.is_null()) return;
    if (name == "iscrowd") {
      a.crowd = file_.flag(value, place);
    } else if (name == "ignore") {
      a.difficult = file_.flag(value, place);
    } else if (name == "area") {
      a.area = file_.number(value, place);
      object.measured = true;
    } else if (name == "segmentation") {
      shapes_.segmentation(value, place, here, a, object.sample.mask);
    } else {
      shapes_.keypoints(value, place, here, a);
    }
  }

  int64_t side(json::value value, const char* key) {
    if (value.is_null()) return 0;
    const int64_t pixels = file_.integer(value, {"the sample", 0, key});
    if (pixels < 0 || pixels > maxSide)
      file_.fail("0…1048576 pixels", key, concat(pixels), "correct the size, or leave it out");
    return pixels;
  }

  Object& objectAt(int64_t index) {
    while (static_cast<int64_t>(objects_.size()) <= index) {
      Object object;
      object.sample.index = static_cast<int64_t>(objects_.size());
      object.sample.annotation.polygons = object.sample.annotation.keypoints = -1;
      object.sample.annotation.rle = -1;
      objects_.push_back(std::move(object));
    }
    return objects_[static_cast<size_t>(index)];
  }

  void requireLength(const char* name, int64_t count) {
    if (count == boxes_) return;
    file_.fail(concat(boxes_, " values").c_str(), name, concat(count), "write one for each box");
  }

  std::string where(int64_t index) const {
    return concat(path_, ": ", boxes_ < 0 ? "annotations" : "boxes", "[", index, "]");
  }

  const std::string& path_;
  DatasetBuilder& builder_;
  JsonFile file_;
  ShapeReader shapes_;
  int64_t width_ = 0, height_ = 0;
  int64_t boxes_ = -1, labels_ = -1, annotations_ = -1;  // their lengths; −1 when missing
  std::vector<std::pair<const char*, int64_t>> counts_;
  std::vector<Object> objects_;
  std::vector<double> list_;
};

}  // namespace

SampleJson readSampleJson(const std::string& path, std::string text, DatasetBuilder& builder) {
  return SampleReader(path, builder).read(std::move(text));
}

}  // namespace hd::data
