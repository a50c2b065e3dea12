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

}  // namespace hd::data
