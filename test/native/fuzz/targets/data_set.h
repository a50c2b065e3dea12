// What the data set formats share: opening a folder in which one file is hostile.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "native/data/data_fixture.h"
#include "native/fuzz/target.h"

namespace fuzz {

/// Two pictures, images/a.png (64 × 48) and images/sub/b.png (40 × 50), unless they are there already.
inline void writePictures(const std::string& folder) {
  if (std::filesystem::exists(folder + "/images")) return;
  fixture::writePicture(folder + "/images/a.png", 64, 48);
  fixture::writePicture(folder + "/images/sub/b.png", 40, 50);
}

/// Opens the data set and walks through all that it holds.
inline std::shared_ptr<const hd::data::Dataset> openDataset(const hd::Value& spec) {
  const auto dataset = hd::data::Dataset::open(spec);
  const std::string broken = fixture::brokenInvariant(*dataset);
  promise(broken.empty(), broken);
  for (int64_t image = 0; image < dataset->size(); ++image) {
    promise(dataset->file(image).size() < 2 * (size_t{1} << 20), "a name that is longer than the file");
    for (const hd::data::Annotation& annotation : dataset->annotations(image)) dataset->rle(annotation);
  }
  promise(dataset->findings().size() <= 1000 * dataset->findingCounts().size(), "findings without end");
  return dataset;
}

}  // namespace fuzz
