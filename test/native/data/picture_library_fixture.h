// libvips for tests: the copy that npm installed, and pictures that it encodes.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "data/picture_library.h"
#include "picture_fixture.h"

namespace fixture {

/// Path of libvips, or "" where the optional package is not installed. Makes it known to the product.
inline std::string pictureLibrary() {
  const std::filesystem::path folder =
      std::filesystem::path(HD_SOURCE_DIR) / "node_modules/@img/sharp-libvips-linux-x64/lib";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with("libvips-cpp.so")) {
      hd::data::setPictureLibrary(entry.path().string());
      return entry.path().string();
    }
  }
  hd::require(std::getenv("CI") == nullptr, "expected libvips in node_modules: npm ci installs it");
  return "";
}

/// Encodes `pixels` (width × height × bands of `format`: 0 = 8 bit, 2 = 16 bit) by a suffix with options, for
/// instance ".webp[lossless]".
inline Bytes encodeOther(const void* pixels, size_t size, int width, int height, int bands, int format,
                         const std::string& suffix, int orientation = 0) {
  void* library = ::dlopen(pictureLibrary().c_str(), RTLD_NOW | RTLD_LOCAL);
  hd::require(library != nullptr, "expected libvips to load");
  const auto function = [&]<class F>(const char* name, F*) {
    return reinterpret_cast<F*>(::dlsym(library, name));
  };
  hd::data::pictureLibraryVersion();  // starts it
  const auto fromMemory = function("vips_image_new_from_memory_copy",
                                   static_cast<void* (*)(const void*, size_t, int, int, int, int)>(nullptr));
  const auto setInt = function("vips_image_set_int", static_cast<void (*)(void*, const char*, int)>(nullptr));
  const auto write = function("vips_image_write_to_buffer",
                              static_cast<int (*)(void*, const char*, void**, size_t*, ...)>(nullptr));
  const auto unref = function("g_object_unref", static_cast<void (*)(void*)>(nullptr));
  const auto release = function("g_free", static_cast<void (*)(void*)>(nullptr));
  void* image = fromMemory(pixels, size, width, height, bands, format);
  hd::require(image != nullptr, "expected libvips to take the pixels");
  if (orientation != 0) setInt(image, "orientation", orientation);
  void* data = nullptr;
  size_t bytes = 0;
  const int failed = write(image, suffix.c_str(), &data, &bytes, nullptr);
  unref(image);
  hd::require(failed == 0, "expected libvips to encode ", suffix);
  const Bytes out(static_cast<uint8_t*>(data), static_cast<uint8_t*>(data) + bytes);
  release(data);
  return out;
}

}  // namespace fixture
