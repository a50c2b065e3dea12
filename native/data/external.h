// A data set whose pictures come from the user's program, one at a time while the loader runs.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"

namespace hd::data {

/// What the user's source gives for one index. Coordinates are pixels of `picture`.
struct ExternalSample {
  Picture picture;        ///< RGB8; `owner` keeps foreign memory alive until the slot is filled
  AnnotationTable table;  ///< all annotations belong to the picture
};

/// Called from decode threads, several at once; may block.
using ExternalSource = std::function<ExternalSample(int64_t image)>;

/// Writes the pixels of one index, rows `pitch` bytes apart, and gives its annotations. Called like
/// ExternalSource.
using ExternalFiller = std::function<AnnotationTable(int64_t image, uint8_t* pixels, size_t pitch)>;

/// Invariants: sizes and annotations are unknown before sample(): width() and height() are 0 unless `sizes`
/// were given, annotations() is empty and every image counts as trainable. digest() covers classes, length
/// and sizes only.
class ExternalDataset : public Dataset {
 public:
  /// `sizes`: width and height of each picture, or empty. Throws HD_DATA_SOURCE for a negative length, no
  /// classes, or another number of sizes.
  ExternalDataset(int64_t length, std::vector<std::string> classes, ExternalSource source,
                  const std::vector<std::pair<int, int>>& sizes = {});
  /// Pictures are written where they are wanted: into a batch slot when nothing changes their geometry. Every
  /// size must be given.
  ExternalDataset(int64_t length, std::vector<std::string> classes, ExternalFiller fill,
                  const std::vector<std::pair<int, int>>& sizes);

  Picture load(int64_t image, int minWidth, int minHeight) const override;
  /// Throws HD_DATA_SOURCE when the picture is empty, a label is no class or a coordinate is no number.
  Sample sample(int64_t image, int minWidth, int minHeight) const override;
  bool loadInto(int64_t image, uint8_t* pixels, size_t pitch) const override;
  std::optional<Sample> sampleInto(int64_t image, uint8_t* pixels, size_t pitch) const override;

  /// The annotations that sample() last gave for the picture: its truth, for scoring. Empty before.
  /// Thread-safe.
  std::vector<Annotation> lastAnnotations(int64_t image) const;

 private:
  /// Keeps the annotations for lastAnnotations(), after checking them.
  Sample accept(int64_t image, Picture picture, AnnotationTable table) const;

  ExternalSource source_;
  ExternalFiller fill_;  // exactly one of the two is set
  mutable std::mutex mutex_;
  mutable std::vector<std::vector<Annotation>> last_;  // by image; shapes are not kept
};

}  // namespace hd::data
