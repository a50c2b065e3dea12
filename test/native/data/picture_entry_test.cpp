#include "data/picture_entry.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "native/data/picture_fixture.h"

using namespace hd::data;
using fixture::Bytes;
using fixture::Folder;

namespace {

const std::string kText = "/pictures/a.jpg\n1 2";

PictureKey keyOf(int width, int height, int divisor = 1) {
  return {.image = 0, .file = "", .stamp = {}, .width = width, .height = height, .divisor = divisor};
}

/// The bytes of an entry of any sizes, with the checksum that they ask for.
Bytes entryOf(const std::array<uint64_t, 3>& sizes, const Bytes& pixels) {
  Bytes out;
  const auto add = [&out](const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    out.insert(out.end(), bytes, bytes + size);
  };
  const std::string magic = "hdtrain picture 2\n";
  const uint64_t length = kText.size(),
                 sum = pictureEntrySum(sizes[0], sizes[1], sizes[2], pixels.data(), pixels.size());
  add(magic.data(), magic.size());
  add(&length, sizeof length);
  add(kText.data(), kText.size());
  add(sizes.data(), sizeof sizes);
  add(&sum, sizeof sum);
  add(pixels.data(), pixels.size());
  return out;
}

bool reads(const std::string& path, const Bytes& bytes, const PictureKey& key) {
  fixture::write(path, bytes);
  return readPictureEntry(path, kText, key).has_value();
}

int64_t peakBytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace

TEST_CASE("an entry comes back as it was written, at a fraction as well") {
  const Folder folder;
  const Bytes pixels = fixture::waves(5, 4);
  Picture picture;
  picture.width = 5;
  picture.height = 4;
  picture.pixels = pixels.data();
  for (const auto& [key, fixed] :
       {std::pair{keyOf(5, 4), true}, {keyOf(9, 8, 2), false}, {keyOf(40, 25, 8), false}}) {
    const std::string path = folder / hd::concat("entry", key.divisor);
    REQUIRE(writePictureEntry(path, kText, {picture, fixed}));
    CHECK(std::filesystem::file_size(path) == static_cast<uint64_t>(pictureEntryBytes(kText, picture)));
    const auto found = readPictureEntry(path, kText, key);
    REQUIRE(found.has_value());
    CHECK(found->fixed == fixed);
    CHECK(found->picture.width == 5);
    CHECK(found->picture.height == 4);
    CHECK(Bytes(found->picture.pixels, found->picture.pixels + pixels.size()) == pixels);
    CHECK_FALSE(writePictureEntry(path, kText, {picture, fixed}));  // never over another
    CHECK_FALSE(readPictureEntry(path, kText + "3", key).has_value());
  }
  CHECK_FALSE(readPictureEntry(folder / "none", kText, keyOf(5, 4)).has_value());
  CHECK_FALSE(readPictureEntry(folder / "", kText, keyOf(5, 4)).has_value());
}

TEST_CASE("every bit counts, those of the sizes too") {
  const Folder folder;
  const Bytes whole = entryOf({5, 4, 1}, fixture::waves(5, 4));
  CHECK(reads(folder / "entry", whole, keyOf(5, 4)));
  for (size_t at = 0; at < whole.size(); ++at) {
    Bytes damaged = whole;
    damaged[at] ^= static_cast<uint8_t>(1u << at % 8);
    CAPTURE(at);
    CHECK_FALSE(reads(folder / "entry", damaged, keyOf(5, 4)));
  }
  Bytes longer = whole;
  longer.push_back(0);
  CHECK_FALSE(reads(folder / "entry", longer, keyOf(5, 4)));
  // Whether it serves for other fractions is believed under the checksum alone: nothing else would notice.
  Bytes other = whole;
  const size_t flag = whole.size() - 5 * 4 * 3 - 2 * sizeof(uint64_t);
  REQUIRE(other[flag] == 1);
  other[flag] = 0;
  CHECK_FALSE(reads(folder / "entry", other, keyOf(5, 4)));
}

TEST_CASE("sizes that the key or the file cannot have are refused before memory is taken") {
  const Folder folder;
  const Bytes pixels = fixture::waves(5, 4);
  const int64_t before = peakBytes();
  for (const std::array<uint64_t, 3>& sizes : {std::array<uint64_t, 3>{40000, 40000, 0},
                                               {uint64_t{1} << 63, 2, 0},
                                               {0, 4, 0},
                                               {4, 5, 0},
                                               {5, 4, 2},
                                               {uint64_t{1} << 32, uint64_t{1} << 32, 0}}) {
    CHECK_FALSE(reads(folder / "entry", entryOf(sizes, pixels), keyOf(5, 4)));
  }
  CHECK_FALSE(reads(folder / "entry", entryOf({40000, 40000, 0}, pixels), keyOf(40000, 40000)));
  CHECK_FALSE(reads(folder / "entry", entryOf({5, 4, 0}, pixels), keyOf(5, 4, 2)));
  // A file as long as the sizes say, of zeros that take no room on the disk.
  fixture::write(folder / "sparse", entryOf({40000, 40000, 0}, {}));
  std::filesystem::resize_file(folder / "sparse",
                               std::filesystem::file_size(folder / "sparse") + uint64_t{40000} * 40000 * 3);
  CHECK_FALSE(readPictureEntry(folder / "sparse", kText, keyOf(5, 4)).has_value());
  CHECK(peakBytes() - before < 100'000'000);
}
