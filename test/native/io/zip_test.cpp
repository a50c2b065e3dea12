#include "io/zip.h"

#include <doctest/doctest.h>

#include <cstring>

#include "files.h"
#include "torch_files.h"

using hd::io::ZipArchive;
using namespace hd::io::test;

namespace {

std::span<const uint8_t> spanOf(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

std::string textOf(std::span<const uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

ZipWriter twoEntries(ZipWriter writer = {}) {
  writer.add("a/first", "content one");
  writer.add("a/second", std::string("\0\1\2", 3));
  return writer;
}

Thrown opening(const std::string& bytes) {
  return thrownBy([&] { ZipArchive(spanOf(bytes), "w.pth"); });
}

Thrown reading(const std::string& bytes, const std::string& name) {
  return thrownBy([&] { ZipArchive(spanOf(bytes), "w.pth").read(name); });
}

template <class Number>
std::string patched(std::string bytes, size_t offset, Number value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}

}  // namespace

TEST_CASE("zip: entries are found and read in every variant of the container") {
  for (int variant = 0; variant < 16; ++variant) {
    ZipWriter writer;
    writer.descriptors = variant & 1;
    writer.zip64 = variant & 2;
    writer.aligned = variant & 4;
    if (variant & 8) writer.comment = "a comment with PK\5\6 in it, long enough for a record";
    const std::string bytes = twoEntries(writer).finish();
    CAPTURE(variant);
    ZipArchive archive(spanOf(bytes), "w.pth");
    CHECK(archive.entries().size() == 2);
    CHECK(archive.contains("a/first"));
    CHECK_FALSE(archive.contains("a/third"));
    CHECK(textOf(archive.read("a/first")) == "content one");
    CHECK(textOf(archive.read("a/second")) == std::string("\0\1\2", 3));
    CHECK(textOf(archive.read("a/first")) == "content one");
  }
}

TEST_CASE("zip: an archive of nothing is an archive") {
  const std::string bytes = ZipWriter().finish();
  CHECK(ZipArchive(spanOf(bytes), "w.pth").entries().empty());
}

TEST_CASE("zip: a missing entry is named") {
  const auto thrown = reading(twoEntries().finish(), "a/third");
  CHECK(thrown.code == "HD_PTH_CORRUPT");
  CHECK(thrown.says("'a/third'"));
}

TEST_CASE("zip: changed data does not pass its checksum; a checksum of 0 is none") {
  std::string bytes = twoEntries().finish();
  const size_t at = bytes.find("content one");
  bytes[at] = 'C';
  const auto thrown = reading(bytes, "a/first");
  CHECK(thrown.code == "HD_PTH_CORRUPT");
  CHECK(thrown.says("checksum"));
  CHECK(thrown.says("a/first"));
  CHECK(reading(bytes, "a/second").code.empty());
  const size_t central = bytes.find("PK\1\2");
  CHECK(reading(patched(bytes, central + 16, uint32_t{0}), "a/first").code.empty());
}

TEST_CASE("zip: compressed and encrypted entries are unsupported, and said so") {
  ZipWriter deflated;
  deflated.add("a", "xx", 8);
  CHECK(opening(deflated.finish()).code.empty());
  const auto thrown = reading(deflated.finish(), "a");
  CHECK(thrown.code == "HD_PTH_UNSUPPORTED");
  CHECK(thrown.says("compression method 8"));
  ZipWriter encrypted;
  encrypted.add("a", "xx", 0, 1);
  CHECK(opening(encrypted.finish()).code == "HD_PTH_UNSUPPORTED");
  CHECK(opening(encrypted.finish()).says("encrypted"));
}

TEST_CASE("zip: a file cut anywhere is corrupt") {
  for (const bool zip64 : {false, true}) {
    ZipWriter writer;
    writer.zip64 = zip64;
    const std::string whole = twoEntries(writer).finish();
    for (size_t size = 0; size < whole.size(); ++size)
      REQUIRE(opening(whole.substr(0, size)).code == "HD_PTH_CORRUPT");
    CHECK(opening(whole + "x").code == "HD_PTH_CORRUPT");
  }
}

TEST_CASE("zip: directory fields that lie are corrupt") {
  const std::string bytes = twoEntries().finish();
  const size_t end = bytes.size() - 22, central = bytes.find("PK\1\2");
  CHECK(opening(patched(bytes, end + 10, uint16_t{3})).code == "HD_PTH_CORRUPT");  // more entries
  CHECK(opening(patched(bytes, end + 10, uint16_t{1})).code == "HD_PTH_CORRUPT");  // fewer
  CHECK(opening(patched(bytes, end + 10, uint16_t{0xFFFF})).code == "HD_PTH_CORRUPT");
  CHECK(opening(patched(bytes, end + 12, ~uint32_t{0})).code == "HD_PTH_CORRUPT");        // directory size
  CHECK(opening(patched(bytes, end + 16, ~uint32_t{0})).code == "HD_PTH_CORRUPT");        // directory offset
  CHECK(opening(patched(bytes, central + 24, uint32_t{1000})).code == "HD_PTH_CORRUPT");  // sizes differ
  CHECK(opening(patched(bytes, central + 28, uint16_t{0xFFFF})).code == "HD_PTH_CORRUPT");  // name length
  CHECK(opening(patched(bytes, central + 42, uint32_t{1})).code == "HD_PTH_CORRUPT");       // local header
  CHECK(opening(patched(bytes, central + 42, ~uint32_t{0})).code == "HD_PTH_CORRUPT");
  CHECK(opening(patched(bytes, central + 46, 'b')).says("same name in both headers"));
  const std::string beyond =
      patched(patched(bytes, central + 20, uint32_t{1000}), central + 24, uint32_t{1000});
  CHECK(opening(beyond).says("within the file"));

  ZipWriter writer;
  writer.zip64 = true;
  const std::string large = twoEntries(writer).finish();
  const size_t end64 = large.rfind("PK\6\6");
  for (const size_t field : {32, 40, 48}) {
    CHECK(opening(patched(large, end64 + field, ~uint64_t{0})).code == "HD_PTH_CORRUPT");
  }
  CHECK(opening(patched(large, large.rfind("PK\6\7") + 8, ~uint64_t{0})).says("zip64 end record"));
  CHECK(opening(patched(large, large.size() - 12, uint16_t{1})).says("agree"));
}

TEST_CASE("zip: entries of equal names or shared bytes are refused") {
  ZipWriter twice;
  twice.add("a", "x");
  twice.add("a", "y");
  CHECK(opening(twice.finish()).says("different names"));

  // The first entry claims the whole second one, header and all.
  ZipWriter writer;
  writer.aligned = false;
  writer.add("a", "xxxx");
  writer.add("b", "yyyy");
  const std::string bytes = writer.finish();
  const size_t central = bytes.find("PK\1\2");
  const uint32_t size = 4 + 31 + 4;
  const auto thrown = opening(patched(patched(bytes, central + 20, size), central + 24, size));
  CHECK(thrown.code == "HD_PTH_CORRUPT");
  CHECK(thrown.says("do not overlap"));
}
