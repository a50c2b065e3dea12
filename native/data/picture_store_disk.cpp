// Which entries a folder holds, how many bytes they are, and which go when there is no room.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <set>
#include <vector>

#include "core/content_hash.h"
#include "core/error.h"
#include "data/decode.h"
#include "data/picture_cache.h"
#include "data/picture_entry.h"

namespace hd::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".pixels", kTemporary = ".pixels.tmp-";

// Longer than any picture takes to write: whoever wrote it was killed.
constexpr auto kAbandoned = std::chrono::minutes(10);

class DiskStore : public PictureStore {
 public:
  DiskStore(const std::string& folder, int64_t limit)
      : folder_(folder), limit_(limit), decoders_(printJson(decoderVersions())) {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error || ::access(folder_.c_str(), R_OK | W_OK | X_OK) != 0) {
      throw Error("HD_DATA_CACHE",
                  concat("expected a folder that can be written to for data.cacheFolder but received ",
                         folder, " (", error ? error.message() : std::strerror(errno),
                         "); name another one, or set data.cache to ram or none"),
                  folder);
    }
    struct Aged {
      fs::file_time_type time;
      std::string name;
    };
    std::vector<Aged> found;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
      std::error_code gone;
      const std::string name = entry.path().filename().string();
      const bool temporary = name.find(kTemporary) != std::string::npos;
      if (!temporary && !name.ends_with(kEnding)) continue;
      const auto size = entry.file_size(gone);
      const auto time = entry.last_write_time(gone);
      if (gone) continue;
      if (temporary && fs::file_time_type::clock::now() - time > kAbandoned && fs::remove(entry.path(), gone))
        continue;
      bytes_ += static_cast<int64_t>(size);
      if (!temporary) found.push_back({time, name});
    }
    std::sort(found.begin(), found.end(), [](const Aged& a, const Aged& b) {
      return a.time != b.time ? a.time > b.time : a.name < b.name;
    });
    for (Aged& entry : found) earlier_.push_back(std::move(entry.name));
  }

  std::optional<StoredPicture> find(const PictureKey& key) override {
    const std::string text = textOf(key), name = nameOf(text);
    std::optional<StoredPicture> out = readPictureEntry(folder_ + "/" + name, text, key);
    if (!out) return std::nullopt;
    const std::lock_guard lock(mutex_);
    used_.insert(name);
    return out;
  }

  void keep(const PictureKey& key, const StoredPicture& stored) override {
    const std::string text = textOf(key), name = nameOf(text), path = folder_ + "/" + name;
    const int64_t whole = pictureEntryBytes(text, stored.picture);
    if (!makeRoom(whole)) return;
    const std::string temporary = temporaryPath(path);
    std::error_code absent;
    const auto before = static_cast<int64_t>(fs::file_size(path, absent));
    const bool written =
        writePictureEntry(temporary, text, stored) && ::rename(temporary.c_str(), path.c_str()) == 0;
    const int reason = errno;
    if (!written) ::unlink(temporary.c_str());
    const std::lock_guard lock(mutex_);
    if (written) {
      used_.insert(name);
      if (!absent) bytes_ -= before;
    } else {
      bytes_ -= whole;
      closed_ = concat("the folder ", folder_, " takes no more (", std::strerror(reason), ")");
    }
  }

  int64_t bytes() const override {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  std::string closed() const override {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  // Counts the bytes as used; false when there is no room for them.
  bool makeRoom(int64_t size) {
    const std::lock_guard lock(mutex_);
    if (!closed_.empty()) return false;
    while (bytes_ + size > limit_ && !earlier_.empty()) {
      const std::string name = std::move(earlier_.back());
      earlier_.pop_back();
      if (used_.contains(name)) continue;
      std::error_code gone;
      const auto freed = static_cast<int64_t>(fs::file_size(folder_ + "/" + name, gone));
      if (!gone && fs::remove(folder_ + "/" + name, gone)) bytes_ -= freed;
    }
    if (bytes_ + size > limit_) {
      closed_ = concat("the limit of ", limit_ / 1'000'000, " MB is reached");
      return false;
    }
    bytes_ += size;
    return true;
  }

  std::string temporaryPath(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return concat(path, ".tmp-", ::getpid(), "-", reinterpret_cast<uintptr_t>(this), "-", ++temporaries_);
  }

  std::string textOf(const PictureKey& key) const {
    std::error_code error;
    const fs::path absolute = fs::absolute(key.file, error);
    return concat(error ? key.file : absolute.string(), "\n", key.stamp.bytes, " ", key.stamp.changed, " ",
                  key.width, "×", key.height, " 1/", key.divisor, "\n", decoders_);
  }

  static std::string nameOf(const std::string& text) {
    return concat(ContentHash().add(text).hex(), kEnding);
  }

  const std::string folder_;
  const int64_t limit_;
  const std::string decoders_;
  mutable std::mutex mutex_;
  std::vector<std::string> earlier_;  // of runs before this one, the oldest last
  std::set<std::string> used_;        // by this one
  int64_t bytes_ = 0;
  uint64_t temporaries_ = 0;
  std::string closed_;
};

}  // namespace

std::unique_ptr<PictureStore> makeDiskStore(const std::string& folder, int64_t limit) {
  return std::make_unique<DiskStore>(folder, limit);
}

}  // namespace hd::data
