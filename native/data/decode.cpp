#include "data/decode.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "data/decode_codecs.h"

namespace hd::data {
namespace {

constexpr int64_t kLargestFile = int64_t{1} << 30;

// An open regular file. O_NONBLOCK: opening a FIFO without a writer would otherwise wait for ever.
class PictureFile {
 public:
  explicit PictureFile(const std::string& path) : path_(path) {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) badPicture(path, concat("no readable file (", std::strerror(errno), ")"));
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) refuse(concat("no readable file (", std::strerror(errno), ")"));
    if (S_ISDIR(status.st_mode)) refuse("a folder");
    if (!S_ISREG(status.st_mode)) refuse("something that is no regular file");
    if (status.st_size == 0) refuse("an empty file");
    if (status.st_size > kLargestFile) refuse("a file of more than 1 GiB");
    size_ = static_cast<size_t>(status.st_size);
  }
  ~PictureFile() { ::close(descriptor_); }
  PictureFile(const PictureFile&) = delete;
  PictureFile& operator=(const PictureFile&) = delete;

  size_t size() const { return size_; }

  /// Reads until `count` bytes or the end of the file.
  size_t readAt(uint64_t offset, uint8_t* out, size_t count) const {
    size_t done = 0;
    while (done < count) {
      const ssize_t got = ::pread(descriptor_, out + done, count - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) badPicture(path_, concat("a read error (", std::strerror(errno), ")"));
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  [[noreturn]] void refuse(const std::string& received) {
    ::close(descriptor_);
    badPicture(path_, received);
  }

  const std::string& path_;
  int descriptor_ = -1;
  size_t size_ = 0;
};

PictureFormat formatOf(const ReadAt& read, const std::string& path) {
  constexpr std::array<uint8_t, 3> kJpeg = {0xFF, 0xD8, 0xFF};
  constexpr std::array<uint8_t, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  std::array<uint8_t, 8> magic{};
  const size_t got = read(0, magic.data(), magic.size());
  if (got >= kJpeg.size() && std::equal(kJpeg.begin(), kJpeg.end(), magic.begin()))
    return PictureFormat::jpeg;
  if (got >= kPng.size() && std::equal(kPng.begin(), kPng.end(), magic.begin())) return PictureFormat::png;
  badPicture(path, "bytes that begin like neither");
}

PictureHeader readHeader(const ReadAt& read, const std::string& path, const DecodeLimits& limits) {
  const PictureFormat format = formatOf(read, path);
  const PictureHeader header =
      format == PictureFormat::jpeg ? readJpegHeader(read, path) : readPngHeader(read, path);
  if (header.width < 1 || header.height < 1) badPicture(path, "a header with a side of 0 pixels");
  if (int64_t{header.width} * header.height > limits.maxPixels) {
    badPicture(path,
               concat(header.width, "×", header.height, " pixels, above the limit of ", limits.maxPixels));
  }
  return header;
}

ReadAt fromMemory(const uint8_t* data, size_t size) {
  return [data, size](uint64_t offset, uint8_t* out, size_t count) {
    const size_t start = static_cast<size_t>(std::min<uint64_t>(offset, size));
    const size_t got = std::min(count, size - start);
    std::copy_n(data + start, got, out);
    return got;
  };
}

void decodeInto(const uint8_t* data, size_t size, const std::string& path, PictureFormat format,
                const PixelTarget& target) {
  if (format == PictureFormat::jpeg) {
    decodeJpeg(data, size, path, target);
  } else {
    decodePng(data, size, path, target);
  }
}

int divided(int side, int divisor) {
  return (side + divisor - 1) / divisor;
}

}  // namespace

void badPicture(const std::string& path, const std::string& received) {
  throw Error("HD_DATA_IMAGE",
              concat("expected a JPEG or PNG picture for ", path, " but received ", received,
                     "; replace the file or take it out of the data set"),
              path);
}

std::vector<uint8_t> readPictureFile(const std::string& path) {
  const PictureFile file(path);
  formatOf([&](uint64_t offset, uint8_t* out, size_t count) { return file.readAt(offset, out, count); },
           path);
  std::vector<uint8_t> bytes(file.size());
  bytes.resize(file.readAt(0, bytes.data(), bytes.size()));
  return bytes;
}

PictureHeader probePicture(const std::string& path, const DecodeLimits& limits) {
  const PictureFile file(path);
  return readHeader(
      [&](uint64_t offset, uint8_t* out, size_t count) { return file.readAt(offset, out, count); }, path,
      limits);
}

Picture decodePicture(const uint8_t* data, size_t size, const std::string& path, int minWidth, int minHeight,
                      const DecodeLimits& limits) {
  const PictureHeader header = readHeader(fromMemory(data, size), path, limits);
  int divisor = 1;
  if (header.format == PictureFormat::jpeg && minWidth > 0 && minHeight > 0) {
    while (divisor < 8 && header.width >= minWidth * int64_t{2 * divisor} &&
           header.height >= minHeight * int64_t{2 * divisor}) {
      divisor *= 2;
    }
  }
  Picture picture;
  picture.width = divided(header.width, divisor);
  picture.height = divided(header.height, divisor);
  const size_t pitch = static_cast<size_t>(picture.width) * 3;
  picture.storage.resize(pitch * static_cast<size_t>(picture.height));
  decodeInto(data, size, path, header.format, {picture.storage.data(), pitch, picture.width, picture.height});
  picture.pixels = picture.storage.data();
  return picture;
}

void decodePictureInto(const uint8_t* data, size_t size, const std::string& path, uint8_t* pixels,
                       size_t pitch, int width, int height, const DecodeLimits& limits) {
  const PictureHeader header = readHeader(fromMemory(data, size), path, limits);
  if (header.width != width || header.height != height) {
    badPicture(path, concat(header.width, "×", header.height, " pixels where the annotations say ", width,
                            "×", height));
  }
  decodeInto(data, size, path, header.format, {pixels, pitch, width, height});
}

}  // namespace hd::data
