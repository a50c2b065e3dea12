// Pictures for tests: encoded by calls of our own, in forms that writePicture() does not make.
#pragma once

#include <png.h>
#include <turbojpeg.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

namespace fixture {

using Bytes = std::vector<uint8_t>;

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "hdtrain-test-XXXXXX").string();
    hd::require(::mkdtemp(name.data()) != nullptr, "expected a temporary folder");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// Smooth waves: survives JPEG with small errors, and no two pixels of a row are equal by accident.
inline Bytes waves(int width, int height, int channels = 3, int phase = 0) {
  Bytes out;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        out.push_back(static_cast<uint8_t>(128 + 60 * std::sin(0.06 * x + c + phase) +
                                           60 * std::cos(0.05 * y + 2 * c)));
      }
    }
  }
  return out;
}

inline Bytes noise(size_t count, uint64_t seed) {
  hd::Random random(seed, "test", 0, 0);
  Bytes out(count);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random.bits());
  return out;
}

/// `format`: TJPF_RGB, TJPF_GRAY or TJPF_CMYK (inverted ink).
inline Bytes jpeg(const Bytes& pixels, int width, int height, int format = TJPF_RGB,
                  int sampling = TJSAMP_444, int flags = 0) {
  tjhandle handle = tjInitCompress();
  unsigned char* data = nullptr;
  unsigned long size = 0;
  const int failed =
      tjCompress2(handle, pixels.data(), width, 0, height, format, &data, &size, sampling, 95, flags);
  Bytes out;
  if (failed == 0) out.assign(data, data + size);
  tjFree(data);
  tjDestroy(handle);
  hd::require(failed == 0, "expected the fixture to be encoded");
  return out;
}

struct PngForm {
  int depth = 8, colour = PNG_COLOR_TYPE_RGB;
  bool interlaced = false;
  Bytes palette = {};  ///< RGB triples
};

/// `rows`: as the form stores them, 16 bit big-endian, sub-byte depths packed.
inline Bytes png(const Bytes& rows, int width, int height, const PngForm& form) {
  Bytes out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_check_for_invalid_index(png, -1);  // damaged palettes are written on purpose
  png_set_write_fn(
      png, &out,
      [](png_structp writer, png_bytep bytes, size_t count) {
        auto* sink = static_cast<Bytes*>(png_get_io_ptr(writer));
        sink->insert(sink->end(), bytes, bytes + count);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), form.depth,
               form.colour, form.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!form.palette.empty()) {
    png_set_PLTE(png, info, reinterpret_cast<png_const_colorp>(form.palette.data()),
                 static_cast<int>(form.palette.size() / 3));
  }
  png_set_check_for_invalid_index(png, 0);  // a test writes palette numbers beyond the palette
  png_write_info(png, info);
  std::vector<png_bytep> pointers;
  const size_t pitch = rows.size() / static_cast<size_t>(height);
  for (int y = 0; y < height; ++y)
    pointers.push_back(const_cast<png_bytep>(rows.data() + static_cast<size_t>(y) * pitch));
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

/// Gives a JPEG another size in its frame header.
inline void setJpegSize(Bytes& jpeg, int width, int height) {
  for (size_t i = 2; i + 9 < jpeg.size();) {
    const int marker = jpeg[i + 1], length = jpeg[i + 2] << 8 | jpeg[i + 3];
    if (marker >= 0xC0 && marker <= 0xC2) {
      jpeg[i + 5] = static_cast<uint8_t>(height >> 8);
      jpeg[i + 6] = static_cast<uint8_t>(height);
      jpeg[i + 7] = static_cast<uint8_t>(width >> 8);
      jpeg[i + 8] = static_cast<uint8_t>(width);
      return;
    }
    i += 2 + static_cast<size_t>(length);
  }
}

/// The code of the hd::Error that `action` throws; "" when it throws none.
template <class Action>
std::string codeOf(const Action& action) {
  try {
    action();
  } catch (const hd::Error& error) {
    return error.code();
  }
  return "";
}

}  // namespace fixture
