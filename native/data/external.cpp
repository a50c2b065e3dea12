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

ExternalDataset::ExternalDataset(int64_t length, std::vector<std::string> classes, ExternalFiller fill,
                                 const std::vector<std::pair<int, int>>& sizes)
    : ExternalDataset(length, std::move(classes), ExternalSource{}, sizes) {
  fill_ = std::move(fill);
  if (sizes.empty() && length > 0) {
    throw Error("HD_DATA_SOURCE",
                "expected the size of each picture: a source that fills slots must give sizes");
  }
  for (const auto& [width, height] : sizes) {
    if (width < 1 || height < 1) {
      throw Error("HD_DATA_SOURCE",
                  concat("expected sizes of at least 1 × 1 but received ", width, " × ", height));
    }
  }
}

Picture ExternalDataset::load(int64_t image, int minWidth, int minHeight) const {
  return sample(image, minWidth, minHeight).picture;
}

Sample ExternalDataset::sample(int64_t image, int, int) const {
  ExternalSample received;
  if (fill_) {
    Picture& picture = received.picture;
    picture.width = width(image);
    picture.height = height(image);
    const size_t pitch = static_cast<size_t>(picture.width) * 3;
    picture.storage.resize(pitch * static_cast<size_t>(picture.height));
    picture.pixels = picture.storage.data();
    received.table = fill_(image, picture.storage.data(), pitch);
  } else {
    received = source_(image);
  }
  const Picture& picture = received.picture;
  if (picture.width <= 0 || picture.height <= 0 || picture.pixels == nullptr) {
    refuse(image, "a picture with width, height and pixels");
  }
  return accept(image, std::move(received.picture), std::move(received.table));
}

bool ExternalDataset::loadInto(int64_t image, uint8_t* pixels, size_t pitch) const {
  return sampleInto(image, pixels, pitch).has_value();
}

std::optional<Sample> ExternalDataset::sampleInto(int64_t image, uint8_t* pixels, size_t pitch) const {
  if (!fill_) return std::nullopt;
  Picture inPlace;
  inPlace.width = width(image);
  inPlace.height = height(image);
  return accept(image, std::move(inPlace), fill_(image, pixels, pitch));
}

Sample ExternalDataset::accept(int64_t image, Picture picture, AnnotationTable received) const {
  for (const Annotation& annotation : received.annotations) {
    if (annotation.label < 0 || annotation.label >= static_cast<int32_t>(classes_.size())) {
      refuse(image, concat("labels of 0…", classes_.size() - 1, " but received ", annotation.label));
    }
    for (const float edge : {annotation.x1, annotation.y1, annotation.x2, annotation.y2}) {
      if (!std::isfinite(edge)) refuse(image, "finite box coordinates");
    }
    checkShapes(image, received, annotation);
  }
  {
    const std::lock_guard lock(mutex_);
    last_[static_cast<size_t>(image)] = received.annotations;
  }
  const auto table = std::make_shared<AnnotationTable>(std::move(received));
  Sample out;
  out.width = picture.width;
  out.height = picture.height;
  out.picture = std::move(picture);
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
