// The annotations of one sample of a shard, in either of two forms:
//
//   { "width": 640, "height": 480,                           optional: else the picture's header is read
//     "boxes": [[x1, y1, x2, y2], …],                        pixels, 0-based edges; [] without objects
//     "labels": ["cat", 0, …],                               names or numbers, one a box
//     "iscrowd": [0, …], "ignore": [0, …], "area": [12.5, …], optional, one a box each, as are these two:
//     "segmentation": [[[x, y, x, y, …], …], null, …], "keypoints": [[x, y, v, …], null, …] }
//
//   { "width": …, "height": …,
//     "annotations": [{ "bbox": [x, y, width, height], "category": "cat" or "category_id": 0,
//                       "iscrowd", "ignore", "area", "segmentation", "keypoints" as above }, …] }
//
// Other members are left unread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset_builder.h"
#include "data/formats/json_file.h"
#include "data/formats/shapes.h"

namespace hd::data {

struct SampleObject {
  Annotation annotation{};  ///< label and id are not set
  std::string className;    ///< empty: `number` tells the class
  int64_t number = 0;
  MaskSize mask;
  int64_t index = 0;  ///< in its list
};

struct SampleJson {
  int width = 0, height = 0;  ///< 0: not both are said
  std::vector<SampleObject> objects;
};

/// Shapes go into the builder, and so do findings: about objects without four numbers as a box, which are
/// dropped, and about shapes. `path` names the member. Throws HD_DATA_JSON and HD_DATA_FORMAT for a text of
/// another form, or with more than 100,000 objects.
SampleJson readSampleJson(const std::string& path, std::string text, DatasetBuilder& builder);

}  // namespace hd::data
