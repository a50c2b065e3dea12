#include "data/dataset_builder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>
#include <tuple>

#include "core/error.h"
#include "data/decode.h"
#include "data/parallel.h"

namespace hd::data {
namespace {

constexpr int64_t maxFindingsPerCode = 1000;
constexpr float borderTolerance = 1.5f;  // pixels: rounding of annotation tools is not worth a finding

std::string boxText(const Annotation& a) {
  return concat("[", a.x1, ", ", a.y1, ", ", a.x2, ", ", a.y2, "]");
}

}  // namespace

TrainingFilter TrainingFilter::from(const Value& spec) {
  TrainingFilter filter;
  filter.keepEmpty = spec.get("keepEmpty", filter.keepEmpty);
  filter.minSide = spec.get("minSide", filter.minSide);
  return filter;
}

DatasetBuilder::DatasetBuilder(std::string root, std::shared_ptr<Dataset> into) : dataset_(std::move(into)) {
  dataset_->rootLength_ = root.size();
  dataset_->nameOffsets_ = {0};
}

void DatasetBuilder::setClasses(std::vector<std::string> names, std::vector<int64_t> categoryIds) {
  if (names.empty()) {
    throw Error("HD_DATA_CLASSES",
                "expected at least one class but received none: list the classes of the data set");
  }
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (seen.insert(name).second) continue;
    throw Error("HD_DATA_CLASSES", concat("expected different class names but received '", name,
                                          "' twice: rename or merge them"));
  }
  if (categoryIds.empty()) {
    categoryIds.resize(names.size());
    std::iota(categoryIds.begin(), categoryIds.end(), 1);
  }
  dataset_->classes_ = std::move(names);
  dataset_->categoryIds_ = std::move(categoryIds);
}

int64_t DatasetBuilder::addImage(int64_t id, std::string_view path, int width, int height) {
  dataset_->imageIds_.push_back(id);
  dataset_->widths_.push_back(width);
  dataset_->heights_.push_back(height);
  dataset_->names_ += path;
  dataset_->nameOffsets_.push_back(dataset_->names_.size());
  unusable_.push_back(0);
  return images() - 1;
}

void DatasetBuilder::probeFiles(bool trustHeaders) {
  std::vector<Problem> problems(static_cast<size_t>(images()));
  parallelFor(images(), 0, [&](int64_t image) {
    const std::string path(dataset_->file(image));
    Problem& problem = problems[static_cast<size_t>(image)];
    std::error_code error;
    if (path.find('\0') != std::string::npos || !std::filesystem::exists(path, error)) {
      problem = {"missing-file", concat("no file at ", path.c_str(), ": restore it or remove its entry")};
      return;
    }
    problem = probeHeader(image, trustHeaders, [&](int64_t) { return probePicture(path); });
  });
  reportProblems(problems);
}

void DatasetBuilder::probePictures(bool trustHeaders, const std::function<PictureHeader(int64_t)>& probe) {
  std::vector<Problem> problems(static_cast<size_t>(images()));
  parallelFor(images(), 0, [&](int64_t image) {
    problems[static_cast<size_t>(image)] = probeHeader(image, trustHeaders, probe);
  });
  reportProblems(problems);
}

DatasetBuilder::Problem DatasetBuilder::probeHeader(int64_t image, bool trustHeaders,
                                                    const std::function<PictureHeader(int64_t)>& probe) {
  int& width = dataset_->widths_[static_cast<size_t>(image)];
  int& height = dataset_->heights_[static_cast<size_t>(image)];
  if (!trustHeaders && width > 0 && height > 0) return {};
  try {
    PictureHeader header = probe(image);
    header.agreeWith(width, height);
    const int saidWidth = width, saidHeight = height;
    width = header.shownWidth();
    height = header.shownHeight();
    if (saidWidth == 0 || saidHeight == 0 || (width == saidWidth && height == saidHeight)) return {};
    return {"size-mismatch", concat("the annotation says ", saidWidth, "×", saidHeight, ", the picture has ",
                                    width, "×", height, ", which is used")};
  } catch (const Error& failure) {
    width = height = 0;
    return {"unreadable-picture", failure.what()};
  }
}

void DatasetBuilder::reportProblems(const std::vector<Problem>& problems) {
  for (size_t i = 0; i < problems.size(); ++i) {
    if (problems[i].code.empty()) continue;
    if (problems[i].code != "size-mismatch") unusable_[i] = 1;
    report(problems[i].code, std::string(dataset_->file(static_cast<int64_t>(i))), problems[i].message);
  }
}

