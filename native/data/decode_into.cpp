// Files decode straight into batch slots.
#include "data/decode.h"

namespace hd::data {

bool Dataset::loadInto(int64_t image, uint8_t* pixels, size_t pitch) const {
  const std::string path(file(image));
  if (path.empty() || width(image) <= 0 || height(image) <= 0) return false;
  const std::vector<uint8_t> bytes = readPictureFile(path);
  decodePictureInto(bytes.data(), bytes.size(), path, pixels, pitch, width(image), height(image));
  return true;
}

std::optional<Sample> Dataset::sampleInto(int64_t image, uint8_t* pixels, size_t pitch) const {
  if (!loadInto(image, pixels, pitch)) return std::nullopt;
  Sample out;
  out.width = width(image);
  out.height = height(image);
  out.annotations = annotations(image);
  out.table = &table();
  return out;
}

}  // namespace hd::data
