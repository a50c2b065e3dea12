// Collects images and annotations in any order, checks them the same way for every format, and lays out the
// index.
//
// Kept as the file says: boxes that reach over the border (transforms clip them), crowd and difficult
// objects, repeated boxes. Dropped with a finding: coordinates that are no numbers, boxes that end before
// they start. Left to measuring alone, with a finding: sides below one pixel, area ≤ 0, no overlap with the
// picture (the rules of mmdetection's CocoDataset for training).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "data/decode.h"

namespace hd::data {

/// Which images training uses. Every spec has these two fields.
struct TrainingFilter {
  bool keepEmpty = false;  ///< also images without a usable object (neither crowd nor difficult)
  int minSide = 32;        ///< the shorter side in pixels
  static TrainingFilter from(const Value& spec);
};

class DatasetBuilder {
 public:
  /// `root`: the folder that digest() leaves out of file names. `into`: a data set of a class of its own.
  explicit DatasetBuilder(std::string root, std::shared_ptr<Dataset> into = std::make_shared<Dataset>());

  /// `categoryIds` empty: 1, 2, 3, …  Throws HD_DATA_CLASSES when there is no class or a name comes twice.
  void setClasses(std::vector<std::string> names, std::vector<int64_t> categoryIds = {});
  /// What else decides about the pixels, for the digest.
  void setContent(std::string content) { dataset_->content_ = std::move(content); }

  /// Of all images, those that were added so far.
  void setFederation(std::shared_ptr<const Federation> federation) {
    dataset_->federation_ = std::move(federation);
  }

  /// The index of the image. Width and height 0: unknown, probeFiles() reads them.
  int64_t addImage(int64_t id, std::string_view path, int width, int height);
  int64_t images() const { return dataset_->size(); }
  int width(int64_t image) const { return dataset_->widths_[static_cast<size_t>(image)]; }
  int height(int64_t image) const { return dataset_->heights_[static_cast<size_t>(image)]; }

  /// Looks for the file of each image on several threads and reads the headers of those without a size (of
  /// all with `trustHeaders`: a size that differs is corrected and reported). What cannot be used is reported
  /// and never trainable.
  void probeFiles(bool trustHeaders);
  /// The same for pictures that are no files of their own: `probe` reads the header of one, and throws
  /// HD_DATA_IMAGE.
  void probePictures(bool trustHeaders, const std::function<PictureHeader(int64_t image)>& probe);

  /// False: not fit for training, reported; Dataset::unfit() has it if it is a box at all. `where` names the
  /// annotation in findings.
  bool addAnnotation(int64_t image, const Annotation& annotation, const std::string& where) {
    return addAnnotation(image, annotation, [&where] { return where; });
  }
  /// The same; the name is made only when there is something to say.
  bool addAnnotation(int64_t image, const Annotation& annotation, const std::function<std::string()>& where);
  AnnotationTable& table() { return dataset_->table_; }

  void report(const std::string& code, const std::string& where, const std::string& message);

  /// Once, at the end.
  std::shared_ptr<Dataset> build(const TrainingFilter& filter);

 private:
  void reportDuplicates();
  bool leaveToMeasuring(int64_t image, Annotation annotation);
  struct Problem {
    std::string code, message;
  };
  /// What is wrong with the header, which gives the size where it is wanted; an empty code when nothing is.
  Problem probeHeader(int64_t image, bool trustHeaders, const std::function<PictureHeader(int64_t)>& probe);
  void reportProblems(const std::vector<Problem>& problems);

  std::shared_ptr<Dataset> dataset_;
  std::vector<int64_t> imageOf_;   // of each annotation so far
  std::vector<uint8_t> unusable_;  // per image: no file that could be read
};

}  // namespace hd::data
