#include "data/shard_dataset.h"

#include <algorithm>

#include "core/error.h"

namespace hd::data {
namespace {

void requireSize(const std::string& name, uint64_t size) {
  if (size == 0) badPicture(name, "an empty file");
  if (size > static_cast<uint64_t>(kLargestPictureBytes)) badPicture(name, "a file of more than 1 GiB");
}

}  // namespace

PictureHeader ShardDataset::probe(int64_t image) const {
  const Place& place = places_[static_cast<size_t>(image)];
  const std::string name(file(image));
  requireSize(name, place.size);
  const ReadAt read = [&](uint64_t offset, uint8_t* out, size_t count) {
    const uint64_t left = place.size - std::min(offset, place.size);
    return shards_.readAt(place.shard, place.offset + offset, out,
                          static_cast<size_t>(std::min<uint64_t>(count, left)));
  };
  return probePicture(read, static_cast<size_t>(place.size), name);
}

std::vector<uint8_t> ShardDataset::read(int64_t image, const std::string& name) const {
  const Place& place = places_[static_cast<size_t>(image)];
  requireSize(name, place.size);
  std::vector<uint8_t> bytes(static_cast<size_t>(place.size));
  if (shards_.readAt(place.shard, place.offset, bytes.data(), bytes.size()) != bytes.size())
    badPicture(name, "a shard that has become shorter");
  return bytes;
}

Picture ShardDataset::load(int64_t image, int minWidth, int minHeight) const {
  const std::string name(file(image));
  const std::vector<uint8_t> bytes = read(image, name);
  return decodePicture(bytes.data(), bytes.size(), name, minWidth, minHeight, {}, width(image),
                       height(image));
}

bool ShardDataset::loadInto(int64_t image, uint8_t* pixels, size_t pitch) const {
  if (width(image) <= 0 || height(image) <= 0) return false;
  const std::string name(file(image));
  const std::vector<uint8_t> bytes = read(image, name);
  decodePictureInto(bytes.data(), bytes.size(), name, pixels, pitch, width(image), height(image));
  return true;
}

}  // namespace hd::data
