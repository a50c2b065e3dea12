// WebDataset: tar shards of samples. Spec { shards: paths or patterns with braces, one or a list; classes?:
// names in label order, or the path of a file that lists them; categoryIds?: the numbers that stand for them
// in the samples (0, 1, 2, …); keepEmpty, minSide }.
//
// The files of a shard whose paths are equal up to the first dot of the last part are a sample: a picture
// (any of kPictureExtensions), and <key>.json with its annotations (sample_json.h); others are left alone.
// A picture without JSON has no objects. Samples that cannot be used, and shards that are cut off, become
// findings; what is whole is used. Shards that are missing or no tar files throw HD_DATA_SHARD.
#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <unordered_map>

#include "core/error.h"
#include "core/nearest.h"
#include "data/dataset_builder.h"
#include "data/formats/braces.h"
#include "data/formats/format.h"
#include "data/formats/listing.h"
#include "data/formats/sample_json.h"
#include "data/shard_dataset.h"
#include "data/tar.h"

namespace fs = std::filesystem;

namespace hd::data {
namespace {

constexpr uint64_t maxJsonBytes = 64 << 20;
constexpr size_t none = std::string::npos;

std::vector<std::string> shardsOf(const Value& spec) {
  const Value& shards = spec.at("shards");
  std::vector<std::string> paths;
  for (const std::string& pattern :
       shards.isString() ? std::vector{shards.asString()} : spec.strings("shards")) {
    const std::vector<std::string> names = expandBraces(pattern);
    paths.insert(paths.end(), names.begin(), names.end());
  }
  if (paths.empty())
    throw Error("HD_DATA_SHARD", "expected at least one tar file for shards but received none: name them");
  return paths;
}

/// The folder that all paths lie in: no part of the digest.
std::string commonFolder(const std::vector<std::string>& paths) {
  fs::path common = fs::path(paths.front()).parent_path();
  for (const std::string& path : paths) {
    const fs::path folder = fs::path(path).parent_path();
    const auto parted = std::mismatch(common.begin(), common.end(), folder.begin(), folder.end()).first;
    fs::path shorter;
    for (auto part = common.begin(); part != parted; ++part) shorter /= *part;
    common = shorter;
  }
  return common.string();
}

/// Key and extension (lower case, with its dot) of a member; nothing for a name that no sample has.
struct MemberName {
  std::string_view key;
  std::string extension;
};

std::optional<MemberName> memberName(std::string_view name) {
  const size_t slash = name.rfind('/');
  const size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  const size_t dot = name.find('.', base);
  if (dot == std::string_view::npos || dot == base) return std::nullopt;
  std::string extension(name.substr(dot));
  for (char& symbol : extension)
    symbol = symbol >= 'A' && symbol <= 'Z' ? static_cast<char>(symbol + 32) : symbol;
  return MemberName{name.substr(0, dot), extension};
}

struct Group {
  std::string_view key;
  size_t picture = none, json = none;  // into the files of the shard
};

struct RawObject {
  int64_t image;
  Annotation annotation;
  int32_t name;  // into names_, or −1
  int64_t number;
  MaskSize mask;
  int64_t index;  // in its sample
};

class WebDatasetReader {
 public:
  explicit WebDatasetReader(const Value& spec)
      : paths_(shardsOf(spec)),
        classes_(classesOf(spec)),
        filter_(TrainingFilter::from(spec)),
        dataset_(std::make_shared<ShardDataset>()),
        builder_(commonFolder(paths_), dataset_) {
    const Value* also = spec.find("also");
    require(also == nullptr || !also->isArray() || also->asArray().empty(),
            "expected further shards in 'shards'");
    for (const double id : spec.numbers("categoryIds")) categoryIds_.push_back(static_cast<int64_t>(id));
  }

  std::shared_ptr<const Dataset> read() {
    for (const std::string& path : paths_) readShard(path);
    if (builder_.images() == 0) failEmpty();
    chooseClasses();
    builder_.probePictures(false, [this](int64_t image) { return dataset_->probe(image); });
    addAnnotations();
    return builder_.build(filter_);
  }

 private:
  // --- a shard ---

  void readShard(const std::string& path) {
    const size_t shard = dataset_->shards().add(path);
    const TarIndex index =
        readTarIndex([&](uint64_t offset, uint8_t* out,
                         size_t count) { return dataset_->shards().readAt(shard, offset, out, count); },
                     dataset_->shards().bytes(shard));
    reportEnd(path, index);
    for (const Group& group : groupsOf(path, index)) readSample(shard, path, index, group);
  }

