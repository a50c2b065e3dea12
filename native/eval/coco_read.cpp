#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "eval/coco.h"
#include "eval/json_fields.h"
#include "eval/mask.h"

namespace hd::eval {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

/// Members of one annotation or result; those not in the file are empty.
struct Fields {
  std::optional<element> id, image, category, box, area, score, crowd, ignore, difficult, segmentation,
      keypoints, labelledKeypoints;
};

Fields fieldsOf(object members) {
  static constexpr std::pair<std::string_view, std::optional<element> Fields::*> kNames[] = {
      {"id", &Fields::id},
      {"image_id", &Fields::image},
      {"category_id", &Fields::category},
      {"bbox", &Fields::box},
      {"area", &Fields::area},
      {"score", &Fields::score},
      {"iscrowd", &Fields::crowd},
      {"ignore", &Fields::ignore},
      {"difficult", &Fields::difficult},
      {"segmentation", &Fields::segmentation},
      {"keypoints", &Fields::keypoints},
      {"num_keypoints", &Fields::labelledKeypoints},
  };
  Fields fields;
  for (const auto& [key, value] : members) {
    if (value.is_null()) continue;
    for (const auto& [name, field] : kNames) {
      if (key == name) fields.*field = value;
    }
  }
  return fields;
}

/// Turns the fields of one file into instances. Every method throws HD_DATA_… naming file and element.
class InstanceReader {
 public:
  InstanceReader(const JsonFile& file, const CocoSet& truth, IouType type)
      : file_(file), truth_(truth), type_(type) {
    for (size_t i = 0; i < truth.images.size(); ++i) images_.emplace(truth.images[i], i);
    categories_.insert(truth.categories.begin(), truth.categories.end());
  }

  Instance truth(element value, const JsonPlace& place) {
    const Fields fields = fieldsOf(file_.object(value, place));
    Instance instance = placed(fields, place);
    const JsonPlace idPlace(&place, "id");
    instance.id = file_.integer(needed(fields.id, idPlace), idPlace);
    if (!annotationIds_.insert(instance.id).second) {
      file_.fail("HD_DATA_ID", "an unused id", idPlace, concat("a duplicate ", instance.id),
                 "number the annotations anew");
    }
    instance.crowd = fields.crowd && file_.flag(*fields.crowd, {&place, "iscrowd"});
    instance.ignore = (fields.ignore && file_.flag(*fields.ignore, {&place, "ignore"})) ||
                      (fields.difficult && file_.flag(*fields.difficult, {&place, "difficult"}));
    if (fields.box || type_ != IouType::segm) instance.box = box(fields, place);
    instance.area = instance.box[2] * instance.box[3];
    if (type_ == IouType::segm) {
      instance.mask = mask(fields, place);
      instance.area = static_cast<double>(maskArea(instance.mask));
    }
    if (fields.area) instance.area = file_.nonNegative(*fields.area, {&place, "area"});
    if (type_ == IouType::keypoints) {
      instance.keypoints = keypoints(fields, place);
      for (size_t i = 2; i < instance.keypoints.size(); i += 3)
        instance.numKeypoints += instance.keypoints[i] > 0;
      if (fields.labelledKeypoints) {
        instance.numKeypoints = file_.count(*fields.labelledKeypoints, {&place, "num_keypoints"});
      }
    }
    return instance;
  }

  /// What the first result holds decides where all of them take their box and area from.
  enum class Source { box, mask, keypoints };

  Source sourceOf(element first, const JsonPlace& place) const {
    const Fields fields = fieldsOf(file_.object(first, place));
    simdjson::dom::array numbers;
    const bool emptyBox = fields.box && fields.box->get(numbers) == simdjson::SUCCESS && numbers.size() == 0;
    if (fields.box && !emptyBox) return Source::box;
    if (fields.segmentation) return Source::mask;
    if (fields.keypoints) return Source::keypoints;
    file_.fail("HD_DATA_FIELD", "bbox, segmentation or keypoints", place, "none of them",
               "write one of them per result");
  }

  Instance result(element value, Source source, const JsonPlace& place) const {
    const Fields fields = fieldsOf(file_.object(value, place));
    Instance instance = placed(fields, place);
    const JsonPlace scorePlace(&place, "score");
    instance.score = file_.number(needed(fields.score, scorePlace), scorePlace);
    if (source == Source::mask || (type_ == IouType::segm && fields.segmentation))
      instance.mask = mask(fields, place);
    if (source == Source::keypoints || type_ == IouType::keypoints)
      instance.keypoints = keypoints(fields, place);
    if (source == Source::box) {
      instance.box = box(fields, place);
      instance.area = instance.box[2] * instance.box[3];
      if (type_ == IouType::segm && !fields.segmentation) {
        const auto [height, width] = sizeOf(instance.image, place);
        instance.mask = located(place, [&] { return maskFromBox(instance.box, height, width); });
      }
    } else if (source == Source::mask) {
      instance.area = static_cast<double>(maskArea(instance.mask));
      instance.box = fields.box ? box(fields, place) : maskBox(instance.mask);
    } else {
      instance.box = extentOf(instance.keypoints);
      instance.area = instance.box[2] * instance.box[3];
    }
    return instance;
  }

