// PNG through libpng. Its errors jump (setjmp), so the function that catches the jump holds plain values only
// and the memory that it needs is owned one frame further out.
#include <png.h>

#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/decode_codecs.h"
#include "data/exif.h"
#include "io/crc32.h"

namespace hd::data {
namespace {

struct MemoryReader {
  const uint8_t* data;
  size_t size, used;
};

// What the jump leaves behind. A fixed array: nothing here may need a destructor.
struct Failure {
  char message[120];
};

void readFromMemory(png_structp png, png_bytep out, size_t count) {
  auto* source = static_cast<MemoryReader*>(png_get_io_ptr(png));
  if (count > source->size - source->used) png_error(png, "the file is cut off");
  std::memcpy(out, source->data + source->used, count);
  source->used += count;
}

[[noreturn]] void keepAndJump(png_structp png, png_const_charp message) {
  auto* failure = static_cast<Failure*>(png_get_error_ptr(png));
  std::strncpy(failure->message, message, sizeof failure->message - 1);
  png_longjmp(png, 1);
}

void ignoreWarning(png_structp, png_const_charp) {}

// Whatever is stored becomes 8-bit RGB. Gamma is left alone, as in every detection tool chain.
void askForRgb(png_structp png) {
  png_set_expand(png);  // palette and low-bit grey → 8 bit, tRNS → alpha
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  png_color_16 black{};
  png_set_background(png, &black, PNG_BACKGROUND_GAMMA_SCREEN, 0, 1.0);
}

// True when all rows are written. No object with a destructor may live in this frame.
bool readRows(png_structp png, png_infop info, const PixelTarget& target, png_bytep* rows, Failure* failure) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_user_limits(png, static_cast<png_uint_32>(target.width), static_cast<png_uint_32>(target.height));
  // Profiles, texts and dates are left out: libpng takes memory for the length that they announce.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png, info);
  askForRgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != static_cast<size_t>(target.width) * 3 ||
      png_get_image_height(png, info) != static_cast<png_uint_32>(target.height)) {
    std::strncpy(failure->message, "its rows do not have the announced length", sizeof failure->message - 1);
    return false;
  }
  png_read_image(png, rows);
  return true;
}

uint32_t bigEndian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

constexpr size_t kSignature = 8, kChunkFrame = 12;
constexpr size_t kLargestExif = size_t{1} << 16;
constexpr int kMostChunks = 1000;

// The orientation of an eXIf chunk before the pixels, which is where writers put it; 1 without a sound one.
int exifOrientation(const ReadAt& read) {
  uint64_t at = kSignature;
  for (int i = 0; i < kMostChunks; ++i) {
    std::array<uint8_t, 8> head;
    if (read(at, head.data(), head.size()) < head.size()) return 1;
    const uint32_t length = bigEndian(head.data());
    const std::string_view type(reinterpret_cast<const char*>(head.data()) + 4, 4);
    if (type == "IDAT" || type == "IEND" || length > PNG_UINT_31_MAX) return 1;
    if (type == "eXIf" && length <= kLargestExif) {
      // Its type, which the checksum covers too, its content, and the checksum.
      std::vector<uint8_t> chunk(4 + length + 4);
      if (read(at + 4, chunk.data(), chunk.size()) < chunk.size()) return 1;
      const bool sound = io::crc32(chunk.data(), 4 + length) == bigEndian(chunk.data() + 4 + length);
      return sound ? tiffOrientation(chunk.data() + 4, length) : 1;
    }
    at += kChunkFrame + length;
  }
  return 1;
}

}  // namespace

PictureHeader readPngHeader(const ReadAt& read, const std::string& path) {
  std::array<uint8_t, 24> start;
  if (read(0, start.data(), start.size()) < start.size())
    badPicture(path, "a PNG that ends inside its header");
  if (std::string_view(reinterpret_cast<const char*>(start.data()) + 12, 4) != "IHDR") {
    badPicture(path, "a PNG that does not begin with its header chunk");
  }
  const uint32_t width = bigEndian(start.data() + 16), height = bigEndian(start.data() + 20);
  if (width > PNG_UINT_31_MAX || height > PNG_UINT_31_MAX) badPicture(path, "a PNG with a damaged header");
  return {PictureFormat::png, static_cast<int>(width), static_cast<int>(height), exifOrientation(read)};
}

void decodePng(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target) {
  std::vector<png_bytep> rows(static_cast<size_t>(target.height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = target.pixels + y * target.pitch;
  MemoryReader source{data, size, 0};
  Failure failure{};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure, keepAndJump, ignoreWarning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    throw Error("HD_INTERNAL", "expected a PNG decoder but libpng could not create one; free memory", path);
  }
  png_set_read_fn(png, &source, readFromMemory);
  const bool complete = readRows(png, info, target, rows.data(), &failure);
  png_destroy_read_struct(&png, &info, nullptr);
  if (!complete) badPicture(path, concat("a PNG that does not decode (", failure.message, ")"));
}

}  // namespace hd::data
