// COCO JSON: spec { images: folder, annotations: file, classes?: names to use and their order, keepEmpty,
// minSide }. Classes default to all categories by rising id. Members come in any order. A sound file is cut
// into pieces that simdjson's On-Demand parser reads on all cores, so that memory holds a few of them and not
// the tape of the whole; a file that is not goes through the parser in one piece, which knows the byte where
// it breaks.
//
// Broken structure (syntax, types, duplicate image or category ids) throws; an annotation with bad content
// becomes a finding and is dropped. Semantics: crowd and `ignore` stay as regions to ignore; `area` defaults
// to the box's; run lengths that do not fill the picture, and polygons with fewer than three points, are
// dropped without their annotation.
#include <algorithm>
#include <exception>
#include <filesystem>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "data/dataset_builder.h"
#include "data/formats/coco_annotations.h"
#include "data/formats/coco_reader.h"
#include "data/formats/format.h"
#include "data/formats/json_file.h"
#include "data/formats/listing.h"
#include "data/formats/shapes.h"
#include "data/parallel.h"

namespace hd::data {
namespace {

namespace json = simdjson::ondemand;

constexpr int64_t maxSide = 1 << 20;

class CocoReader {
 public:
  CocoReader(const Value& spec, CocoExtension* extension)
      : extension_(extension),
        path_(spec.at("annotations").asString()),
        file_(path_),
        folder_(spec.at("images").asString()),
        wanted_(classesOf(spec)),
        filter_(TrainingFilter::from(spec)),
        builder_(folder_) {}

  std::shared_ptr<const Dataset> readWhole() {
    file_.parse([this](json::document& document) { readRoot(document); });
    return finish();
  }

  /// Null for a file that does not come in pieces. Throws simdjson_error for one that breaks within a piece.
  std::shared_ptr<const Dataset> readPieces() {
    const std::vector<JsonPiece> pieces = file_.pieces();
    // Without a list of annotations the whole document tells whether they are missing or something else.
    const auto annotated = [](const JsonPiece& piece) { return piece.list == "annotations"; };
    if (std::none_of(pieces.begin(), pieces.end(), annotated)) return nullptr;
    bool images = false, categories = false, annotations = false;
    for (size_t i = 0; i < pieces.size();) {
      const std::string_view list = pieces[i].list;
      if (list == "annotations") {
        annotations = true;
        const size_t first = i;
        while (i < pieces.size() && i < first + piecesAtOnce && pieces[i].list == list) ++i;
        readAnnotations({pieces.data() + first, i - first}, pieces);
        continue;
      }
      if (list == "images") {
        images = true;
        file_.parsePiece(pieces[i], [this](json::object object, int64_t index) { readImage(object, index); });
      } else if (list == "categories") {
        categories = true;
        file_.parsePiece(pieces[i],
                         [this](json::object object, int64_t index) { readCategory(object, index); });
      }
      ++i;
    }
    checkLists(images, categories, annotations);
    return finish();
  }

 private:
  static constexpr size_t piecesAtOnce = 16;

  std::shared_ptr<const Dataset> finish() {
    chooseClasses();
    builder_.probeFiles(false);
    addAnnotations();
    if (extension_ != nullptr) builder_.setFederation(extension_->federation(label_));
    return builder_.build(filter_);
  }

  // --- the document ---

  /// The order of the file is kept, and of several faults the first is told.
  void readAnnotations(std::span<const JsonPiece> wave, const std::vector<JsonPiece>& all) {
    std::vector<CocoRun> runs(wave.size());
    std::vector<std::exception_ptr> faults(wave.size());
    parallelFor(static_cast<int64_t>(wave.size()), 0, [&](int64_t i) {
      const auto piece = static_cast<size_t>(i);
      try {
        CocoAnnotationReader reader(file_, runs[piece]);
        file_.parsePiece(wave[piece],
                         [&](json::object object, int64_t index) { reader.read(object, index); });
      } catch (...) {
        faults[piece] = std::current_exception();
      }
    });
    for (size_t piece = 0; piece < wave.size(); ++piece) {
      if (faults[piece]) std::rethrow_exception(faults[piece]);
      take(std::move(runs[piece]));
    }
    if (wave.front().first == 0) reserveFor(wave, all);
  }