  /// Pixels are counted in 32 bits.
  void checkSides(uint32_t height, uint32_t width, const JsonPlace& place) const {
    constexpr uint32_t kLongest = 65535;
    if (height <= kLongest && width <= kLongest) return;
    file_.fail("HD_DATA_FIELD", concat("a height and width of at most ", kLongest), place,
               concat(height, " x ", width));
  }

 private:
  element needed(const std::optional<element>& field, const JsonPlace& place) const {
    if (!field) file_.fail("HD_DATA_FIELD", "a value", place, "nothing", "add it");
    return *field;
  }

  Instance placed(const Fields& fields, const JsonPlace& place) const {
    Instance instance;
    const JsonPlace imagePlace(&place, "image_id"), categoryPlace(&place, "category_id");
    instance.image = file_.integer(needed(fields.image, imagePlace), imagePlace);
    if (!images_.contains(instance.image)) {
      file_.fail("HD_DATA_ID", "the id of an image of the truth", imagePlace, concat(instance.image),
                 "check that both files are of one data set");
    }
    instance.category = file_.integer(needed(fields.category, categoryPlace), categoryPlace);
    if (!categories_.contains(instance.category)) {
      file_.fail("HD_DATA_ID", "the id of a category of the truth", categoryPlace, concat(instance.category),
                 "map the classes to the categories of the truth");
    }
    return instance;
  }

  std::array<double, 4> box(const Fields& fields, const JsonPlace& place) const {
    const JsonPlace boxPlace(&place, "bbox");
    const std::vector<double> numbers = file_.numbers(needed(fields.box, boxPlace), boxPlace);
    if (numbers.size() != 4) {
      file_.fail("HD_DATA_FIELD", "x, y, width, height", boxPlace, concat(numbers.size(), " numbers"));
    }
    if (numbers[2] < 0 || numbers[3] < 0) {
      file_.fail("HD_DATA_FIELD", "a width and height of at least 0", boxPlace,
                 concat(numbers[2], " x ", numbers[3]));
    }
    return {numbers[0], numbers[1], numbers[2], numbers[3]};
  }

  std::vector<double> keypoints(const Fields& fields, const JsonPlace& place) const {
    const JsonPlace keypointsPlace(&place, "keypoints");
    std::vector<double> numbers = file_.numbers(needed(fields.keypoints, keypointsPlace), keypointsPlace);
    if (numbers.empty() || numbers.size() % 3 != 0) {
      file_.fail("HD_DATA_FIELD", "x, y, visibility triples", keypointsPlace,
                 concat(numbers.size(), " numbers"));
    }
    return numbers;
  }

  static std::array<double, 4> extentOf(const std::vector<double>& keypoints) {
    double left = keypoints[0], right = left, top = keypoints[1], bottom = top;
    for (size_t i = 0; i < keypoints.size(); i += 3) {
      left = std::min(left, keypoints[i]);
      right = std::max(right, keypoints[i]);
      top = std::min(top, keypoints[i + 1]);
      bottom = std::max(bottom, keypoints[i + 1]);
    }
    return {left, top, right - left, bottom - top};
  }

  std::array<uint32_t, 2> sizeOf(int64_t image, const JsonPlace& place) const {
    const size_t i = images_.at(image);
    const std::array<uint32_t, 2> size =
        i < truth_.imageSizes.size() ? truth_.imageSizes[i] : std::array<uint32_t, 2>{};
    if (size[0] == 0 || size[1] == 0) {
      file_.fail("HD_DATA_FIELD", concat("a height and width of image ", image), place, "none",
                 "add them to the truth");
    }
    return size;
  }

  /// Runs a conversion and adds the place to its error.
  template <class Convert>
  Mask located(const JsonPlace& place, const Convert& convert) const {
    try {
      return convert();
    } catch (const Error& error) {
      file_.fail("HD_DATA_MASK", "a valid mask", place, concat("an invalid one (", error.what(), ")"));
    }
  }

