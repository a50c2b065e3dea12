#include "data/decode.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "data/decode_codecs.h"
#include "data/exif.h"
#include "data/picture_library.h"

namespace hd::data {
namespace {

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
    if (status.st_size > kLargestPictureBytes) refuse("a file of more than 1 GiB");
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

// WebP, TIFF (classic and big, both byte orders), GIF, and the ISO media files that hold AV1 stills.
bool isOther(std::string_view start) {
  const auto brand = [&](std::string_view name) { return start.substr(8, 4) == name; };
  return (start.starts_with("RIFF") && brand("WEBP")) || start.starts_with("GIF8") ||
         start.starts_with(std::string_view("II*\0", 4)) || start.starts_with(std::string_view("MM\0*", 4)) ||
         start.starts_with(std::string_view("II+\0", 4)) || start.starts_with(std::string_view("MM\0+", 4)) ||
         (start.substr(4, 4) == "ftyp" && (brand("avif") || brand("avis") || brand("mif1")));
}

PictureFormat formatOf(const ReadAt& read, const std::string& path) {
  std::array<uint8_t, 12> magic{};
  const size_t got = read(0, magic.data(), magic.size());
  const std::string_view start(reinterpret_cast<const char*>(magic.data()), got);
  if (start.starts_with("\xFF\xD8\xFF")) return PictureFormat::jpeg;
  if (start.starts_with("\x89PNG\r\n\x1A\n")) return PictureFormat::png;
  if (start.starts_with("BM")) return PictureFormat::bmp;
  if (start.size() == magic.size() && isOther(start)) return PictureFormat::other;
  badPicture(path, "bytes that begin like none of these");
}

// `bytes` gives the whole file where a header cannot be read without.
template <class Bytes>
PictureHeader readHeader(const ReadAt& read, size_t size, const std::string& path, const DecodeLimits& limits,
                         const Bytes& bytes) {
  const PictureFormat format = formatOf(read, path);
  const PictureHeader header = format == PictureFormat::jpeg  ? readJpegHeader(read, path)
                               : format == PictureFormat::png ? readPngHeader(read, path)
                               : format == PictureFormat::bmp ? readBmpHeader(read, path)
                                                              : readOtherHeader(bytes(), size, path);
  if (header.width < 1 || header.height < 1) badPicture(path, "a header with a side of 0 pixels");
  const int64_t pixels = int64_t{header.width} * header.height;
  if (pixels > limits.maxPixels) {
    badPicture(path,
               concat(header.width, "×", header.height, " pixels, above the limit of ", limits.maxPixels));
  }
  if (pixels > 16'000'000 && pixels / limits.maxPixelsPerByte > static_cast<int64_t>(size)) {
    badPicture(path, concat(header.width, "×", header.height, " pixels in ", size,
                            " bytes, which no real picture packs so tightly"));
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

void decodeStored(const uint8_t* data, size_t size, const std::string& path, PictureFormat format,
                  const PixelTarget& target) {
  switch (format) {
    case PictureFormat::jpeg:
      return decodeJpeg(data, size, path, target);
    case PictureFormat::png:
      return decodePng(data, size, path, target);
    case PictureFormat::bmp:
      return decodeBmp(data, size, path, target);
    case PictureFormat::other:
      return decodeOther(data, size, path, target);
  }
}

// `target` has the size after the turn.
void decodeInto(const uint8_t* data, size_t size, const std::string& path, const PictureHeader& header,
                const PixelTarget& target) {
  if (header.orientation == 1) return decodeStored(data, size, path, header.format, target);
  const bool swapped = swapsSides(header.orientation);
  const int width = swapped ? target.height : target.width, height = swapped ? target.width : target.height;
  const size_t pitch = static_cast<size_t>(width) * 3;
  std::vector<uint8_t> stored(pitch * static_cast<size_t>(height));
  decodeStored(data, size, path, header.format, {stored.data(), pitch, width, height});
  orientInto(stored.data(), width, height, header.orientation, target);
}

int divided(int side, int divisor) {
  return (side + divisor - 1) / divisor;
}

}  // namespace

void badPicture(const std::string& path, const std::string& received) {
  throw Error("HD_DATA_IMAGE",
              concat("expected a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP picture for ", path,
                     " but received ", received, "; replace the file or take it out of the data set"),
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
  return probePicture(
      [&](uint64_t offset, uint8_t* out, size_t count) { return file.readAt(offset, out, count); },
      file.size(), path, limits);
}

PictureHeader probePicture(const ReadAt& read, size_t size, const std::string& path,
                           const DecodeLimits& limits) {
  std::vector<uint8_t> whole;
  return readHeader(read, size, path, limits, [&] {
    whole.resize(size);
    read(0, whole.data(), size);
    return whole.data();
  });
}

int decodeDivisor(int width, int height, int minWidth, int minHeight) {
  int divisor = 1;
  if (minWidth <= 0 || minHeight <= 0) return divisor;
  while (divisor < 8 && width >= minWidth * int64_t{2 * divisor} &&
         height >= minHeight * int64_t{2 * divisor}) {
    divisor *= 2;
  }
  return divisor;
}

Picture decodePicture(const uint8_t* data, size_t size, const std::string& path, int minWidth, int minHeight,
                      const DecodeLimits& limits, int declaredWidth, int declaredHeight) {
  PictureHeader header = readHeader(fromMemory(data, size), size, path, limits, [&] { return data; });
  header.agreeWith(declaredWidth, declaredHeight);
  const int width = header.shownWidth(), height = header.shownHeight();
  const int divisor =
      header.format == PictureFormat::jpeg ? decodeDivisor(width, height, minWidth, minHeight) : 1;
  Picture picture;
  picture.width = divided(width, divisor);
  picture.height = divided(height, divisor);
  const size_t pitch = static_cast<size_t>(picture.width) * 3;
  picture.storage.resize(pitch * static_cast<size_t>(picture.height));
  decodeInto(data, size, path, header, {picture.storage.data(), pitch, picture.width, picture.height});
  picture.pixels = picture.storage.data();
  return picture;
}

void decodePictureInto(const uint8_t* data, size_t size, const std::string& path, uint8_t* pixels,
                       size_t pitch, int width, int height, const DecodeLimits& limits) {
  PictureHeader header = readHeader(fromMemory(data, size), size, path, limits, [&] { return data; });
  header.agreeWith(width, height);
  if (header.shownWidth() != width || header.shownHeight() != height) {
    badPicture(path, concat(header.shownWidth(), "×", header.shownHeight(),
                            " pixels where the annotations say ", width, "×", height));
  }
  decodeInto(data, size, path, header, {pixels, pitch, width, height});
}

}  // namespace hd::data
