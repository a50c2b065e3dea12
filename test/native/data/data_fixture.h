// Small data sets on disk for tests of formats.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/decode.h"
#include "picture_fixture.h"

namespace fixture {

/// Creates the folders on the way.
inline void writeText(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline void writePicture(const std::string& path, int width = 64, int height = 48, int phase = 0) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  hd::data::writePicture(path, waves(width, height, 3, phase).data(), width, height);
}

inline hd::Value object(std::initializer_list<std::pair<const char*, hd::Value>> members) {
  hd::Value out;
  for (const auto& [key, value] : members) out.set(key, value);
  return out;
}

/// The invariants that every data set keeps, whatever it was read from; a message, or "" when all hold.
inline std::string brokenInvariant(const hd::data::Dataset& dataset) {
  int64_t last = -1;
  for (const int64_t image : dataset.trainable()) {
    if (image <= last || image >= dataset.size()) return "trainable is not rising";
    if (dataset.width(image) <= 0 || dataset.height(image) <= 0) return "trainable picture without size";
    last = image;
  }
  size_t annotations = 0;
  for (int64_t image = 0; image < dataset.size(); ++image) {
    for (const hd::data::Annotation& a : dataset.annotations(image)) {
      ++annotations;
      if (a.label < 0 || a.label >= static_cast<int32_t>(dataset.classes().size()))
        return "label out of range";
      if (!(a.x2 > a.x1) || !(a.y2 > a.y1) || !(a.area > 0)) return "box without area";
      for (const auto& polygon : dataset.polygons(a)) {
        if (polygon.size() < 6 || polygon.size() % 2 != 0) return "polygon with too few points";
      }
      if (dataset.keypoints(a).size() % 3 != 0) return "keypoints that are no triples";
    }
  }
  if (annotations != dataset.table().annotations.size()) return "annotations that belong to no picture";
  if (dataset.digest().size() != 16) return "digest";
  return "";
}

inline int64_t findings(const hd::data::Dataset& dataset, const std::string& code) {
  const auto found = dataset.findingCounts().find(code);
  return found == dataset.findingCounts().end() ? 0 : found->second;
}

}  // namespace fixture
