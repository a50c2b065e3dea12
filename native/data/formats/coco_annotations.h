// The list of annotations of a COCO file, read in runs that know nothing of each other: several threads read
// at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/formats/json_file.h"
#include "data/formats/shapes.h"

namespace hd::data {

/// An annotation before its image and category are looked up.
struct CocoAnnotation {
  Annotation annotation;  ///< without label; its shapes lie in the run's table
  int64_t imageId, categoryId;
  int64_t index;  ///< in the file
  MaskSize mask;

  std::string name() const;  ///< for findings
};

/// Annotations in the order of the file, their shapes, and what was wrong with some.
struct CocoRun {
  std::vector<CocoAnnotation> annotations;
  AnnotationTable shapes;
  std::vector<Finding> findings;
};

class CocoAnnotationReader {
 public:
  /// Both outlive this. `file` is used for messages alone.
  CocoAnnotationReader(const JsonFile& file, CocoRun& run);

  /// Throws HD_DATA_FORMAT for members of a wrong type; other bad content becomes a finding.
  void read(simdjson::ondemand::object object, int64_t index);

 private:
  const JsonFile& file_;
  CocoRun& run_;
  ShapeReader shapes_;
  std::vector<double> list_;  // reused
};

}  // namespace hd::data
