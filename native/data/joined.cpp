// Several places of one format as one data set, as VOC 2007 and 2012 are trained together.
#include <algorithm>

#include "core/error.h"
#include "data/dataset.h"

namespace hd::data {
namespace {

std::string listOf(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

std::shared_ptr<const Dataset> Dataset::join(const std::vector<std::shared_ptr<const Dataset>>& parts) {
  require(!parts.empty(), "expected a data set to join");
  auto out = std::make_shared<Dataset>();
  out->classes_ = parts[0]->classes_;
  out->categoryIds_ = parts[0]->categoryIds_;
  out->nameOffsets_ = {0};
  out->firstAnnotation_ = {0};
  // The digests of the parts know their file names without the place.
  out->rootLength_ = std::string::npos;
  for (const auto& part : parts) {
    if (part->classes_ != out->classes_) {
      throw Error("HD_DATA_CLASSES",
                  concat("expected the same classes in all parts of a split but the first has ",
                         listOf(out->classes_), " and another has ", listOf(part->classes_),
                         ": list them under 'classes'"));
    }
    out->content_ += part->digest();
    const int64_t first = out->size();
    for (int64_t image = 0; image < part->size(); ++image) {
      require(!part->file(image).empty(), "expected data sets of files to join");
      out->imageIds_.push_back(first + image + 1);
      out->widths_.push_back(part->width(image));
      out->heights_.push_back(part->height(image));
      out->names_ += part->file(image);
      out->nameOffsets_.push_back(out->names_.size());
      for (Annotation annotation : part->annotations(image)) {
        AnnotationTable& table = out->table_;
        annotation.id = static_cast<int64_t>(table.annotations.size()) + 1;
        table.takeShapes(part->table(), annotation);
        table.annotations.push_back(annotation);
      }
      out->firstAnnotation_.push_back(static_cast<int64_t>(out->table_.annotations.size()));
    }
    for (const auto& [image, annotation] : part->unfit_) out->unfit_.push_back({first + image, annotation});
    for (const int64_t image : part->trainable_) out->trainable_.push_back(first + image);
    out->findings_.insert(out->findings_.end(), part->findings_.begin(), part->findings_.end());
    for (const auto& [code, count] : part->findingCounts_) out->findingCounts_[code] += count;
  }
  return out;
}

}  // namespace hd::data
