// Entries on disk: "hdtrain picture 1\n", the length of the key's text, that text, width, height, whether the
// format knows fractions, a checksum of the pixels, the pixels. Numbers are 64 bit, of this machine's order.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "data/decode.h"
#include "data/picture_cache.h"

namespace hd::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "hdtrain picture 1\n", kEnding = ".pixels";
constexpr int64_t kLargestSide = 1 << 16;

// Eight bytes at a time: fast enough to be no part of reading.
uint64_t checksum(const uint8_t* data, size_t size) {
  uint64_t hash = 14695981039346656037ull ^ size;
  const auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    hash ^= hash >> 32;
  };
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + at, 8);
    mix(word);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, data + at, size - at);
  mix(rest);
  return hash;
}

class File {
 public:
  File(const std::string& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  bool open() const { return descriptor_ >= 0; }

  bool read(void* out, size_t size) const {
    for (auto* at = static_cast<uint8_t*>(out); size > 0;) {
      const ssize_t got = ::read(descriptor_, at, size);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      at += got;
      size -= static_cast<size_t>(got);
    }
    return true;
  }
  bool write(const void* data, size_t size) const {
    for (const auto* at = static_cast<const uint8_t*>(data); size > 0;) {
      const ssize_t put = ::write(descriptor_, at, size);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return false;
      at += put;
      size -= static_cast<size_t>(put);
    }
    return true;
  }

 private:
  const int descriptor_;
};

struct Header {
  uint64_t width = 0, height = 0, fixed = 0, sum = 0;
};

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
      if (!name.ends_with(kEnding)) continue;
      const auto size = entry.file_size(gone);
      const auto time = entry.last_write_time(gone);
      if (gone) continue;
      bytes_ += static_cast<int64_t>(size);
      found.push_back({time, name});
    }
    std::sort(found.begin(), found.end(), [](const Aged& a, const Aged& b) {
      return a.time != b.time ? a.time > b.time : a.name < b.name;
    });
    for (Aged& entry : found) earlier_.push_back(std::move(entry.name));
  }

  std::optional<StoredPicture> find(const PictureKey& key) override {
    const std::string text = textOf(key), name = nameOf(text);
    const File file(folder_ + "/" + name, O_RDONLY);
    if (!file.open()) return std::nullopt;
    std::string magic(kMagic.size(), '\0'), held(text.size(), '\0');
    uint64_t length = 0;
    Header header;
    if (!file.read(magic.data(), magic.size()) || magic != kMagic || !file.read(&length, sizeof length) ||
        length != text.size() || !file.read(held.data(), held.size()) || held != text ||
        !file.read(&header, sizeof header) || header.width - 1 >= kLargestSide ||
        header.height - 1 >= kLargestSide) {
      return std::nullopt;
    }
    auto pixels = std::make_shared<std::vector<uint8_t>>(header.width * header.height * 3);
    if (!file.read(pixels->data(), pixels->size()) || checksum(pixels->data(), pixels->size()) != header.sum)
      return std::nullopt;
    {
      const std::lock_guard lock(mutex_);
      used_.insert(name);
    }
    StoredPicture out{
        {static_cast<int>(header.width), static_cast<int>(header.height), {}, pixels->data(), pixels},
        header.fixed != 0};
    return out;
  }

  void keep(const PictureKey& key, const StoredPicture& stored) override {
    const std::string text = textOf(key), name = nameOf(text), path = folder_ + "/" + name;
    const Picture& picture = stored.picture;
    const size_t size = static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) * 3;
    const auto whole =
        static_cast<int64_t>(kMagic.size() + sizeof(uint64_t) + text.size() + sizeof(Header) + size);
    if (!makeRoom(whole)) return;
    const std::string temporary = temporaryPath(path);
    const uint64_t length = text.size();
    const Header header{static_cast<uint64_t>(picture.width), static_cast<uint64_t>(picture.height),
                        stored.fixed ? 1u : 0u, checksum(picture.pixels, size)};
    std::error_code absent;
    const auto before = static_cast<int64_t>(fs::file_size(path, absent));
    bool written = false;
    {
      const File file(temporary, O_WRONLY | O_CREAT | O_EXCL);
      written = file.open() && file.write(kMagic.data(), kMagic.size()) &&
                file.write(&length, sizeof length) && file.write(text.data(), text.size()) &&
                file.write(&header, sizeof header) && file.write(picture.pixels, size);
    }
    written = written && ::rename(temporary.c_str(), path.c_str()) == 0;
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
    char name[33];
    std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(hashName(text)),
                  static_cast<unsigned long long>(
                      checksum(reinterpret_cast<const uint8_t*>(text.data()), text.size())));
    return concat(std::string_view(name, 32), kEnding);
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