  /// What the first pieces held tells how much the others will: growing by doubling would copy hundreds of
  /// megabytes.
  void reserveFor(std::span<const JsonPiece> wave, const std::vector<JsonPiece>& all) {
    double seen = 0, total = 0;
    for (const JsonPiece& piece : wave) seen += static_cast<double>(piece.text.size());
    for (const JsonPiece& piece : all)
      total += piece.list == "annotations" ? static_cast<double>(piece.text.size()) : 0;
    if (seen == 0) return;
    const auto expected = [&](size_t count) {
      return static_cast<size_t>(static_cast<double>(count) * total / seen * 1.05);
    };
    raw_.reserve(expected(raw_.size()));
    AnnotationTable& table = builder_.table();
    table.coordinates.reserve(expected(table.coordinates.size()));
    table.shapes.reserve(expected(table.shapes.size()));
    table.annotations.reserve(expected(raw_.size()));
  }

  void take(CocoRun run) {
    for (CocoAnnotation& raw : run.annotations) {
      builder_.table().takeShapes(run.shapes, raw.annotation);
      raw_.push_back(raw);
    }
    for (const Finding& finding : run.findings) builder_.report(finding.code, finding.where, finding.message);
  }

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
        images = readList(field.value(), "images",
                          [this](json::object object, int64_t index) { readImage(object, index); });
      } else if (key == "categories") {
        categories = readList(field.value(), "categories",
                              [this](json::object object, int64_t index) { readCategory(object, index); });
      } else if (key == "annotations") {
        CocoRun run;
        CocoAnnotationReader reader(file_, run);
        annotations = readList(field.value(), "annotations",
                               [&](json::object object, int64_t index) { reader.read(object, index); });
        take(std::move(run));
      }
    }
    checkLists(images, categories, annotations);
  }

  void checkLists(bool images, bool categories, bool annotations) {
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

  template <class Read>
  bool readList(json::value value, const char* name, const Read& readElement) {
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
      readElement(element, index++);
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
      } else if (extension_ != nullptr) {
        extension_->readCategoryMember(file_, key, field.value(), index);
      }
    }
    if (!hasId || !hasName)
      file_.fail("id and name", Place{"categories", index}.text(), "only one of them", "add the missing one");
    if (!categoryName_.emplace(id, name).second) {
      file_.fail("different ids", Place{"categories", index, "id"}.text(), concat(id, " a second time"),
                 "renumber the categories");
    }
    if (extension_ != nullptr) extension_->endCategory(id);
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
      } else if (extension_ != nullptr) {
        extension_->readImageMember(file_, key, field.value(), index);
      }
    }
    if (extension_ != nullptr) {
      const std::string other = extension_->endImage();
      if (name.empty()) name = other;
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
    const bool repeated = hasRepeatedIds();
    std::unordered_set<int64_t> ids;
    for (CocoAnnotation& raw : raw_) {
      Annotation& a = raw.annotation;
      if (!categoryName_.contains(raw.categoryId)) {
        builder_.report("unknown-class", raw.name(),
                        concat("no category has id ", raw.categoryId, ": dropped"));
        continue;
      }
      const auto label = label_.find(raw.categoryId);
      if (label == label_.end()) continue;  // a class that the recipe leaves out
      const auto image = imageIndex_.find(raw.imageId);
      if (image == imageIndex_.end()) {
        builder_.report("dangling-image", raw.name(), concat("no image has id ", raw.imageId, ": dropped"));
        continue;
      }
      if (repeated && !ids.insert(a.id).second) {
        builder_.report("duplicate-id", raw.name(), "another annotation has this id: both are kept");
      }
      a.label = label->second;
      ShapeReader::requireSize(
          builder_, image->second, [&raw] { return raw.name(); }, a, raw.mask);
      builder_.addAnnotation(image->second, a, [&raw] { return raw.name(); });
    }
    raw_ = {};
  }

  bool hasRepeatedIds() const {
    std::vector<int64_t> ids(raw_.size());
    std::ranges::transform(raw_, ids.begin(), [](const CocoAnnotation& raw) { return raw.annotation.id; });
    std::ranges::sort(ids);
    return std::ranges::adjacent_find(ids) != ids.end();
  }

  CocoExtension* extension_;
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
  std::vector<CocoAnnotation> raw_;
};

HD_REGISTER_FORMAT(coco, [](const Value& spec) { return readCoco(spec); });

}  // namespace

std::shared_ptr<const Dataset> readCoco(
    const Value& spec, const std::function<std::unique_ptr<CocoExtension>()>& makeExtension) {
  const auto reader = [&](const auto& read) {
    const std::unique_ptr<CocoExtension> extension = makeExtension ? makeExtension() : nullptr;
    CocoReader coco(spec, extension.get());
    return read(coco);
  };
  try {
    if (auto dataset = reader([](CocoReader& coco) { return coco.readPieces(); })) return dataset;
  } catch (const simdjson::simdjson_error&) {  // told below, with its byte
  }
  return reader([](CocoReader& coco) { return coco.readWhole(); });
}

}  // namespace hd::data
