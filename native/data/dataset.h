// The immutable index of a data set: every annotation in a few flat arrays, shared by all threads, built once.
// No per-image heap objects. Formats (coco, voc, yolo, synthetic, files) are one file each and register themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"

namespace hd::data {

/// A decoded picture: RGB, 8 bit, rows contiguous.
struct Picture {
  int width = 0, height = 0;
  std::vector<uint8_t> storage;       ///< owned pixels, or empty when `pixels` points into somebody else's memory
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
  float x1, y1, x2, y2;  ///< original pixels, as the file says (0-based, continuous edges)
  double area;           ///< COCO `area` (mask area) or box area
  int32_t label;         ///< 0-based class
  bool crowd;            ///< COCO iscrowd
  bool difficult;        ///< VOC difficult
  int64_t id;            ///< annotation id of the file, or running number
  int64_t polygons, keypoints, rle;  ///< index into the side arrays, −1 without
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  /// Opens by `spec.format`; parses on the calling thread. Throws HD_DATA_… with file and place. See formats/*.cpp for
  /// the fields of each spec.
  static std::shared_ptr<const Dataset> open(const Value& spec);

  int64_t size() const { return static_cast<int64_t>(widths_.size()); }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<int64_t>& categoryIds() const { return categoryIds_; }  ///< of the file, per class
  std::string_view file(int64_t image) const;   ///< path as it can be opened; "" for generated pictures
  int64_t imageId(int64_t image) const { return imageIds_[image]; }
  int width(int64_t image) const { return widths_[image]; }    ///< from the annotation or the picture's header
  int height(int64_t image) const { return heights_[image]; }
  std::span<const Annotation> annotations(int64_t image) const;
  /// Polygons of an annotation as x,y pairs; empty without.
  std::vector<std::vector<float>> polygons(const Annotation& annotation) const;
  std::span<const float> keypoints(const Annotation& annotation) const;  ///< x, y, v triples
  const std::vector<Finding>& findings() const { return findings_; }
  /// Images that training uses (formats drop e.g. images without objects, or too small ones); indices in file order.
  const std::vector<int64_t>& trainable() const { return trainable_; }

  /// 64-bit digest (hex) of everything that training sees except the pixels: order, sizes, boxes, labels, file names
  /// relative to the root.
  std::string digest() const;

  /// Decodes (or generates) one picture. `minWidth`/`minHeight`: the smallest size that still serves (scaled JPEG
  /// decoding at 1/2, 1/4, 1/8 may return a smaller picture than the file's); 0 = full size.
  /// Thread-safe. Throws HD_DATA_IMAGE naming the file.
  virtual Picture load(int64_t image, int minWidth, int minHeight) const;

 protected:
  friend class DatasetBuilder;
  std::vector<std::string> classes_;
  std::vector<int64_t> categoryIds_;
  std::vector<int64_t> imageIds_;
  std::vector<int> widths_, heights_;
  std::string names_;                   // all file paths, concatenated
  std::vector<uint64_t> nameOffsets_;   // size() + 1
  std::vector<int64_t> firstAnnotation_;  // size() + 1
  std::vector<Annotation> annotations_;
  std::vector<float> coordinates_;        // polygons and keypoints
  std::vector<int64_t> polygonOffsets_;   // see DatasetBuilder
  std::vector<std::string> rles_;
  std::vector<int64_t> trainable_;
  std::vector<Finding> findings_;
};

}  // namespace hd::data
