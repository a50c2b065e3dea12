// Recognises the format and splits of a data set folder, for `hdtrain new`.
#pragma once

#include <string>
#include <vector>

#include "core/value.h"

namespace hd::data {

/// { format, train: spec, val: spec | null, classes: [names], images: { train, val }, sizes: [{ width,
/// height, count }], warnings: [sentences] }. The specs open with Dataset::open once `format` is added, and
/// hold paths below `folder`. Recognised: COCO JSON in the folder, in annotations/ or beside each split's
/// pictures; VOC XML in any folder with lists train.txt and val.txt (also ImageSets/Main) or one folder a
/// split; YOLO text in labels/ with lists or one folder a split, also as <split>/labels; tar shards by the
/// names of files or folders. Throws HD_DATA_DETECT when it is none of them, and whatever opening the splits
/// throws.
Value detectDataset(const std::string& folder);

/// Class names of a YOLO data.yaml: `names: [a, b]`, or a block list or map below `names:`; empty when there
/// are none.
std::vector<std::string> yamlNames(const std::string& text);

}  // namespace hd::data
