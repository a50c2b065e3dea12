#include "data/formats/detect.h"

#include <simdjson.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "data/dataset.h"
#include "data/formats/braces.h"
#include "data/formats/coco_reader.h"
#include "data/formats/layout.h"
#include "data/formats/listing.h"
#include "data/report.h"
#include "data/shard_files.h"
#include "data/tar.h"
#include "data/text_file.h"

namespace fs = std::filesystem;

namespace hd::data {
namespace {

constexpr int64_t maxAnnotationBytes = 0xFFFFFFFFll - 4096;

struct Detected {
  std::string format;
  std::map<Split, Value> specs;
  std::vector<std::string> warnings;
};

// --- COCO and LVIS ---

/// What the first picture of an annotation file tells.
struct CocoProbe {
  std::string name;  // where the picture lies, below the folder of pictures
  bool lvis = false;
};

/// Nothing when the file holds no COCO images.
std::optional<CocoProbe> probeCoco(const fs::path& file) {
  const std::string text = readTextFile(file.string(), maxAnnotationBytes, simdjson::SIMDJSON_PADDING);
  simdjson::ondemand::parser parser;
  try {
    auto document = parser.iterate(text.data(), text.size(), text.capacity());
    for (simdjson::ondemand::object image : document["images"].get_array()) {
      CocoProbe probe;
      std::string url;
      for (auto field : image) {
        const std::string_view key = field.unescaped_key();
        if (key == "file_name") {
          probe.name = std::string_view(field.value());
        } else if (key == "coco_url") {
          url = std::string_view(field.value());
        } else if (key == "neg_category_ids" || key == "not_exhaustive_category_ids") {
          probe.lvis = true;
        }
      }
      if (probe.name.empty() && probe.lvis) probe.name = lvisFileName(url);
      return probe.name.empty() ? std::nullopt : std::optional(probe);
    }
  } catch (const simdjson::simdjson_error&) {
    return std::nullopt;  // broken files are reported by the reader, once it is known that nothing else fits
  }
  return std::nullopt;
}

/// Boxes before keypoints before anything else; 0: not for detection.
int cocoRank(const std::string& name) {
  for (const char* other : {"captions", "panoptic", "stuff", "image_info"}) {
    if (name.find(other) != std::string::npos) return 0;
  }
  if (name.starts_with("instances") || name.find("_annotations.coco") != std::string::npos) return 3;
  return name.starts_with("person_keypoints") ? 2 : 1;
}

/// COCO before LVIS, whose files may lie beside those of COCO.
std::optional<Detected> detectCoco(const Layout& layout) {
  struct Choice {
    int rank = 0;
    fs::path file;
    std::string name;
  };
  std::map<Split, Choice> best[2];  // COCO, LVIS
  for (const fs::path& file : layout.filesWith(".json")) {
    const int rank = cocoRank(file.filename().string());
    const Split split = layout.splitOf(file).value_or(Split::train);
    if (rank <= best[0][split].rank && rank <= best[1][split].rank) continue;
    const auto probe = probeCoco(file);
    if (!probe) continue;
    Choice& chosen = best[probe->lvis][split];
    if (rank > chosen.rank) chosen = {rank, file, probe->name};
  }
  for (const bool lvis : {false, true}) {
    Detected detected{lvis ? "lvis" : "coco", {}, {}};
    for (const auto& [split, choice] : best[lvis]) {
      const auto& [rank, file, name] = choice;
      if (rank == 0) continue;
      const auto images =
          layout.folderHolding(split, [&](const fs::path& folder) { return isFile(folder / name); });
      if (!images)
        detected.warnings.push_back(
            concat("no folder holds ", name, " of ", file.string(), ": set images by hand"));
      Value spec;
      spec.set("images", images.value_or(layout.root()).string());
      spec.set("annotations", file.string());
      detected.specs[split] = spec;
    }
    if (!detected.specs.empty()) return detected;
  }
  return std::nullopt;
}

// --- VOC ---

bool holdsPicture(const fs::path& folder, const std::string& stem) {
  return std::ranges::any_of(kPictureExtensions, [&](std::string_view extension) {
    std::string upper(extension);
    std::ranges::transform(upper, upper.begin(), [](unsigned char symbol) { return std::toupper(symbol); });
    return isFile(folder / (stem + std::string(extension))) || isFile(folder / (stem + upper));
  });
}

std::optional<Detected> detectVoc(const Layout& layout) {
  Detected detected{"voc", {}, {}};
  std::set<fs::path> folders;
  for (const fs::path& file : layout.filesWith(".xml")) folders.insert(file.parent_path());
  for (const fs::path& annotations : folders) {
    const std::string stem = withoutExtension(filesWithExtension(annotations.string(), ".xml").front());
    const std::optional<Split> own = layout.splitOf(annotations / "x.xml");
    const auto images = layout.folderHolding(
        own.value_or(Split::train), [&](const fs::path& folder) { return holdsPicture(folder, stem); });
    if (!images) continue;  // XML about something else
    Value spec;
    spec.set("images", images->string());
    spec.set("annotations", annotations.string());
    if (own) {
      detected.specs[*own] = spec;
      continue;
    }
    for (const Split split : {Split::train, Split::val, Split::test}) {
      const auto list = layout.list(split);
      if (list) detected.specs[split] = Value(spec).set("list", list->string());
    }
    if (!detected.specs.contains(Split::train)) detected.specs[Split::train] = spec;
  }
  return detected.specs.empty() ? std::nullopt : std::optional(detected);
}

/// VOC counts from 1; a coordinate of 0 shows a tool that counts from 0.
bool countsFromZero(Value spec) {
  const auto dataset = Dataset::open(spec.set("offset", 0));
  const auto& all = dataset->table().annotations;
  return std::any_of(all.begin(), all.end(), [](const Annotation& a) { return a.x1 < 0.5f || a.y1 < 0.5f; });
}

// --- YOLO ---

/// Names that a file beside the data lists.
std::vector<std::string> listedClasses(const Layout& layout) {
  for (const char* name : {"classes.txt", "obj.names", "labels/classes.txt", "data/obj.names"}) {
    if (isFile(layout.root() / name)) return readList((layout.root() / name).string());
  }
  for (const char* name : {"data.yaml", "data.yml", "dataset.yaml"}) {
    if (isFile(layout.root() / name))
      return yamlNames(readTextFile((layout.root() / name).string(), 1 << 20));
  }
  return {};
}

std::optional<Detected> detectYolo(const Layout& layout) {
  Detected detected{"yolo", {}, {}};
  const auto add = [&](Split split, const fs::path& images, const fs::path& labels) {
    if (!fs::is_directory(images) || !fs::is_directory(labels)) return false;
    Value spec;
    spec.set("images", images.string()).set("labels", labels.string());
    detected.specs[split] = spec;
    return true;
  };
  const fs::path images = layout.root() / "images", labels = layout.root() / "labels";
  for (const Split split : {Split::train, Split::val, Split::test}) {
    for (const std::string& name : splitNames(split)) {
      if (add(split, images / name, labels / name) ||
          add(split, layout.root() / name / "images", layout.root() / name / "labels")) {
        break;
      }
    }
  }
  if (detected.specs.empty() && add(Split::train, images, labels)) {
    const Value spec = detected.specs[Split::train];
    for (const Split split : {Split::train, Split::val, Split::test}) {
      const auto list = layout.list(split);
      if (list) detected.specs[split] = Value(spec).set("list", list->string());
    }
  }
  if (detected.specs.empty()) return std::nullopt;
  const std::vector<std::string> classes = listedClasses(layout);
  if (classes.empty()) {
    throw Error("HD_DATA_DETECT",
                concat("expected classes.txt or names in data.yaml for ", layout.root().string(),
                       " but received neither: write one class name a line into classes.txt"),
                layout.root().string());
  }
  Value names;
  for (const std::string& name : classes) names.push(name);
  for (auto& [split, spec] : detected.specs) spec.set("classes", names);
  return detected;
}

// --- the answer ---

// --- tar shards ---

/// A picture among the first entries; a backup of something else has none there.
bool beginsWithPictures(const std::string& path) {
  ShardFiles files;
  files.add(path);
  const TarIndex index = readTarIndex(
      [&](uint64_t offset, uint8_t* out, size_t count) { return files.readAt(0, offset, out, count); },
      files.bytes(0), {.maxHeaders = 100});
  return std::ranges::any_of(index.files, [](const TarEntry& entry) { return isPictureName(entry.name); });
}

std::optional<Detected> detectWebDataset(const Layout& layout) {
  std::set<fs::path> folders;
  for (const fs::path& file : layout.filesWith(".tar")) folders.insert(file.parent_path());
  std::map<Split, std::vector<std::string>> shards;
  for (const fs::path& folder : folders) {
    for (const std::string& name : filesWithExtension(folder.string(), ".tar")) {
      if (!isFile(folder / name)) continue;
      shards[layout.splitOf(folder / name).value_or(Split::train)].push_back((folder / name).string());
    }
  }
  const std::vector<std::string> classes = listedClasses(layout);
  Detected detected{"webdataset", {}, {}};
  for (const auto& [split, paths] : shards) {
    if (!beginsWithPictures(paths.front())) continue;
    const std::vector<std::string> folded = foldBraces(paths);
    Value names(Value::Array{}), list(Value::Array{});
    for (const std::string& path : folded) list.push(path);
    for (const std::string& name : classes) names.push(name);
    Value spec;
    spec.set("shards", folded.size() == 1 ? Value(folded.front()) : list);
    if (!classes.empty()) spec.set("classes", names);
    detected.specs[split] = spec;
  }
  return detected.specs.empty() ? std::nullopt : std::optional(detected);
}

Value describe(Detected& detected) {
  auto& specs = detected.specs;
  if (!specs.contains(Split::val) && specs.contains(Split::test)) specs[Split::val] = specs[Split::test];
  if (!specs.contains(Split::train)) {
    specs[Split::train] = specs.contains(Split::val) ? specs[Split::val] : specs.begin()->second;
    detected.warnings.emplace_back("no split is called train: the one found serves as train");
  }
  if (!specs.contains(Split::val)) {
    detected.warnings.emplace_back("no split is called val or test: without one, training is not evaluated");
  }
  specs.erase(Split::test);
  for (auto& [split, spec] : specs) {
    spec.set("format", detected.format);
    if (detected.format == "voc" && countsFromZero(spec)) {
      spec.set("offset", 0);
      detected.warnings.push_back(
          concat(spec.at("annotations").asString(), " holds the coordinate 0: set to count from 0"));
    }
  }

  std::map<Split, std::shared_ptr<const Dataset>> datasets;
  for (const auto& [split, spec] : specs) datasets[split] = Dataset::open(spec);
  std::vector<std::string> classes = datasets[Split::train]->classes();
  if (detected.format == "voc" ||
      detected.format == "webdataset") {  // found by reading: a split may lack some
    std::set<std::string> all;
    for (const auto& [split, dataset] : datasets)
      all.insert(dataset->classes().begin(), dataset->classes().end());
    classes.assign(all.begin(), all.end());
  } else if (datasets.contains(Split::val) && datasets[Split::val]->classes() != classes) {
    detected.warnings.emplace_back("train and val have different classes: those of train are used");
  }
  Value names, images;
  for (const std::string& name : classes) names.push(name);
  for (const auto& [split, dataset] : datasets) {
    images.set(splitNames(split).front(), dataset->size());
    for (const auto& [code, count] : dataset->findingCounts()) {
      detected.warnings.push_back(concat(splitNames(split).front(), ": ", count, " × ", code));
    }
  }
  Value answer, warnings(Value::Array{});
  for (const std::string& warning : detected.warnings) warnings.push(warning);
  const auto spec = [&](Split split) {
    Value out;
    if (!specs.contains(split)) return out;
    for (const auto& [key, value] : specs[split].asObject()) {
      if (key != "format") out.set(key, value);
    }
    // All files of LVIS have the same categories, more than one wants to read in a recipe.
    return detected.format == "lvis" ? out : out.set("classes", names);
  };
  answer.set("format", detected.format).set("train", spec(Split::train)).set("val", spec(Split::val));
  answer.set("classes", names).set("images", images).set("sizes", imageSizes(*datasets[Split::train]));
  return answer.set("warnings", warnings);
}

}  // namespace

Value detectDataset(const std::string& folder) {
  const Layout layout(folder);
  for (const auto detect : {detectCoco, detectVoc, detectYolo, detectWebDataset}) {
    if (auto detected = detect(layout)) return describe(*detected);
  }
  throw Error(
      "HD_DATA_DETECT",
      concat("expected COCO or LVIS JSON, VOC XML, YOLO labels or tar shards for ", folder,
             " but received none of them: name the folder that holds images/ and annotations/ or labels/"),
      folder);
}

std::vector<std::string> yamlNames(const std::string& text) {
  const auto clean = [](std::string_view name) {
    name = trim(name);
    if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front()) {
      name = name.substr(1, name.size() - 2);
    }
    return std::string(name);
  };
  std::vector<std::string> names;
  const auto lines = splitLines(text);
  const auto start = std::find_if(lines.begin(), lines.end(),
                                  [](std::string_view line) { return line.starts_with("names:"); });
  if (start == lines.end()) return names;
  std::string flow(trim(start->substr(6)));
  if (flow.starts_with('[')) {
    for (auto line = start + 1; line != lines.end() && flow.find(']') == std::string::npos; ++line)
      flow += *line;
    std::string_view rest(flow);
    rest = rest.substr(1, rest.find(']') - 1);
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      if (const std::string name = clean(rest.substr(0, comma)); !name.empty()) names.push_back(name);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return names;
  }
  for (auto line = start + 1; line != lines.end(); ++line) {
    const std::string_view entry = trim(*line);
    if (entry.empty() || entry.front() == '#') continue;
    if (entry.front() == '-') {
      names.push_back(clean(entry.substr(1)));
      continue;
    }
    const size_t colon = entry.find(':');
    const bool numbered = colon != std::string_view::npos && colon > 0 &&
                          entry.substr(0, colon).find_first_not_of("0123456789") == std::string_view::npos;
    if (!numbered) break;  // the next key
    names.push_back(clean(entry.substr(colon + 1)));
  }
  return names;
}

}  // namespace hd::data
