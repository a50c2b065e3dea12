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
#include <filesystem>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/nearest.h"
#include "data/dataset_builder.h"
#include "data/formats/coco_annotations.h"
#include "data/formats/coco_reader.h"
#include "data/formats/format.h"
#include "data/formats/json_file.h"
#include "data/formats/listing.h"
#include "data/formats/shapes.h"
#include "data/huge_pages.h"
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

  void readWhole() {
    file_.parse([this](json::document& document) { readRoot(document); });
  }

  /// False for a file that does not come in pieces, or has a fault: readWhole() of another reader has the
  /// words for it, of several the first of the file, with its byte.
  bool readPieces() {
    try {
      takePieces();
    } catch (const simdjson::simdjson_error&) {
      return false;
    } catch (const Error&) {
      return false;
    }
    return file_.sound() && seen_.annotations;
  }

  std::shared_ptr<const Dataset> finish() {
    checkLists();
    chooseClasses();
    builder_.probeFiles(false);
    addAnnotations();
    if (extension_ != nullptr) builder_.setFederation(extension_->federation(label_));
    return builder_.build(filter_);
  }

 private:
  static constexpr size_t piecesAtOnce = 8;

  // --- the document ---

  /// Three things go on side by side: the next pieces are cut, the present ones are parsed, and what was
  /// parsed before is put into the index, in the order of the file.
  void takePieces() {
    std::vector<Parsed> parsed, done;
    std::vector<JsonPiece> next = file_.nextPieces(piecesAtOnce);
    while (!next.empty() || !parsed.empty()) {
      done = std::move(parsed);
      parsed = std::vector<Parsed>(next.size());
      for (size_t i = 0; i < next.size(); ++i) parsed[i].piece = next[i];
      next.clear();
      parallelFor(std::ssize(parsed) + 2, 0, [&](int64_t i) {
        if (i == 0) {
          next = file_.nextPieces(piecesAtOnce);
        } else if (i == 1) {
          for (Parsed& before : done) take(before);
        } else {
          parse(parsed[static_cast<size_t>(i - 2)]);
        }
      });
    }
  }

  /// A piece, and what it held when it is one of annotations; images and categories are few, and read when
  /// their turn comes.
  struct Parsed {
    JsonPiece piece{};
    CocoRun run;
  };

  void parse(Parsed& parsed) const {
    if (parsed.piece.list != "annotations") return;
    CocoAnnotationReader reader(file_, parsed.run);
    file_.parsePiece(parsed.piece, [&](json::object object, int64_t index) { reader.read(object, index); });
  }

  void take(Parsed& parsed) {
    const std::string_view list = parsed.piece.list;
    if (list == "annotations") {
      seen_.annotations = true;
      if (!raw_.empty()) reserveOnce();
      bytesTaken_ += parsed.piece.text.size();
      take(std::move(parsed.run));
    } else if (list == "images") {
      seen_.images = true;
      file_.parsePiece(parsed.piece,
                       [this](json::object object, int64_t index) { readImage(object, index); });
    } else if (list == "categories") {
      seen_.categories = true;
      file_.parsePiece(parsed.piece,
                       [this](json::object object, int64_t index) { readCategory(object, index); });
    } else {
      file_.drop(parsed.piece);
    }
  }

  /// What the first piece held tells how much the others will: growing by doubling would copy hundreds of
  /// megabytes. A file that is smaller in the end has only addresses too many.
  void reserveOnce() {
    if (std::exchange(reserved_, true)) return;
    const double ratio =
        1.05 * static_cast<double>(file_.bytes()) / static_cast<double>(std::max<size_t>(1, bytesTaken_));
    const auto reserve = [ratio](auto& list, size_t count) {
      list.reserve(static_cast<size_t>(static_cast<double>(count) * ratio));
      adviseHugePages(list.data(), list.capacity() * sizeof(list[0]));
    };
    AnnotationTable& table = builder_.table();
    reserve(table.coordinates, table.coordinates.size());
    reserve(table.shapes, table.shapes.size());
    reserve(table.annotations, raw_.size());
    reserve(raw_, raw_.size());
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
    for (auto field : root) {
      const std::string_view key = field.unescaped_key();
      if (key == "images") {
        seen_.images = readList(field.value(), "images",
                                [this](json::object object, int64_t index) { readImage(object, index); });
      } else if (key == "categories") {
        seen_.categories = readList(field.value(), "categories", [this](json::object object, int64_t index) {
          readCategory(object, index);
        });
      } else if (key == "annotations") {
        CocoRun run;
        CocoAnnotationReader reader(file_, run);
        seen_.annotations = readList(field.value(), "annotations",
                                     [&](json::object object, int64_t index) { reader.read(object, index); });
        take(std::move(run));
      }
    }
  }

  void checkLists() {
    if (!seen_.images || builder_.images() == 0) {
      file_.fail("a list of images", "images", seen_.images ? "an empty list" : "nothing",
                 "name a file that describes pictures");
    }
    if (!seen_.categories || names_.empty()) {
      file_.fail("a list of categories", "categories", seen_.categories ? "an empty list" : "nothing",
                 "add the categories");
    }
    if (!seen_.annotations)
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
  struct Lists {
    bool images = false, categories = false, annotations = false;
  } seen_;
  size_t bytesTaken_ = 0;  // of annotations
  bool reserved_ = false;
};

HD_REGISTER_FORMAT(coco, [](const Value& spec) { return readCoco(spec); });

}  // namespace

std::shared_ptr<const Dataset> readCoco(
    const Value& spec, const std::function<std::unique_ptr<CocoExtension>()>& makeExtension) {
  const auto extension = [&] { return makeExtension ? makeExtension() : nullptr; };
  {
    const auto more = extension();
    CocoReader coco(spec, more.get());
    if (coco.readPieces()) return coco.finish();
  }
  const auto more = extension();
  CocoReader coco(spec, more.get());
  coco.readWhole();
  return coco.finish();
}

}  // namespace hd::data
