#include "data/external.h"

#include <cmath>

#include "core/error.h"

namespace hd::data {
namespace {

[[noreturn]] void refuse(int64_t image, const std::string& what) {
  throw Error("HD_DATA_SOURCE", concat("expected ", what, ": correct what the source returns"),
              concat("sample ", image));
}

void checkShapes(int64_t image, const AnnotationTable& table, const Annotation& annotation) {
  for (const auto& polygon : table.polygons(annotation)) {
    if (polygon.size() < 6 || polygon.size() % 2 != 0) refuse(image, "polygons of at least three x, y pairs");
  }
  if (table.keypoints(annotation).size() % 3 != 0) refuse(image, "keypoints as x, y, visibility triples");
}

}  // namespace

ExternalDataset::ExternalDataset(int64_t length, std::vector<std::string> classes, ExternalSource source,
                                 const std::vector<std::pair<int, int>>& sizes)
    : source_(std::move(source)) {
  if (length < 0 || classes.empty()) {
    throw Error("HD_DATA_SOURCE",
                concat("expected a length ≥ 0 and at least one class but received length ", length, " and ",
                       classes.size(), " classes: set both in the source"));
  }
  if (!sizes.empty() && static_cast<int64_t>(sizes.size()) != length) {
    throw Error("HD_DATA_SOURCE", concat("expected ", length, " sizes but received ", sizes.size(),
                                         ": give one for each sample, or none"));
  }
  classes_ = std::move(classes);
  const auto count = static_cast<size_t>(length);
  widths_.assign(count, 0);
  heights_.assign(count, 0);
  nameOffsets_.assign(count + 1, 0);
  firstAnnotation_.assign(count + 1, 0);
  for (size_t c = 0; c < classes_.size(); ++c) categoryIds_.push_back(static_cast<int64_t>(c) + 1);
  for (size_t i = 0; i < count; ++i) {
    imageIds_.push_back(static_cast<int64_t>(i));
    trainable_.push_back(static_cast<int64_t>(i));
    if (!sizes.empty()) std::tie(widths_[i], heights_[i]) = sizes[i];
  }
  content_ = "external";
  last_.resize(count);
}

Picture ExternalDataset::load(int64_t image, int minWidth, int minHeight) const {
  return sample(image, minWidth, minHeight).picture;
}

Sample ExternalDataset::sample(int64_t image, int, int) const {
  ExternalSample received = source_(image);
  if (received.picture.width <= 0 || received.picture.height <= 0 || received.picture.pixels == nullptr) {
    refuse(image, "a picture with width, height and pixels");
  }
  for (const Annotation& annotation : received.table.annotations) {
    if (annotation.label < 0 || annotation.label >= static_cast<int32_t>(classes_.size())) {
      refuse(image, concat("labels of 0…", classes_.size() - 1, " but received ", annotation.label));
    }
    for (const float edge : {annotation.x1, annotation.y1, annotation.x2, annotation.y2}) {
      if (!std::isfinite(edge)) refuse(image, "finite box coordinates");
    }
    checkShapes(image, received.table, annotation);
  }
  {
    const std::lock_guard lock(mutex_);
    last_[static_cast<size_t>(image)] = received.table.annotations;
  }
  const auto table = std::make_shared<AnnotationTable>(std::move(received.table));
  Sample out;
  out.width = received.picture.width;
  out.height = received.picture.height;
  out.picture = std::move(received.picture);
  out.annotations = table->annotations;
  out.table = table.get();
  out.owner = table;
  return out;
}

std::vector<Annotation> ExternalDataset::lastAnnotations(int64_t image) const {
  require(image >= 0 && image < size(), "expected an image below ", size(), " but received ", image);
  const std::lock_guard lock(mutex_);
  return last_[static_cast<size_t>(image)];
}

}  // namespace hd::data
