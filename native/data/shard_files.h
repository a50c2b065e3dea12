// Large files that many threads read at any place, however many of them there are: some stay open, the others
// are opened again when their turn comes.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace hd::data {

/// Invariants: at most `maxOpen` descriptors are kept (besides those that a thread is reading from); a file
/// that is no longer the one that add() saw is never read.
class ShardFiles {
 public:
  explicit ShardFiles(size_t maxOpen = 128) : maxOpen_(maxOpen) {}

  /// The number of the file, counted from 0. Throws HD_DATA_SHARD when it is no readable regular file. Not
  /// while others read.
  size_t add(const std::string& path);

  size_t count() const { return shards_.size(); }
  const std::string& path(size_t shard) const { return shards_[shard].path; }
  uint64_t bytes(size_t shard) const { return shards_[shard].size; }

  /// Reads `count` bytes, fewer at the end of the file. Thread-safe. Throws HD_DATA_SHARD when the file
  /// cannot be read or has been replaced.
  size_t readAt(size_t shard, uint64_t offset, uint8_t* out, size_t count) const;
  /// How many descriptors are kept now.
  size_t open() const;

 private:
  struct Descriptor;
  struct Shard {
    std::string path;
    uint64_t size = 0, device = 0, node = 0;
    int64_t changed = 0;  // nanoseconds
  };
  /// The file as it is now, open for reading.
  static std::shared_ptr<const Descriptor> openFile(const std::string& path, Shard& seen);
  std::shared_ptr<const Descriptor> descriptor(size_t shard) const;

  const size_t maxOpen_;
  std::vector<Shard> shards_;
  mutable std::mutex mutex_;
  struct Kept {
    std::shared_ptr<const Descriptor> descriptor;
    std::list<size_t>::iterator use;
  };
  mutable std::vector<Kept> kept_;   // by shard
  mutable std::list<size_t> byUse_;  // shards with a descriptor, the last used first
};

}  // namespace hd::data
