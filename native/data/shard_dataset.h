// A data set whose pictures lie within shards: each is read by its place, from any thread, in any order.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "data/decode.h"
#include "data/shard_files.h"

namespace hd::data {

/// Invariants: one place for each image; file() reads as "<shard>/<name in it>", which no file has.
class ShardDataset : public Dataset {
 public:
  struct Place {
    size_t shard;
    uint64_t offset, size;
  };

  ShardFiles& shards() { return shards_; }
  /// Of the image that the builder adds next.
  void addPlace(const Place& place) { places_.push_back(place); }

  /// Reads the picture's header. Throws HD_DATA_IMAGE. Thread-safe.
  PictureHeader probe(int64_t image) const;
  std::string storedIn(int64_t image) const override {
    return shards_.path(places_[static_cast<size_t>(image)].shard);
  }
  Picture load(int64_t image, int minWidth, int minHeight) const override;
  bool loadInto(int64_t image, uint8_t* pixels, size_t pitch) const override;

 private:
  /// All bytes of the picture.
  std::vector<uint8_t> read(int64_t image, const std::string& name) const;

  ShardFiles shards_;
  std::vector<Place> places_;
};

}  // namespace hd::data
