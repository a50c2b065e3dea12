// RGB → JPEG or PNG files, for drawn predictions and generated data sets.
#include <png.h>
#include <turbojpeg.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "core/error.h"
#include "data/decode.h"

namespace hd::data {
namespace {

constexpr int kJpegQuality = 90;

struct DestroyHandle {
  void operator()(void* handle) const { tjDestroy(handle); }
};
struct FreeBuffer {
  void operator()(unsigned char* buffer) const { tjFree(buffer); }
};

std::vector<uint8_t> encodeJpeg(const std::string& path, const uint8_t* rgb, int width, int height) {
  const std::unique_ptr<void, DestroyHandle> handle(tjInitCompress());
  unsigned char* raw = nullptr;
  unsigned long size = 0;
  const bool failed = !handle || tjCompress2(handle.get(), rgb, width, 0, height, TJPF_RGB, &raw, &size,
                                             TJSAMP_420, kJpegQuality, 0) != 0;
  const std::unique_ptr<unsigned char, FreeBuffer> encoded(raw);
  if (failed) {
    throw Error("HD_IO",
                concat("expected a JPEG of ", width, "×", height, " pixels for ", path, " but received '",
                       tjGetErrorStr2(handle.get()), "'; write a smaller picture or a .png"),
                path);
  }
  return {encoded.get(), encoded.get() + size};
}

// libpng's simplified writer: it catches its own error jumps.
std::vector<uint8_t> encodePng(const std::string& path, const uint8_t* rgb, int width, int height) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  image.flags = PNG_IMAGE_FLAG_FAST;
  std::vector<uint8_t> encoded(PNG_IMAGE_PNG_SIZE_MAX(image));
  png_alloc_size_t size = encoded.size();
  if (png_image_write_to_memory(&image, encoded.data(), &size, 0, rgb, 0, nullptr) == 0) {
    const std::string reason = image.message;
    png_image_free(&image);
    throw Error("HD_IO",
                concat("expected a PNG of ", width, "×", height, " pixels for ", path, " but received '",
                       reason, "'; write a smaller picture"),
                path);
  }
  encoded.resize(size);
  return encoded;
}

std::string extensionOf(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char symbol) { return static_cast<char>(std::tolower(symbol)); });
  return extension;
}

// Under a temporary name first: a reader sees the old picture or the new one, never half of it.
void writeAtomically(const std::string& path, const std::vector<uint8_t>& bytes) {
  const std::string temporary = concat(path, ".", ::getpid(), ".tmp");
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  bool complete = file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (file != nullptr) complete = std::fclose(file) == 0 && complete;
  complete = complete && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (complete) return;
  const int reason = errno;
  std::remove(temporary.c_str());
  throw Error(reason == ENOSPC ? "HD_DISK_FULL" : "HD_IO",
              concat("expected a writable place for ", path, " but received '", std::strerror(reason),
                     "'; make the folder, free space or choose another one"),
              path);
}

}  // namespace

void writePicture(const std::string& path, const uint8_t* rgb, int width, int height) {
  require(width > 0 && height > 0, "expected a picture with pixels for ", path);
  const std::string extension = extensionOf(path);
  if (extension == ".jpg" || extension == ".jpeg") {
    writeAtomically(path, encodeJpeg(path, rgb, width, height));
  } else if (extension == ".png") {
    writeAtomically(path, encodePng(path, rgb, width, height));
  } else {
    throw Error("HD_USAGE",
                concat("expected .jpg, .jpeg or .png for ", path, " but received '", extension,
                       "'; choose one of them"),
                path);
  }
}

}  // namespace hd::data
