// The immutable index of a data set: every annotation in a few flat arrays, shared by all threads, built
// once. No per-image heap objects. Formats (coco, voc, yolo, synthetic, files) are one file each and register
// themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"

namespace hd::data {

/// A decoded picture: RGB, 8 bit, rows contiguous.
struct Picture {
  int width = 0, height = 0;
  std::vector<uint8_t> storage;  ///< owned pixels, or empty when `pixels` points into somebody else's memory
  const uint8_t* pixels = nullptr;
  std::shared_ptr<const void> owner;  ///< keeps foreign memory alive
};

/// An annotation problem found while indexing; `check` prints them, training counts them.
struct Finding {
  std::string code;   ///< e.g. "box-outside", "zero-area", "missing-file", "unknown-class", "duplicate-box"
  std::string where;  ///< file, line or id
  std::string message;
};

struct Annotation {
  float x1, y1, x2,
      y2;       ///< original pixels, as the file says (0-based, continuous edges); may reach over the border
  double area;  ///< COCO `area` (mask area) or box area
  int32_t label;                     ///< 0-based class
  bool crowd;                        ///< COCO iscrowd
  bool difficult;                    ///< VOC difficult
  int64_t id;                        ///< annotation id of the file, or running number
  int64_t polygons, keypoints, rle;  ///< index into the side arrays, −1 without
};

/// Annotations with their shapes in flat side arrays.
///
/// Invariants: `Annotation::polygons` points at shapes[p] = n, followed by n + 1 boundaries in `coordinates`;
/// `Annotation::keypoints` points at two boundaries in `coordinates`; `Annotation::rle` is an index into
/// `rles`.
struct AnnotationTable {
  std::vector<Annotation> annotations;
  std::vector<float> coordinates;
  std::vector<int64_t> shapes;
  std::vector<std::string> rles;

  /// Polygons of an annotation as x, y pairs; empty without.
  std::vector<std::vector<float>> polygons(const Annotation& annotation) const;
  /// x, y, v triples; empty without.
  std::span<const float> keypoints(const Annotation& annotation) const;
  /// COCO's compressed run lengths over the whole picture (uncompressed ones are converted); "" without.
  std::string_view rle(const Annotation& annotation) const;

  int64_t addPolygons(
      const std::vector<std::vector<float>>& polygons);  ///< the index to put in an annotation
  int64_t addKeypoints(std::span<const float> triples);
  int64_t addRle(std::string counts);
  /// Copies the shapes of an annotation of `other`, which then refers to this table.
  void takeShapes(const AnnotationTable& other, Annotation& annotation);
};

/// Which classes the annotators of each picture looked for, where that was not all of them (LVIS). Every
/// picture was searched for the classes it has objects of, too.
struct Federation {
  std::vector<char> frequency;  ///< per class 'r', 'c', 'f' (rare, common, frequent in training), 0 unknown
  /// Per image, from first… of the image to that of the next, the classes that it has none of; and those of
  /// which it may have more than were annotated.
  std::vector<int64_t> firstNegative, firstNotExhaustive;  ///< size() + 1
  std::vector<int32_t> negative, notExhaustive;

  std::span<const int32_t> negativeOf(int64_t image) const { return part(negative, firstNegative, image); }
  std::span<const int32_t> notExhaustiveOf(int64_t image) const {
    return part(notExhaustive, firstNotExhaustive, image);
  }

 private:
  static std::span<const int32_t> part(const std::vector<int32_t>& all, const std::vector<int64_t>& first,
                                       int64_t image) {
    const auto i = static_cast<size_t>(image);
    return {all.data() + first[i], all.data() + first[i + 1]};
  }
};

/// One picture with its annotations: what a loader works on. Valid as long as its data set lives.
struct Sample {
  Picture picture;
  int width = 0,
      height = 0;  ///< full size, to which annotations refer; the picture may be a 1/2, 1/4 or 1/8 of it
  std::span<const Annotation> annotations;
  const AnnotationTable* table =
      nullptr;  ///< never null; resolves polygons, keypoints and rle of `annotations`
  std::shared_ptr<const AnnotationTable> owner;  ///< set when the annotations came with the picture
};

/// An object that is not fit for training: no area, a side below one pixel, or outside of its picture.
/// Measuring counts it all the same, as pycocotools does. Without shapes.
struct UnfitObject {
  int64_t image;
  Annotation annotation;
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  /// Opens by `spec.format`; parses on the calling thread. Throws HD_DATA_… with file and place. See
  /// formats/*.cpp for the fields of each spec. `spec.also`: further places, each with the fields that
  /// differ; they are joined behind the first.
  static std::shared_ptr<const Dataset> open(const Value& spec);
  /// The parts one behind the other; images and annotations are numbered anew from 1. Wants data sets of
  /// files. Throws HD_DATA_CLASSES when the parts name their classes differently.
  static std::shared_ptr<const Dataset> join(const std::vector<std::shared_ptr<const Dataset>>& parts);

