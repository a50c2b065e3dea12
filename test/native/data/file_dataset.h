// A data set of picture files for loader tests.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace fixture {

/// Files that are all announced with one size, without annotations.
class FileDataset : public hd::data::Dataset {
 public:
  explicit FileDataset(const std::vector<std::string>& files, int width, int height) {
    nameOffsets_.push_back(0);
    firstAnnotation_.push_back(0);
    for (const std::string& file : files) {
      names_ += file;
      nameOffsets_.push_back(names_.size());
      firstAnnotation_.push_back(0);
      imageIds_.push_back(static_cast<int64_t>(imageIds_.size()));
      widths_.push_back(width);
      heights_.push_back(height);
      trainable_.push_back(static_cast<int64_t>(trainable_.size()));
    }
  }
};

}  // namespace fixture