  Mask mask(const Fields& fields, const JsonPlace& parent) const {
    const JsonPlace place(&parent, "segmentation");
    const element value = needed(fields.segmentation, place);
    const int64_t image = file_.integer(*fields.image, parent);
    if (value.is_array()) {
      std::vector<std::vector<double>> polygons;
      for (const element polygon : file_.array(value, place)) {
        polygons.push_back(file_.numbers(polygon, JsonPlace(&place, polygons.size())));
      }
      const auto [height, width] = sizeOf(image, parent);
      return located(place, [&] { return maskFromPolygons(polygons, height, width); });
    }
    const object members = file_.object(value, place);
    const JsonPlace sizePlace(&place, "size"), countsPlace(&place, "counts");
    element size, counts;
    if (members["size"].get(size) != simdjson::SUCCESS)
      file_.fail("HD_DATA_FIELD", "height, width", sizePlace, "nothing");
    if (members["counts"].get(counts) != simdjson::SUCCESS)
      file_.fail("HD_DATA_FIELD", "counts", countsPlace, "nothing");
    std::vector<uint32_t> sides;
    for (const element side : file_.array(size, sizePlace)) {
      sides.push_back(file_.count(side, JsonPlace(&sizePlace, sides.size())));
    }
    if (sides.size() != 2)
      file_.fail("HD_DATA_FIELD", "height, width", sizePlace, concat(sides.size(), " numbers"));
    checkSides(sides[0], sides[1], sizePlace);
    if (counts.is_string()) {
      const std::string_view text = file_.text(counts, countsPlace);
      return located(countsPlace, [&] { return maskFromCompressed(text, sides[0], sides[1]); });
    }
    std::vector<uint32_t> runs;
    for (const element run : file_.array(counts, countsPlace)) {
      runs.push_back(file_.count(run, JsonPlace(&countsPlace, runs.size())));
    }
    return located(countsPlace, [&] { return maskFromCounts(std::move(runs), sides[0], sides[1]); });
  }

  const JsonFile& file_;
  const CocoSet& truth_;
  IouType type_;
  std::unordered_map<int64_t, size_t> images_;
  std::unordered_set<int64_t> categories_, annotationIds_;
};

/// The array `root[name]`.
simdjson::dom::array section(const JsonFile& file, object root, std::string_view name) {
  const JsonPlace place(nullptr, name);
  element value;
  if (root[name].get(value) != simdjson::SUCCESS)
    file.fail("HD_DATA_FIELD", "an array", place, "nothing", "add it");
  return file.array(value, place);
}

/// The unique ids of a section; `each(object, place)` reads the rest of an entry.
template <class Each>
std::vector<int64_t> readIds(const JsonFile& file, object root, std::string_view name, const Each& each) {
  const JsonPlace place(nullptr, name);
  std::vector<int64_t> ids;
  std::unordered_set<int64_t> seen;
  for (const element value : section(file, root, name)) {
    const JsonPlace entry(&place, ids.size()), idPlace(&entry, "id");
    const object members = file.object(value, entry);
    element id;
    if (members["id"].get(id) != simdjson::SUCCESS)
      file.fail("HD_DATA_FIELD", "an id", idPlace, "nothing", "add it");
    ids.push_back(file.integer(id, idPlace));
    if (!seen.insert(ids.back()).second) {
      file.fail("HD_DATA_ID", "an unused id", idPlace, concat("a duplicate ", ids.back()),
                "remove one of the entries");
    }
    each(members, entry);
  }
  return ids;
}

}  // namespace

CocoSet readCocoTruth(const std::string& path, IouType type) {
  const JsonFile file(path);
  const object root = file.object(file.root(), JsonPlace());
  CocoSet truth;
  truth.images = readIds(file, root, "images", [&](object image, const JsonPlace& place) {
    std::array<uint32_t, 2> size{};
    element side;
    if (image["height"].get(side) == simdjson::SUCCESS && !side.is_null())
      size[0] = file.count(side, {&place, "height"});
    if (image["width"].get(side) == simdjson::SUCCESS && !side.is_null())
      size[1] = file.count(side, {&place, "width"});
    truth.imageSizes.push_back(size);
  });
  truth.categories = readIds(file, root, "categories", [&](object category, const JsonPlace& place) {
    element name;
    const bool named = category["name"].get(name) == simdjson::SUCCESS;
    truth.names.emplace_back(named ? file.text(name, {&place, "name"}) : "");
  });
  for (size_t i = 0; i < truth.names.size(); ++i) {
    if (truth.names[i].empty()) truth.names[i] = concat(truth.categories[i]);
  }
  InstanceReader reader(file, truth, type);
  const JsonPlace images(nullptr, "images");
  for (size_t i = 0; i < truth.imageSizes.size(); ++i) {
    reader.checkSides(truth.imageSizes[i][0], truth.imageSizes[i][1], JsonPlace(&images, i));
  }
  const JsonPlace place(nullptr, "annotations");
  std::vector<Instance> instances;
  for (const element value : section(file, root, "annotations")) {
    instances.push_back(reader.truth(value, JsonPlace(&place, instances.size())));
  }
  truth.instances = std::move(instances);
  return truth;
}

std::vector<Instance> readCocoResults(const std::string& path, const CocoSet& truth, IouType type) {
  const JsonFile file(path);
  const simdjson::dom::array results = file.array(file.root(), JsonPlace());
  std::vector<Instance> instances;
  if (results.size() == 0) return instances;
  const JsonPlace root;
  InstanceReader reader(file, truth, type);
  const auto source = reader.sourceOf(*results.begin(), JsonPlace(&root, size_t{0}));
  for (const element value : results) {
    instances.push_back(reader.result(value, source, JsonPlace(&root, instances.size())));
    instances.back().id = static_cast<int64_t>(instances.size());
  }
  return instances;
}

}  // namespace hd::eval
