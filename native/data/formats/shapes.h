// Masks and keypoints of one object as COCO writes them, read into the side arrays of a data set.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset_builder.h"
#include "data/formats/json_file.h"

namespace hd::data {

/// The picture size that run lengths are made for.
struct MaskSize {
  int64_t width = 0, height = 0;
};

/// What cannot be used (run lengths that do not fill their picture, polygons of fewer than three points,
/// numbers that are no triples) is reported and left out, the object stays; a value of another type throws as
/// JsonFile does.
class ShapeReader {
 public:
  using Where = std::function<std::string()>;  ///< names the object in findings

  using Report = std::function<void(const char* code, std::string where, std::string message)>;

  /// `file` words what is thrown. Shapes go to `table`.
  ShapeReader(const JsonFile& file, AnnotationTable& table, Report report)
      : file_(file), table_(table), report_(std::move(report)) {}

  /// Polygons or run lengths; null for neither.
  void segmentation(JsonFile::Value value, const Place& place, const Where& where, Annotation& annotation,
                    MaskSize& size);
  /// x, y, visibility triples; null for none.
  void keypoints(JsonFile::Value value, const Place& place, const Where& where, Annotation& annotation);
  /// Takes the run lengths away from an annotation whose picture has another size than they.
  static void requireSize(DatasetBuilder& builder, int64_t image, const Where& where, Annotation& annotation,
                          const MaskSize& size);

 private:
  void runLengths(simdjson::ondemand::object object, const Place& place, const Where& where,
                  Annotation& annotation, MaskSize& size);

  const JsonFile& file_;
  AnnotationTable& table_;
  Report report_;
  std::vector<double> list_;  // reused: most objects hold a list or two
  std::vector<std::vector<float>> polygons_;
};

}  // namespace hd::data
