#include "data/picture_entry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace hd::data {
namespace {

constexpr std::string_view kMagic = "hdtrain picture 2\n";

// Eight bytes at a time: fast enough to be no part of reading.
uint64_t checksum(const uint8_t* data, size_t size, uint64_t hash) {
  hash ^= 14695981039346656037ull ^ size;
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
  /// 0 for anything but a regular file.
  uint64_t size() const {
    struct stat status {};
    return ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)
               ? static_cast<uint64_t>(status.st_size)
               : 0;
  }

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

  uint64_t sumWith(const uint8_t* pixels) const {
    return pictureEntrySum(width, height, fixed, pixels, pixelBytes());
  }
  size_t pixelBytes() const { return width * height * 3; }
  /// Whether a picture of the key can have this size: the announced one, divided and rounded up.
  bool fits(const PictureKey& key) const {
    const auto divided = [&key](int side) {
      return (static_cast<uint64_t>(side) + static_cast<uint64_t>(key.divisor) - 1) /
             static_cast<uint64_t>(key.divisor);
    };
    return fixed <= 1 && width > 0 && height > 0 && width == divided(key.width) &&
           height == divided(key.height);
  }
};

}  // namespace

std::optional<StoredPicture> readPictureEntry(const std::string& path, const std::string& text,
                                              const PictureKey& key) {
  const File file(path, O_RDONLY | O_NONBLOCK);
  if (!file.open()) return std::nullopt;
  std::string magic(kMagic.size(), '\0'), held(text.size(), '\0');
  uint64_t length = 0;
  Header header;
  if (!file.read(magic.data(), magic.size()) || magic != kMagic || !file.read(&length, sizeof length) ||
      length != text.size() || !file.read(held.data(), held.size()) || held != text ||
      !file.read(&header, sizeof header) || !header.fits(key) ||
      file.size() != kMagic.size() + sizeof length + text.size() + sizeof header + header.pixelBytes()) {
    return std::nullopt;
  }
  auto pixels = std::make_shared<std::vector<uint8_t>>(header.pixelBytes());
  if (!file.read(pixels->data(), pixels->size()) || header.sumWith(pixels->data()) != header.sum)
    return std::nullopt;
  return StoredPicture{
      {static_cast<int>(header.width), static_cast<int>(header.height), {}, pixels->data(), pixels},
      header.fixed != 0};
}

bool writePictureEntry(const std::string& path, const std::string& text, const StoredPicture& stored) {
  const uint64_t length = text.size();
  Header header{static_cast<uint64_t>(stored.picture.width), static_cast<uint64_t>(stored.picture.height),
                stored.fixed ? 1u : 0u, 0};
  header.sum = header.sumWith(stored.picture.pixels);
  const File file(path, O_WRONLY | O_CREAT | O_EXCL);
  return file.open() && file.write(kMagic.data(), kMagic.size()) && file.write(&length, sizeof length) &&
         file.write(text.data(), text.size()) && file.write(&header, sizeof header) &&
         file.write(stored.picture.pixels, header.pixelBytes());
}

uint64_t pictureEntrySum(uint64_t width, uint64_t height, uint64_t fixed, const uint8_t* pixels,
                         size_t bytes) {
  const uint64_t sizes[] = {width, height, fixed};
  return checksum(pixels, bytes, checksum(reinterpret_cast<const uint8_t*>(sizes), sizeof sizes, 0));
}

int64_t pictureEntryBytes(const std::string& text, const Picture& picture) {
  return static_cast<int64_t>(kMagic.size() + sizeof(uint64_t) + text.size() + sizeof(Header)) +
         int64_t{picture.width} * picture.height * 3;
}

}  // namespace hd::data