  void reportEnd(const std::string& path, const TarIndex& index) {
    if (index.end == TarIndex::End::damaged && index.endOffset == 0) {
      throw Error(
          "HD_DATA_SHARD",
          concat("expected a tar file for ", path,
                 " but received something that does not begin like one: unpack it if it is compressed "
                 "(gunzip), or take it out of the list"),
          path);
    }
    if (index.end == TarIndex::End::cut) {
      report("shard-cut", path,
             concat("the file ends at byte ", index.endOffset, " within the archive: the ",
                    index.files.size(), " files before it are used; copy it again"));
    } else if (index.end == TarIndex::End::damaged) {
      report("shard-damaged", path,
             concat("no header at byte ", index.endOffset, ": the ", index.files.size(),
                    " files before it are used; copy it again"));
    } else if (index.end == TarIndex::End::limit) {
      report("shard-too-long", path,
             concat("more than ", TarLimits{}.maxHeaders, " entries: cut it into several"));
    }
    for (const auto& [kind, count] : index.skipped)
      report("skipped-entries", path, concat(count, " ", kind, ": skipped"));
  }

  std::vector<Group> groupsOf(const std::string& path, const TarIndex& index) {
    std::vector<Group> groups;
    std::unordered_map<std::string_view, size_t> byKey;
    for (size_t i = 0; i < index.files.size(); ++i) {
      const std::string_view name = shown(index.files[i].name);
      const auto member = memberName(name);
      if (!member) continue;
      const auto [found, isNew] = byKey.emplace(member->key, groups.size());
      if (isNew) groups.push_back({member->key});
      Group& group = groups[found->second];
      const bool picture =
          std::ranges::find(kPictureExtensions, member->extension) != kPictureExtensions.end();
      if (!picture && member->extension != ".json") continue;
      size_t& place = picture ? group.picture : group.json;
      if (place == none) {
        place = i;
      } else {
        report(
            "duplicate-key", memberPath(path, name),
            concat("the sample has ", shown(index.files[place].name), " already: the later one is left out"));
      }
    }
    return groups;
  }

  void readSample(size_t shard, const std::string& path, const TarIndex& index, const Group& group) {
    if (group.picture == none) {
      const bool orphan = group.json != none;
      report(orphan ? "orphan-json" : "no-picture", memberPath(path, group.key),
             concat(orphan ? "a JSON file" : "files", " without a picture of the same key: left out"));
      return;
    }
    const TarEntry& picture = index.files[group.picture];
    const std::string name = memberPath(path, shown(picture.name));
    SampleJson sample;
    if (group.json == none) {
      report("missing-labels", name,
             "no JSON file of the same key: the picture counts as one without objects");
    } else {
      const TarEntry& entry = index.files[group.json];
      const std::string jsonPath = memberPath(path, shown(entry.name));
      try {
        sample = readSampleJson(jsonPath, readText(shard, entry, jsonPath), builder_);
      } catch (const Error& failure) {
        if (failure.code() == "HD_DATA_SHARD") throw;  // about the whole file
        report("bad-sample", jsonPath, concat(failure.what(), "; the sample is left out"));
        return;
      }
    }
    const int64_t image = builder_.addImage(builder_.images() + 1, name, sample.width, sample.height);
    dataset_->addPlace({shard, picture.offset, picture.size});
    for (SampleObject& object : sample.objects) {
      const int32_t className = object.className.empty() ? -1 : intern(object.className);
      objects_.push_back({image, object.annotation, className, object.number, object.mask, object.index});
    }
  }

  std::string readText(size_t shard, const TarEntry& entry, const std::string& path) {
    if (entry.size > maxJsonBytes) {
      throw Error("HD_DATA_TOO_LARGE",
                  concat("expected at most ", maxJsonBytes, " bytes for ", path, " but received ", entry.size,
                         ": cut the picture into several"));
    }
    std::string text(static_cast<size_t>(entry.size), '\0');
    text.resize(
        dataset_->shards().readAt(shard, entry.offset, reinterpret_cast<uint8_t*>(text.data()), text.size()));
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    return text;
  }

  // --- classes ---

  int32_t intern(const std::string& name) {
    const auto [found, isNew] = nameIndex_.emplace(name, static_cast<int32_t>(names_.size()));
    if (isNew) names_.push_back(name);
    return found->second;
  }

