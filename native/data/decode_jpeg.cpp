// JPEG through libjpeg-turbo's TurboJPEG interface: it keeps libjpeg's error jumps inside the library.
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/decode_codecs.h"
#include "data/exif.h"

namespace hd::data {
namespace {

// Bytes one after another through a small window, so that walking the markers of a file costs few reads.
class MarkerReader {
 public:
  MarkerReader(const ReadAt& read, const std::string& path) : read_(read), path_(path) {}

  uint8_t byte() {
    if (offset_ < windowStart_ || offset_ >= windowStart_ + windowSize_) {
      if (offset_ >= kLongestHeader) badPicture(path_, "a JPEG without a frame header in its first 64 MiB");
      windowStart_ = offset_;
      windowSize_ = read_(offset_, window_.data(), window_.size());
      if (windowSize_ == 0) badPicture(path_, "a JPEG that ends inside its header");
    }
    return window_[offset_++ - windowStart_];
  }
  int word() {
    const int high = byte();
    return high << 8 | byte();
  }
  void skip(int bytes) { offset_ += static_cast<uint64_t>(bytes); }
  /// The next bytes, fewer at the end of the file; does not move on.
  std::vector<uint8_t> peek(int count) const {
    std::vector<uint8_t> bytes(static_cast<size_t>(count));
    bytes.resize(read_(offset_, bytes.data(), bytes.size()));
    return bytes;
  }

 private:
  static constexpr uint64_t kLongestHeader = 64u << 20;
  const ReadAt& read_;
  const std::string& path_;
  std::array<uint8_t, 1024> window_;
  uint64_t offset_ = 0, windowStart_ = 0, windowSize_ = 0;
};

bool isFrameHeader(int marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

constexpr int kExifMarker = 0xE1;

// Other things live in segments of this marker as well (XMP): they leave what is known.
int exifOrientation(const std::vector<uint8_t>& segment, int known) {
  constexpr std::array<uint8_t, 6> kName = {'E', 'x', 'i', 'f', 0, 0};
  if (segment.size() < kName.size() || !std::equal(kName.begin(), kName.end(), segment.begin())) return known;
  return tiffOrientation(segment.data() + kName.size(), segment.size() - kName.size());
}

struct DestroyHandle {
  void operator()(void* handle) const { tjDestroy(handle); }
};

bool endsWithEndMarker(const uint8_t* data, size_t size) {
  const size_t tail = std::min<size_t>(size, 1024);
  constexpr std::array<uint8_t, 2> kEnd = {0xFF, 0xD9};
  return std::search(data + size - tail, data + size, kEnd.begin(), kEnd.end()) != data + size;
}

// Warnings that leave every pixel as it was written. All others (a premature end, corrupt entropy-coded data,
// a missing restart marker) mean grey or shifted blocks. The library keeps the first warning only, hence the
// look at the end.
bool isHarmless(std::string_view warning, const uint8_t* data, size_t size) {
  const bool stray = warning.find("extraneous bytes before marker 0xd9") != std::string_view::npos;
  const bool oddScan = warning.find("Invalid SOS parameters") != std::string_view::npos;
  return (stray || oddScan) && endsWithEndMarker(data, size);
}

void decompress(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target,
                int format) {
  const std::unique_ptr<void, DestroyHandle> handle(tjInitDecompress());
  if (!handle)
    throw Error("HD_INTERNAL", "expected a JPEG decoder but libjpeg-turbo could not create one; free memory",
                path);
  const int failed =
      tjDecompress2(handle.get(), data, static_cast<unsigned long>(size), target.pixels, target.width,
                    static_cast<int>(target.pitch), target.height, format, TJFLAG_LIMITSCANS);
  if (failed == 0) return;
  const char* message = tjGetErrorStr2(handle.get());
  if (tjGetErrorCode(handle.get()) == TJERR_WARNING && isHarmless(message, data, size)) return;
  badPicture(path, concat("a JPEG that does not decode (", message, ")"));
}

// Also the second opinion on the size: what the library is about to write must be what the caller made room
// for.
bool isFourChannel(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target) {
  const std::unique_ptr<void, DestroyHandle> handle(tjInitDecompress());
  int width = 0, height = 0, subsampling = 0, colours = 0;
  if (!handle || tjDecompressHeader3(handle.get(), data, static_cast<unsigned long>(size), &width, &height,
                                     &subsampling, &colours) != 0) {
    badPicture(path, concat("a JPEG with a header that cannot be read (", tjGetErrorStr2(handle.get()), ")"));
  }
  bool fits = false;
  for (const int divisor : {1, 2, 4, 8}) {
    fits |=
        (width + divisor - 1) / divisor == target.width && (height + divisor - 1) / divisor == target.height;
  }
  if (!fits) badPicture(path, "a JPEG with two different frame headers");
  return colours == TJCS_CMYK || colours == TJCS_YCCK;
}

// Four-channel JPEGs store inverted ink (Adobe's convention, which every browser assumes): 255 is no ink.
void inkToRgb(const uint8_t* ink, const PixelTarget& target) {
  for (int y = 0; y < target.height; ++y) {
    uint8_t* out = target.pixels + static_cast<size_t>(y) * target.pitch;
    for (int x = 0; x < target.width; ++x, ink += 4, out += 3) {
      for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>((ink[c] * ink[3] + 127) / 255);
    }
  }
}

}  // namespace

PictureHeader readJpegHeader(const ReadAt& read, const std::string& path) {
  MarkerReader in(read, path);
  int orientation = 1;
  in.skip(2);  // SOI, which the caller has seen
  for (;;) {
    while (in.byte() != 0xFF) {  // stray bytes between segments: the library skips them as well
    }
    int marker = in.byte();
    while (marker == 0xFF) marker = in.byte();
    if (marker == 0 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;
    if (marker == 0xD9 || marker == 0xDA) badPicture(path, "a JPEG without a frame header before its data");
    const int length = in.word();
    if (length < 2) badPicture(path, "a JPEG with a damaged header segment");
    if (marker == kExifMarker) orientation = exifOrientation(in.peek(length - 2), orientation);
    if (!isFrameHeader(marker)) {
      in.skip(length - 2);
      continue;
    }
    in.byte();  // bits a sample: the decoder refuses what it cannot read
    const int height = in.word();
    const int width = in.word();
    return {PictureFormat::jpeg, width, height, orientation};
  }
}

void decodeJpeg(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target) {
  if (!isFourChannel(data, size, path, target)) {
    decompress(data, size, path, target, TJPF_RGB);
    return;
  }
  const size_t pitch = static_cast<size_t>(target.width) * 4;
  std::vector<uint8_t> ink(pitch * static_cast<size_t>(target.height));
  decompress(data, size, path, {ink.data(), pitch, target.width, target.height}, TJPF_CMYK);
  inkToRgb(ink.data(), target);
}

}  // namespace hd::data