bool DatasetBuilder::addAnnotation(int64_t image, const Annotation& annotation,
                                   const std::function<std::string()>& where) {
  const Annotation& a = annotation;
  const float pictureWidth = static_cast<float>(width(image));
  const float pictureHeight = static_cast<float>(height(image));
  const std::array edges{a.x1, a.y1, a.x2, a.y2};
  if (!std::all_of(edges.begin(), edges.end(), [](float edge) { return std::isfinite(edge); }) ||
      !std::isfinite(a.area)) {
    report("invalid-box", where(), concat("box ", boxText(a), " or its area is not finite: dropped"));
    return false;
  }
  if (a.x2 < a.x1 || a.y2 < a.y1) {
    report("negative-size", where(), concat("box ", boxText(a), " ends before it starts: dropped"));
    return false;
  }
  if (a.area <= 0) {
    report("zero-area", where(), concat("area ", a.area, " of box ", boxText(a), ": not trained on"));
    return leaveToMeasuring(image, annotation);
  }
  if (a.x2 - a.x1 < 1 || a.y2 - a.y1 < 1) {
    report("tiny-box", where(), concat("box ", boxText(a), " has a side below one pixel: not trained on"));
    return leaveToMeasuring(image, annotation);
  }
  // Pictures without a size cannot be decoded either; their boxes stay for the record.
  if (pictureWidth > 0 && pictureHeight > 0) {
    if (a.x1 >= pictureWidth || a.y1 >= pictureHeight || a.x2 <= 0 || a.y2 <= 0) {
      report("box-outside", where(),
             concat("box ", boxText(a), " does not touch the picture of ", pictureWidth, "×", pictureHeight,
                    ": not trained on"));
      return leaveToMeasuring(image, annotation);
    }
    if (a.x1 < -borderTolerance || a.y1 < -borderTolerance || a.x2 > pictureWidth + borderTolerance ||
        a.y2 > pictureHeight + borderTolerance) {
      report("box-over-border", where(),
             concat("box ", boxText(a), " reaches out of the picture of ", pictureWidth, "×", pictureHeight,
                    ": clipped"));
    }
  }
  dataset_->table_.annotations.push_back(annotation);
  imageOf_.push_back(image);
  return true;
}

bool DatasetBuilder::leaveToMeasuring(int64_t image, Annotation annotation) {
  annotation.polygons = annotation.keypoints = annotation.rle = -1;
  dataset_->unfit_.push_back({image, annotation});
  return false;
}

void DatasetBuilder::report(const std::string& code, const std::string& where, const std::string& message) {
  if (++dataset_->findingCounts_[code] <= maxFindingsPerCode)
    dataset_->findings_.push_back({code, where, message});
}

void DatasetBuilder::reportDuplicates() {
  const auto key = [](const Annotation& a) { return std::tuple(a.label, a.x1, a.y1, a.x2, a.y2); };
  std::vector<const Annotation*> sorted;
  for (int64_t image = 0; image < images(); ++image) {
    sorted.clear();
    for (const Annotation& annotation : dataset_->annotations(image)) sorted.push_back(&annotation);
    std::stable_sort(sorted.begin(), sorted.end(), [&](auto* a, auto* b) { return key(*a) < key(*b); });
    for (size_t i = 1; i < sorted.size(); ++i) {
      if (key(*sorted[i - 1]) != key(*sorted[i])) continue;
      report("duplicate-box", std::string(dataset_->file(image)),
             concat("annotations ", sorted[i - 1]->id, " and ", sorted[i]->id, " are the same box ",
                    boxText(*sorted[i]), " of class '",
                    dataset_->classes_[static_cast<size_t>(sorted[i]->label)], "'"));
    }
  }
}

std::shared_ptr<Dataset> DatasetBuilder::build(const TrainingFilter& filter) {
  // Counting sort by image: stable, so that objects stay in file order.
  auto& first = dataset_->firstAnnotation_;
  first.assign(static_cast<size_t>(images()) + 1, 0);
  for (const int64_t image : imageOf_) ++first[static_cast<size_t>(image) + 1];
  std::partial_sum(first.begin(), first.end(), first.begin());
  std::vector<int64_t> next(first.begin(), first.end() - 1);
  std::vector<Annotation> sorted(imageOf_.size());
  for (size_t i = 0; i < imageOf_.size(); ++i) {
    sorted[static_cast<size_t>(next[static_cast<size_t>(imageOf_[i])]++)] = dataset_->table_.annotations[i];
  }
  dataset_->table_.annotations = std::move(sorted);
  reportDuplicates();
  for (int64_t image = 0; image < images(); ++image) {
    const auto objects = dataset_->annotations(image);
    const bool usable = std::any_of(objects.begin(), objects.end(),
                                    [](const Annotation& a) { return !a.crowd && !a.difficult; });
    const bool large = std::min(width(image), height(image)) >= std::max(1, filter.minSide);
    if (!unusable_[static_cast<size_t>(image)] && large && (usable || filter.keepEmpty)) {
      dataset_->trainable_.push_back(image);
    }
  }
  return std::move(dataset_);
}

}  // namespace hd::data
