// Pascal VOC XML: spec { images: folder, annotations: folder, list?: file, classes?, offset = 1, keepEmpty,
// minSide }. `list` names ids or pictures, one a line (a trailing −1, 0 or 1 of VOC's class lists is left
// out); without it, all XML files by name. Classes default to those found, sorted by name. `offset` is
// subtracted from all coordinates: VOC counts pixels from 1 (mmdetection's XMLDataset does the same). Sizes
// come from the pictures' headers.
//
// A document type declaration is refused, so no entity is ever expanded. Broken XML throws, all files listed
// together.
#include <algorithm>
#include <filesystem>
#include <numeric>
#include <pugixml.hpp>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "core/nearest.h"
#include "data/dataset_builder.h"
#include "data/formats/format.h"
#include "data/formats/listing.h"
#include "data/formats/problems.h"
#include "data/text_file.h"

namespace fs = std::filesystem;

namespace hd::data {
namespace {

constexpr int64_t maxXmlBytes = 64 << 20;

struct RawObject {
  int64_t image;
  std::string className, where;
  Annotation annotation;
};

class VocReader {
 public:
  explicit VocReader(const Value& spec)
      : annotations_(spec.at("annotations").asString()),
        list_(spec.get("list", "")),
        classes_(classesOf(spec)),
        offset_(spec.get("offset", 1.0)),
        filter_(TrainingFilter::from(spec)),
        pictures_(spec.at("images").asString()),
        builder_(pictures_.folder()) {}

  std::shared_ptr<const Dataset> read() {
    for (const std::string& entry :
         list_.empty() ? filesWithExtension(annotations_, ".xml") : readList(list_)) {
      readEntry(entry);
    }
    problems_.throwIfAny("VOC XML", annotations_);
    if (builder_.images() == 0) {
      throw Error("HD_DATA_EMPTY",
                  concat("expected pictures with annotations for ", list_.empty() ? annotations_ : list_,
                         " but received none: check the paths"),
                  annotations_);
    }
    builder_.probeFiles(true);
    addObjects();
    return builder_.build(filter_);
  }

 private:
  /// The annotation file of a list entry, or "".
  std::string annotationFile(std::string& entry) const {
    const auto exists = [&](const std::string& id) {
      std::error_code tooLong;  // an entry of the list may be anything
      return fs::exists(fs::path(annotations_) / (id + ".xml"), tooLong);
    };
    const auto column = entry.find_last_of(" \t");
    if (column != std::string::npos) {  // "2007_000032  1" of VOC's lists for one class
      const std::string_view flag = std::string_view(entry).substr(column + 1);
      const std::string id(trim(std::string_view(entry).substr(0, column)));
      if ((flag == "1" || flag == "0" || flag == "-1") && exists(withoutExtension(id))) entry = id;
    }
    const std::string base = entry.substr(entry.rfind('/') + 1);
    for (const std::string& id : {entry, withoutExtension(entry), base, withoutExtension(base)}) {
      if (id.find('\0') == std::string::npos && exists(id))
        return (fs::path(annotations_) / (id + ".xml")).string();
    }
    return {};
  }

  void readEntry(std::string entry) {
    const std::string file = annotationFile(entry);
    if (file.empty()) {
      builder_.report("missing-annotation", entry,
                      concat("no ", withoutExtension(entry), ".xml in ", annotations_, ": left out"));
      return;
    }
    const std::string text = readTextFile(file, maxXmlBytes);
    pugi::xml_document document;
    const auto parsed =
        document.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_doctype);
    if (!parsed) {
      problems_.add(concat(file, " at byte ", parsed.offset, ": ", parsed.description()));
      return;
    }
    for (const pugi::xml_node node : document) {
      if (node.type() == pugi::node_doctype) {
        problems_.add(concat(file, ": a document type declaration, which is refused"));
        return;
      }
    }
    const pugi::xml_node root = document.child("annotation");
    if (!root) {
      problems_.add(concat(file, ": no <annotation> at the top"));
      return;
    }
    readAnnotation(root, entry, file);
  }

  void readAnnotation(pugi::xml_node root, const std::string& entry, const std::string& file) {
    // The list entry wins over <filename>, which tools often leave wrong.
    auto name = pictures_.find(entry);
    if (!name) name = pictures_.find(withoutExtension(fs::path(file).filename().string()));
    if (!name) name = pictures_.find(root.child_value("filename"));
    const int width = root.child("size").child("width").text().as_int();
    const int height = root.child("size").child("height").text().as_int();
    const std::string path =
        name ? pictures_.path(*name) : (fs::path(pictures_.folder()) / withoutExtension(entry)).string();
    const int64_t image =
        builder_.addImage(builder_.images() + 1, path, std::max(0, width), std::max(0, height));
    int number = 0;
    for (const pugi::xml_node object : root.children("object")) {
      RawObject raw{
          image, std::string(trim(object.child_value("name"))), concat(file, ", object ", ++number), {}};
      Annotation& a = raw.annotation;
      a.difficult = object.child("difficult").text().as_int() != 0;
      a.polygons = a.keypoints = a.rle = -1;
      if (readBox(object.child("bndbox"), a)) {
        raw_.push_back(std::move(raw));
      } else {
        builder_.report("invalid-box", raw.where,
                        "no bndbox with the numbers xmin, ymin, xmax, ymax: dropped");
      }
    }
  }

  bool readBox(pugi::xml_node box, Annotation& annotation) const {
    double x1, y1, x2, y2;
    if (!parseNumber(box.child_value("xmin"), x1) || !parseNumber(box.child_value("ymin"), y1) ||
        !parseNumber(box.child_value("xmax"), x2) || !parseNumber(box.child_value("ymax"), y2)) {
      return false;
    }
    annotation.x1 = static_cast<float>(x1 - offset_);
    annotation.y1 = static_cast<float>(y1 - offset_);
    annotation.x2 = static_cast<float>(x2 - offset_);
    annotation.y2 = static_cast<float>(y2 - offset_);
    annotation.area = (x2 - x1) * (y2 - y1);
    return true;
  }

  void addObjects() {
    if (classes_.empty()) {
      std::set<std::string> found;
      for (const RawObject& raw : raw_) found.insert(raw.className);
      found.erase("");
      classes_.assign(found.begin(), found.end());
    }
    std::unordered_map<std::string, int32_t> labels;
    for (size_t c = 0; c < classes_.size(); ++c) labels.emplace(classes_[c], static_cast<int32_t>(c));
    builder_.setClasses(classes_);
    int64_t id = 0;
    for (RawObject& raw : raw_) {
      raw.annotation.id = ++id;
      const auto label = labels.find(raw.className);
      if (label == labels.end()) {
        const std::string nearest = nearestName(raw.className, classes_);
        builder_.report("unknown-class", raw.where,
                        concat("class '", raw.className, "' is not in the list of classes",
                               nearest.empty() ? "" : concat(" (nearest: '", nearest, "')"), ": dropped"));
        continue;
      }
      raw.annotation.label = label->second;
      builder_.addAnnotation(raw.image, raw.annotation, raw.where);
    }
  }

  std::string annotations_, list_;
  std::vector<std::string> classes_;
  double offset_;
  TrainingFilter filter_;
  PictureFolder pictures_;
  DatasetBuilder builder_;
  Problems problems_;
  std::vector<RawObject> raw_;
};

HD_REGISTER_FORMAT(voc, [](const Value& spec) { return VocReader(spec).read(); });

}  // namespace
}  // namespace hd::data
