#include "data/picture_entry.h"

#include <cstring>

#include "core/error.h"
#include "pictures.h"

namespace fuzz {
namespace {

const std::string kText = "/pictures/a.png\n100 200 7×5 1/1\n{}";

hd::data::PictureKey keyOf(int divisor) {
  return {.image = 0, .file = "", .stamp = {}, .width = 7, .height = 5, .divisor = divisor};
}

std::string number(uint64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Three sizes, then pixels: damage that no checksum hides.
std::string aroundSizes(const std::string& bytes) {
  uint64_t sizes[3] = {};
  std::memcpy(sizes, bytes.data(), std::min(bytes.size(), sizeof sizes));
  const std::string pixels = bytes.size() > sizeof sizes ? bytes.substr(sizeof sizes) : "";
  const uint64_t sum = hd::data::pictureEntrySum(
      sizes[0], sizes[1], sizes[2], reinterpret_cast<const uint8_t*>(pixels.data()), pixels.size());
  return "hdtrain picture 2\n" + number(kText.size()) + kText + number(sizes[0]) + number(sizes[1]) +
         number(sizes[2]) + number(sum) + pixels;
}

std::vector<Sample> corpus() {
  std::vector<Sample> samples;
  for (const auto& [width, height] : {std::pair{7, 5}, {4, 3}}) {
    const std::string content = number(static_cast<uint64_t>(width)) + number(static_cast<uint64_t>(height)) +
                                number(width == 7) + text(fixture::waves(width, height));
    samples.push_back({content, aroundSizes});
    samples.push_back({aroundSizes(content)});
  }
  return samples;
}

void read(const std::string& input, const std::string& folder) {
  const std::string path = folder + "/entry";
  fixture::write(path, {input.begin(), input.end()});
  bool any = false;
  for (const int divisor : {1, 2}) {
    const auto found = hd::data::readPictureEntry(path, kText, keyOf(divisor));
    if (!found) continue;
    any = true;
    promise(found->picture.width == (7 + divisor - 1) / divisor, "a width that the key does not have");
    promise(found->picture.height == (5 + divisor - 1) / divisor, "a height that the key does not have");
    const size_t bytes = static_cast<size_t>(found->picture.width * found->picture.height) * 3;
    promise(input.ends_with(std::string(reinterpret_cast<const char*>(found->picture.pixels), bytes)),
            "pixels that the file does not have");
  }
  // A damaged entry is a missing one.
  if (!any) throw hd::Error("HD_IO", "expected an entry of the cache but received none", path);
}

Target target() {
  using namespace std::string_literals;
  return {
      corpus,
      {"hdtrain picture 2\n", number(1), number(7), number(1 << 16), number(uint64_t{1} << 63), "1/1", "\n"},
      {"HD_IO"},
      read};
}

HD_FUZZ_TARGET(picture_entry, target);

}  // namespace
}  // namespace fuzz