  int64_t size() const { return static_cast<int64_t>(widths_.size()); }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<int64_t>& categoryIds() const { return categoryIds_; }  ///< of the file, per class
  std::string_view file(int64_t image) const;  ///< path as it can be opened; "" for generated pictures
  /// The file on disk that holds the picture; another one than file() for pictures within shards.
  virtual std::string storedIn(int64_t image) const { return std::string(file(image)); }
  int64_t imageId(int64_t image) const { return imageIds_[image]; }
  /// From the annotation or the picture's header; 0 when unknown (unreadable file, external source).
  int width(int64_t image) const { return widths_[image]; }
  int height(int64_t image) const { return heights_[image]; }
  std::span<const Annotation> annotations(int64_t image) const;
  /// Which annotations() does not have; in the file's order.
  const std::vector<UnfitObject>& unfit() const { return unfit_; }
  const AnnotationTable& table() const { return table_; }
  /// Polygons of an annotation as x,y pairs; empty without.
  std::vector<std::vector<float>> polygons(const Annotation& annotation) const {
    return table_.polygons(annotation);
  }
  std::span<const float> keypoints(const Annotation& annotation) const {
    return table_.keypoints(annotation);
  }
  std::string_view rle(const Annotation& annotation) const { return table_.rle(annotation); }
  /// Null when every picture was searched for every class.
  const Federation* federation() const { return federation_.get(); }
  /// The first thousand of each code; findingCounts() has all of them.
  const std::vector<Finding>& findings() const { return findings_; }
  const std::map<std::string, int64_t>& findingCounts() const { return findingCounts_; }
  /// Images that training uses (formats drop e.g. images without objects, or too small ones); indices in file
  /// order.
  const std::vector<int64_t>& trainable() const { return trainable_; }

  /// 64-bit digest (hex) of everything that training sees except the pixels: order, sizes, boxes, labels,
  /// file names relative to the root.
  std::string digest() const;

  /// Decodes (or generates) one picture. `minWidth`/`minHeight`: the smallest size that still serves (scaled
  /// JPEG decoding at 1/2, 1/4, 1/8 may return a smaller picture than the file's); 0 = full size.
  /// Thread-safe. Throws HD_DATA_IMAGE naming the file.
  virtual Picture load(int64_t image, int minWidth, int minHeight) const;

  /// Decodes (or generates) the picture at full size straight into memory of the caller, a batch slot: rows
  /// `pitch` bytes apart, width(image) × height(image) pixels. False, with nothing written, when this data
  /// set can only hand out pictures of its own. Thread-safe. Throws as load() does.
  virtual bool loadInto(int64_t image, uint8_t* pixels, size_t pitch) const;

  /// The picture and its annotations; what a loader calls. Thread-safe. Throws HD_DATA_IMAGE also when the
  /// picture does not have the size that the annotations were made for.
  virtual Sample sample(int64_t image, int minWidth, int minHeight) const;

  /// As loadInto(), with the annotations; the sample's picture is empty, since its pixels are in place.
  virtual std::optional<Sample> sampleInto(int64_t image, uint8_t* pixels, size_t pitch) const;

 protected:
  friend class DatasetBuilder;
  std::vector<std::string> classes_;
  std::vector<int64_t> categoryIds_;
  std::vector<int64_t> imageIds_;
  std::vector<int> widths_, heights_;
  std::string names_;                     // all file paths, concatenated
  std::vector<uint64_t> nameOffsets_;     // size() + 1
  size_t rootLength_ = 0;                 // leading characters of every path that are no part of the digest
  std::string content_;                   // what else decides about the pixels: parameters of a generator
  std::vector<int64_t> firstAnnotation_;  // size() + 1
  AnnotationTable table_;
  std::vector<UnfitObject> unfit_;
  std::vector<int64_t> trainable_;
  std::shared_ptr<const Federation> federation_;
  std::vector<Finding> findings_;
  std::map<std::string, int64_t> findingCounts_;
};

}  // namespace hd::data
