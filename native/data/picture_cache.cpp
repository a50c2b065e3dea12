#include "data/picture_cache.h"

#include <sys/stat.h>

#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "data/decode.h"

namespace hd::data {
namespace {

// The entry of a key, or the one of the whole picture where the format knows no fractions.
std::optional<StoredPicture> findServing(PictureStore& store, PictureKey key) {
  if (auto found = store.find(key)) return found;
  if (key.divisor == 1) return std::nullopt;
  key.divisor = 1;
  auto whole = store.find(key);
  return whole && whole->fixed ? whole : std::nullopt;
}

class MemoryStore : public PictureStore {
 public:
  explicit MemoryStore(int64_t limit) : limit_(limit) {}

  std::optional<StoredPicture> find(const PictureKey& key) override {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key.image * 16 + key.divisor);
    if (found == entries_.end()) return std::nullopt;
    if (found->second.stamp == key.stamp) return found->second.stored;
    bytes_ -= sizeOf(found->second.stored.picture);
    entries_.erase(found);
    return std::nullopt;
  }

  void keep(const PictureKey& key, const StoredPicture& stored) override {
    const int64_t size = sizeOf(stored.picture);
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key.image * 16 + key.divisor);
    const int64_t freed = found == entries_.end() ? 0 : sizeOf(found->second.stored.picture);
    if (bytes_ - freed + size > limit_) {
      full_ = true;
      return;
    }
    bytes_ += size - freed;
    entries_.insert_or_assign(key.image * 16 + key.divisor, Entry{key.stamp, stored});
  }

  int64_t bytes() const override {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  std::string closed() const override {
    const std::lock_guard lock(mutex_);
    return full_ ? concat("the limit of ", limit_ / 1'000'000, " MB is reached") : "";
  }

 private:
  struct Entry {
    FileStamp stamp;
    StoredPicture stored;
  };
  static int64_t sizeOf(const Picture& picture) { return int64_t{picture.width} * picture.height * 3; }

  const int64_t limit_;
  mutable std::mutex mutex_;
  std::unordered_map<int64_t, Entry> entries_;  // by image and divisor
  int64_t bytes_ = 0;
  bool full_ = false;
};

}  // namespace

std::optional<FileStamp> FileStamp::of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return FileStamp{status.st_size, int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

std::unique_ptr<PictureStore> makeMemoryStore(int64_t limit) {
  return std::make_unique<MemoryStore>(limit);
}

std::unique_ptr<PictureCache> PictureCache::from(const Value& options) {
  if (options.isNull()) return nullptr;
  const std::string kind = options.get("kind", "none");
  const int64_t limit = options.get("limit", int64_t{4'000'000'000});
  if (kind == "none") return nullptr;
  if (limit < 1 || (kind != "ram" && kind != "disk")) {
    throw Error(
        "HD_DATA_CACHE",
        concat("expected kind 'none', 'ram' or 'disk' and a limit of at least 1 byte for data.cache but "
               "received '",
               kind, "' and ", limit, "; correct them"),
        "data.cache");
  }
  return std::make_unique<PictureCache>(
      kind == "ram" ? makeMemoryStore(limit) : makeDiskStore(options.at("folder").asString(), limit));
}

bool PictureCache::takes(const Dataset& dataset, int64_t image) {
  return !dataset.file(image).empty() && dataset.width(image) > 0 && dataset.height(image) > 0;
}

Sample PictureCache::sample(const Dataset& dataset, int64_t image, int minWidth, int minHeight) {
  PictureKey key{.image = image,
                 .file = std::string(dataset.file(image)),
                 .stamp = {},
                 .width = dataset.width(image),
                 .height = dataset.height(image),
                 .divisor = decodeDivisor(dataset.width(image), dataset.height(image), minWidth, minHeight)};
  const std::string stored = dataset.storedIn(image);
  const std::optional<FileStamp> stamp = FileStamp::of(stored);
  if (!stamp || !takes(dataset, image)) return dataset.sample(image, minWidth, minHeight);
  key.stamp = *stamp;
  if (std::optional<StoredPicture> found = findServing(*store_, key)) {
    ++hits_;
    Sample out;
    out.picture = std::move(found->picture);
    out.width = key.width;
    out.height = key.height;
    out.annotations = dataset.annotations(image);
    out.table = &dataset.table();
    return out;
  }
  ++misses_;
  Sample out = dataset.sample(image, minWidth, minHeight);
  // Decoding took a while; a file that was written meanwhile is looked at again next time.
  if (FileStamp::of(stored) != stamp || out.picture.storage.empty()) return out;
  Picture& picture = out.picture;
  const auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(picture.storage));
  picture.storage.clear();
  picture.pixels = owner->data();
  picture.owner = owner;
  const bool whole = picture.width == key.width && picture.height == key.height;
  const bool fixed = whole && key.divisor > 1;
  if (whole) key.divisor = 1;
  store_->keep(key, {picture, fixed});
  return out;
}

PictureCacheStatistics PictureCache::statistics() const {
  return {hits_, misses_, store_->bytes(), store_->closed()};
}

}  // namespace hd::data
