#include "data/dataset.h"

#include <bit>
#include <cstdio>
#include <type_traits>

#include "core/error.h"
#include "data/decode.h"
#include "data/formats/format.h"

namespace hd::data {
namespace {

/// FNV-1a over 64-bit words: the order and the number of words count.
class Digest {
 public:
  void add(std::string_view text) {
    add(static_cast<int64_t>(text.size()));
    for (const char symbol : text) word(static_cast<unsigned char>(symbol));
  }
  void add(int64_t number) { word(static_cast<uint64_t>(number)); }
  void add(float number) { word(std::bit_cast<uint32_t>(number)); }
  void add(double number) { word(std::bit_cast<uint64_t>(number)); }
  template <class T>
  void addAll(const std::vector<T>& list) {
    add(static_cast<int64_t>(list.size()));
    for (const T& item : list) {
      if constexpr (std::is_integral_v<T>) {
        add(static_cast<int64_t>(item));
      } else {
        add(item);
      }
    }
  }
  std::string hex() const {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash_));
    return text;
  }

 private:
  void word(uint64_t value) {
    hash_ = (hash_ ^ value) * 1099511628211ull;
    hash_ ^= hash_ >> 29;  // high bits of the word reach the low bits of the hash
  }
  uint64_t hash_ = 14695981039346656037ull;
};

/// Whether a decoder that may halve up to three times (rounding up) can turn `full` into `decoded`.
bool isScaledSize(int decoded, int full) {
  for (int divisor = 1; divisor <= 8; divisor *= 2) {
    if (decoded == (full + divisor - 1) / divisor) return true;
  }
  return false;
}

}  // namespace

std::vector<std::vector<float>> AnnotationTable::polygons(const Annotation& annotation) const {
  if (annotation.polygons < 0) return {};
  const int64_t* entry = shapes.data() + annotation.polygons;
  std::vector<std::vector<float>> out;
  for (int64_t i = 1; i <= entry[0]; ++i) {
    out.emplace_back(coordinates.begin() + entry[i], coordinates.begin() + entry[i + 1]);
  }
  return out;
}

std::span<const float> AnnotationTable::keypoints(const Annotation& annotation) const {
  if (annotation.keypoints < 0) return {};
  const int64_t* entry = shapes.data() + annotation.keypoints;
  return {coordinates.data() + entry[0], static_cast<size_t>(entry[1] - entry[0])};
}

std::string_view AnnotationTable::rle(const Annotation& annotation) const {
  return annotation.rle < 0 ? std::string_view{}
                            : std::string_view{rles[static_cast<size_t>(annotation.rle)]};
}

int64_t AnnotationTable::addPolygons(const std::vector<std::vector<float>>& polygons) {
  const auto index = static_cast<int64_t>(shapes.size());
  shapes.push_back(static_cast<int64_t>(polygons.size()));
  shapes.push_back(static_cast<int64_t>(coordinates.size()));
  for (const auto& polygon : polygons) {
    coordinates.insert(coordinates.end(), polygon.begin(), polygon.end());
    shapes.push_back(static_cast<int64_t>(coordinates.size()));
  }
  return index;
}

int64_t AnnotationTable::addKeypoints(std::span<const float> triples) {
  const auto index = static_cast<int64_t>(shapes.size());
  shapes.push_back(static_cast<int64_t>(coordinates.size()));
  coordinates.insert(coordinates.end(), triples.begin(), triples.end());
  shapes.push_back(static_cast<int64_t>(coordinates.size()));
  return index;
}

int64_t AnnotationTable::addRle(std::string counts) {
  rles.push_back(std::move(counts));
  return static_cast<int64_t>(rles.size()) - 1;
}

