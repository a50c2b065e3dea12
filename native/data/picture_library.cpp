#include "data/picture_library.h"

#include <dlfcn.h>

#include <cstring>
#include <memory>
#include <mutex>

#include "core/error.h"

namespace hd::data {
namespace {

// libvips's C interface, as far as it is used. VipsImage stays opaque: its layout is the library's.
struct VipsImage;
constexpr int kRandomAccess = 0, kFailOnError = 2, kUnsignedByte = 0, kSrgb = 22;
constexpr int kWarningLevel = 1 << 4;

std::mutex pathMutex;
std::string& libraryPath() {
  static std::string path;
  return path;
}

class Vips {
 public:
  static const Vips& get() {
    std::string path;
    {
      const std::lock_guard lock(pathMutex);
      path = libraryPath();
    }
    static const Vips missing{""};
    if (path.empty()) return missing;
    static const Vips vips{path};
    return vips;
  }

  bool usable() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }

  const char* (*versionString)() = nullptr;
  VipsImage* (*imageNewFromBuffer)(const void*, size_t, const char*, ...) = nullptr;
  int (*imageWidth)(const VipsImage*) = nullptr;
  int (*imageHeight)(const VipsImage*) = nullptr;
  int (*imageBands)(const VipsImage*) = nullptr;
  int (*imageHasAlpha)(const VipsImage*) = nullptr;
  int (*imageOrientation)(const VipsImage*) = nullptr;
  int (*colourspace)(VipsImage*, VipsImage**, int, ...) = nullptr;
  int (*flatten)(VipsImage*, VipsImage**, ...) = nullptr;
  int (*cast)(VipsImage*, VipsImage**, int, ...) = nullptr;
  void* (*writeToMemory)(VipsImage*, size_t*) = nullptr;
  void (*unref)(void*) = nullptr;
  void (*release)(void*) = nullptr;
  char* (*takeErrors)() = nullptr;

 private:
  explicit Vips(const std::string& path) {
    if (path.empty()) {
      problem_ = "libvips is not installed";
      return;
    }
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      problem_ = concat("libvips does not load (", ::dlerror(), ")");
      return;
    }
    int (*init)(const char*) = nullptr;
    void (*concurrencySet)(int) = nullptr;
    void (*cacheSetMax)(int) = nullptr;
    void (*blockUntrusted)(int) = nullptr;
    unsigned (*logSetHandler)(const char*, int, void (*)(const char*, int, const char*, void*), void*) =
        nullptr;
    const auto find = [&](const char* name, auto& function) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
      if (function == nullptr && problem_.empty()) problem_ = concat("libvips has no function ", name);
    };
    find("vips_init", init);
    find("vips_concurrency_set", concurrencySet);
    find("vips_cache_set_max", cacheSetMax);
    find("vips_block_untrusted_set", blockUntrusted);
    find("g_log_set_handler", logSetHandler);
    find("vips_version_string", versionString);
    find("vips_image_new_from_buffer", imageNewFromBuffer);
    find("vips_image_get_width", imageWidth);
    find("vips_image_get_height", imageHeight);
    find("vips_image_get_bands", imageBands);
    find("vips_image_hasalpha", imageHasAlpha);
    find("vips_image_get_orientation", imageOrientation);
    find("vips_colourspace", colourspace);
    find("vips_flatten", flatten);
    find("vips_cast", cast);
    find("vips_image_write_to_memory", writeToMemory);
    find("g_object_unref", unref);
    find("g_free", release);
    find("vips_error_buffer_copy", takeErrors);
    if (!problem_.empty()) return;
    if (init("hdtrain") != 0) {
      problem_ = "libvips does not start";
      return;
    }
    // One thread a picture: decode threads work side by side. Its cache of operations would key them by
    // address.
    concurrencySet(1);
    cacheSetMax(0);
    // Only loaders that are fuzzed upstream.
    blockUntrusted(1);
    logSetHandler(
        "VIPS", kWarningLevel, [](const char*, int, const char*, void*) {}, nullptr);
  }

  std::string problem_;
};

struct Unref {
  void operator()(VipsImage* image) const { Vips::get().unref(image); }
};
using Image = std::unique_ptr<VipsImage, Unref>;

struct Release {
  void operator()(void* memory) const { Vips::get().release(memory); }
};

[[noreturn]] void refuse(const std::string& path) {
  const std::unique_ptr<char, Release> text(Vips::get().takeErrors());
  std::string reason(text == nullptr ? "" : text.get());
  reason = reason.substr(0, reason.find('\n'));
  badPicture(path, concat("a picture that does not decode (",
                          reason.empty() ? "libvips says no more" : reason, ")"));
}

Image open(const uint8_t* data, size_t size, const std::string& path) {
  const Vips& vips = Vips::get();
  if (!vips.usable()) {
    badPicture(path, concat("a format that libvips reads, but ", vips.problem(),
                            " (type: npm install @img/sharp-libvips-linux-x64)"));
  }
  Image image(
      vips.imageNewFromBuffer(data, size, "", "access", kRandomAccess, "fail_on", kFailOnError, nullptr));
  if (!image) refuse(path);
  return image;
}

}  // namespace

void setPictureLibrary(const std::string& path) {
  const std::lock_guard lock(pathMutex);
  if (libraryPath().empty()) libraryPath() = path;
}

std::string pictureLibraryVersion() {
  const Vips& vips = Vips::get();
  if (!vips.usable()) return vips.problem();
  const std::string text = vips.versionString();
  return concat("libvips ", text.substr(0, text.find('-')));
}

PictureHeader readOtherHeader(const uint8_t* data, size_t size, const std::string& path) {
  const Image image = open(data, size, path);
  const Vips& vips = Vips::get();
  return {PictureFormat::other, vips.imageWidth(image.get()), vips.imageHeight(image.get()),
          vips.imageOrientation(image.get())};
}

void decodeOther(const uint8_t* data, size_t size, const std::string& path, const PixelTarget& target) {
  const Vips& vips = Vips::get();
  Image image = open(data, size, path);
  const auto apply = [&](auto&& operation) {
    VipsImage* out = nullptr;
    if (operation(image.get(), &out) != 0) refuse(path);
    image.reset(out);
  };
  apply([&](VipsImage* in, VipsImage** out) { return vips.colourspace(in, out, kSrgb, nullptr); });
  if (vips.imageHasAlpha(image.get()) != 0)
    apply([&](VipsImage* in, VipsImage** out) { return vips.flatten(in, out, nullptr); });
  apply([&](VipsImage* in, VipsImage** out) { return vips.cast(in, out, kUnsignedByte, nullptr); });
  if (vips.imageBands(image.get()) != 3 || vips.imageWidth(image.get()) != target.width ||
      vips.imageHeight(image.get()) != target.height)
    badPicture(path, "a picture whose pixels are not what its header says");
  size_t bytes = 0;
  const std::unique_ptr<void, Release> pixels(vips.writeToMemory(image.get(), &bytes));
  if (!pixels) refuse(path);
  const size_t row = static_cast<size_t>(target.width) * 3;
  require(bytes == row * static_cast<size_t>(target.height), "expected as many pixels as libvips announced");
  for (int y = 0; y < target.height; ++y) {
    std::memcpy(target.pixels + static_cast<size_t>(y) * target.pitch,
                static_cast<const uint8_t*>(pixels.get()) + static_cast<size_t>(y) * row, row);
  }
}

}  // namespace hd::data
