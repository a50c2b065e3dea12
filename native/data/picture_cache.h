// Decoded pictures kept in memory or on disk, for data sets of files that are gone through many times.
//
// What is kept is the decoder's output at the fraction that was asked for (1/1, 1/2, 1/4 or 1/8 of a JPEG),
// so a picture has the same pixels whether it comes from the cache or not. An entry belongs to a file of one
// size and time of change, the fraction, the announced size (which decides about the turn that Exif asks for)
// and the decoding libraries: a file that changes is another entry. Nothing here stops a run: without room or
// with a disk that refuses, pictures are decoded.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/value.h"
#include "data/dataset.h"

namespace hd::data {

/// A file as it is now; equal stamps stand for equal content.
struct FileStamp {
  int64_t bytes = 0, changed = 0;  ///< changed: nanoseconds
  bool operator==(const FileStamp&) const = default;
  /// Nothing when it cannot be looked at.
  static std::optional<FileStamp> of(const std::string& path);
};

struct PictureKey {
  int64_t image = 0;
  std::string file;
  FileStamp stamp;
  int width = 0, height = 0;  ///< announced
  int divisor = 1;
};

struct StoredPicture {
  Picture picture;
  bool fixed = false;  ///< its decoder knows no fractions: it serves for every divisor
};

/// Where entries are. Thread-safe.
class PictureStore {
 public:
  virtual ~PictureStore() = default;
  /// Empty without an entry, or with one that is damaged or belongs to a file as it was before.
  virtual std::optional<StoredPicture> find(const PictureKey& key) = 0;
  /// Keeps the picture when there is room; its pixels have an owner, which may be shared.
  virtual void keep(const PictureKey& key, const StoredPicture& stored) = 0;
  virtual int64_t bytes() const = 0;
  /// Why nothing more is kept; "" while there is room.
  virtual std::string closed() const = 0;
};

/// `limit`: bytes. What does not fit is not kept, and nothing is thrown out for it: in epochs that go through
/// all pictures, whatever was thrown out would be the next one wanted.
std::unique_ptr<PictureStore> makeMemoryStore(int64_t limit);
/// Entries are files of `folder`, which several processes may share: each appears whole (temporary name,
/// rename) and carries its key and a checksum. When `limit` bytes are reached, files of earlier runs that
/// this one has not used go, the oldest first; after them nothing more is kept. Throws HD_DATA_CACHE when the
/// folder cannot be made.
std::unique_ptr<PictureStore> makeDiskStore(const std::string& folder, int64_t limit);

struct PictureCacheStatistics {
  int64_t hits = 0, misses = 0, bytes = 0;
  std::string closed;  ///< why nothing more is kept; "" while there is room
};

class PictureCache {
 public:
  /// { kind: 'ram' | 'disk', limit: bytes, folder }; null without a kind, or with 'none'. Throws
  /// HD_DATA_CACHE.
  static std::unique_ptr<PictureCache> from(const Value& options);
  explicit PictureCache(std::unique_ptr<PictureStore> store) : store_(std::move(store)) {}

  /// True for pictures of files whose size is known; others are never kept.
  static bool takes(const Dataset& dataset, int64_t image);
  /// As Dataset::sample(), which it calls for what it does not hold. Thread-safe.
  Sample sample(const Dataset& dataset, int64_t image, int minWidth, int minHeight);
  PictureCacheStatistics statistics() const;

 private:
  std::unique_ptr<PictureStore> store_;
  std::atomic<int64_t> hits_ = 0, misses_ = 0;
};

}  // namespace hd::data