  void chooseClasses() {
    if (classes_.empty()) {
      const auto numbered =
          std::ranges::find_if(objects_, [](const RawObject& object) { return object.name < 0; });
      if (numbered != objects_.end()) {
        throw Error("HD_DATA_CLASSES",
                    concat("expected class names for classes since ", where(*numbered),
                           " has a number as its class: list the names in the order of the numbers"),
                    where(*numbered));
      }
      classes_ = names_;
      std::ranges::sort(classes_);
    }
    if (!categoryIds_.empty() && categoryIds_.size() != classes_.size()) {
      throw Error("HD_DATA_CLASSES",
                  concat("expected ", classes_.size(), " numbers for categoryIds, one a class, but received ",
                         categoryIds_.size(), ": list both in the same order"));
    }
    for (size_t c = 0; c < classes_.size(); ++c) {
      byName_.emplace(classes_[c], static_cast<int32_t>(c));
      const int64_t id = categoryIds_.empty() ? static_cast<int64_t>(c) : categoryIds_[c];
      if (!byNumber_.emplace(id, static_cast<int32_t>(c)).second) {
        throw Error("HD_DATA_CLASSES", concat("expected different numbers for categoryIds but received ", id,
                                              " twice: give each class its own"));
      }
    }
    builder_.setClasses(classes_, categoryIds_);
  }

  std::optional<int32_t> labelOf(const RawObject& object) {
    if (object.name < 0) {
      const auto label = byNumber_.find(object.number);
      if (label != byNumber_.end()) return label->second;
      report("unknown-class", where(object), concat("no class has the number ", object.number, ": dropped"));
      return std::nullopt;
    }
    const std::string& name = names_[static_cast<size_t>(object.name)];
    const auto label = byName_.find(name);
    if (label != byName_.end()) return label->second;
    const std::string nearest = nearestName(name, classes_);
    report("unknown-class", where(object),
           concat("class '", name, "' is not in the list of classes",
                  nearest.empty() ? "" : concat(" (nearest: '", nearest, "')"), ": dropped"));
    return std::nullopt;
  }

  void addAnnotations() {
    int64_t id = 0;
    for (RawObject& object : objects_) {
      object.annotation.id = ++id;
      const std::optional<int32_t> label = labelOf(object);
      if (!label) continue;
      object.annotation.label = *label;
      ShapeReader::requireSize(
          builder_, object.image, [&] { return where(object); }, object.annotation, object.mask);
      builder_.addAnnotation(object.image, object.annotation, where(object));
    }
  }

  // --- names and messages ---

  /// `tar c .` puts "./" before each name.
  static std::string_view shown(std::string_view name) {
    while (name.starts_with("./")) name.remove_prefix(2);
    return name;
  }
  static std::string memberPath(const std::string& shard, std::string_view name) {
    return concat(shard, "/", name);
  }
  std::string where(const RawObject& object) const {
    return concat(dataset_->file(object.image), ", object ", object.index + 1);
  }

  void report(const char* code, const std::string& where, const std::string& message) {
    builder_.report(code, where, message);
  }

  [[noreturn]] void failEmpty() {
    std::string list;
    for (const auto& [code, count] : dataset_->findingCounts())
      list += concat(list.empty() ? " (" : ", ", count, " × ", code);
    throw Error("HD_DATA_EMPTY",
                concat("expected samples, each a picture and a .json file of the same key, for ",
                       paths_.front(), paths_.size() > 1 ? concat(" and ", paths_.size() - 1, " more") : "",
                       " but received none", list, list.empty() ? "" : ")", ": list a shard with 'tar tf'"),
                paths_.front());
  }

  std::vector<std::string> paths_, classes_;
  std::vector<int64_t> categoryIds_;
  TrainingFilter filter_;
  std::shared_ptr<ShardDataset> dataset_;
  DatasetBuilder builder_;
  std::vector<RawObject> objects_;
  std::vector<std::string> names_;  // of classes, as the samples come
  std::unordered_map<std::string, int32_t> nameIndex_;
  std::unordered_map<std::string, int32_t> byName_;
  std::unordered_map<int64_t, int32_t> byNumber_;
};

HD_REGISTER_FORMAT(webdataset, [](const Value& spec) { return WebDatasetReader(spec).read(); });

}  // namespace
}  // namespace hd::data