void AnnotationTable::takeShapes(const AnnotationTable& other, Annotation& annotation) {
  const auto takeBoundaries = [&](const int64_t* boundaries, int64_t count) {
    const int64_t shift = static_cast<int64_t>(coordinates.size()) - boundaries[0];
    coordinates.insert(coordinates.end(), other.coordinates.begin() + boundaries[0],
                       other.coordinates.begin() + boundaries[count - 1]);
    for (int64_t i = 0; i < count; ++i) shapes.push_back(boundaries[i] + shift);
  };
  if (annotation.polygons >= 0) {
    const int64_t* entry = other.shapes.data() + annotation.polygons;
    annotation.polygons = static_cast<int64_t>(shapes.size());
    shapes.push_back(entry[0]);
    takeBoundaries(entry + 1, entry[0] + 1);
  }
  if (annotation.keypoints >= 0) {
    const int64_t* entry = other.shapes.data() + annotation.keypoints;
    annotation.keypoints = static_cast<int64_t>(shapes.size());
    takeBoundaries(entry, 2);
  }
  if (annotation.rle >= 0) annotation.rle = addRle(other.rles[static_cast<size_t>(annotation.rle)]);
}

std::shared_ptr<const Dataset> Dataset::open(const Value& spec) {
  const FormatReader read = formatReader(spec.at("format").asString());
  const Value* also = spec.find("also");
  if (also == nullptr || !also->isArray() || also->asArray().empty()) return read(spec);
  std::vector<std::shared_ptr<const Dataset>> parts{read(spec)};
  for (const Value& part : also->asArray()) {
    Value whole = spec;
    whole.set("list", {});  // belongs to the first place
    for (const auto& [key, value] : part.asObject()) whole.set(key, value);
    parts.push_back(read(whole));
  }
  return join(parts);
}

std::string_view Dataset::file(int64_t image) const {
  const auto i = static_cast<size_t>(image);
  return std::string_view{names_}.substr(nameOffsets_[i], nameOffsets_[i + 1] - nameOffsets_[i]);
}

std::span<const Annotation> Dataset::annotations(int64_t image) const {
  const auto i = static_cast<size_t>(image);
  return {table_.annotations.data() + firstAnnotation_[i],
          static_cast<size_t>(firstAnnotation_[i + 1] - firstAnnotation_[i])};
}

std::string Dataset::digest() const {
  Digest digest;
  digest.add(content_);
  digest.addAll(classes_);
  digest.addAll(imageIds_);
  digest.addAll(widths_);
  digest.addAll(heights_);
  for (int64_t i = 0; i < size(); ++i) {
    std::string_view name = file(i).substr(std::min(rootLength_, file(i).size()));
    if (name.starts_with('/'))
      name.remove_prefix(1);  // the root may be written with or without its last slash
    digest.add(name);
  }
  digest.addAll(firstAnnotation_);
  digest.addAll(trainable_);
  for (const Annotation& a : table_.annotations) {
    for (const float edge : {a.x1, a.y1, a.x2, a.y2}) digest.add(edge);
    digest.add(a.area);
    digest.add(int64_t{a.label} * 4 + (a.crowd ? 2 : 0) + (a.difficult ? 1 : 0));
    digest.add(rle(a));
    for (const float value : keypoints(a)) digest.add(value);
    for (const auto& polygon : polygons(a)) digest.addAll(polygon);
  }
  return digest.hex();
}

Picture Dataset::load(int64_t image, int minWidth, int minHeight) const {
  const std::string path(file(image));
  const std::vector<uint8_t> bytes = readPictureFile(path);
  return decodePicture(bytes.data(), bytes.size(), path, minWidth, minHeight, {}, width(image),
                       height(image));
}

Sample Dataset::sample(int64_t image, int minWidth, int minHeight) const {
  Sample out;
  out.picture = load(image, minWidth, minHeight);
  out.width = width(image);
  out.height = height(image);
  if (out.width == 0 && minWidth == 0 &&
      minHeight == 0) {  // never probed, and decoded in full: the size is known now
    out.width = out.picture.width;
    out.height = out.picture.height;
  }
  if (!isScaledSize(out.picture.width, out.width) || !isScaledSize(out.picture.height, out.height)) {
    const std::string path(file(image));
    throw Error("HD_DATA_IMAGE",
                concat("expected a picture of ", out.width, "×", out.height, " for ", path, " but received ",
                       out.picture.width, "×", out.picture.height, ": correct its annotation or the file"),
                path);
  }
  out.annotations = annotations(image);
  out.table = &table_;
  return out;
}

}  // namespace hd::data
