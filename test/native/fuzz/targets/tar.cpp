#include "data/tar.h"

#include <algorithm>

#include "core/error.h"
#include "data_set.h"
#include "native/data/tar_fixture.h"

namespace fuzz {
namespace {

using fixture::paxRecord;
using fixture::Tar;

const char* const kCat = R"({"boxes": [[1, 2, 9, 10]], "labels": ["cat"]})";

std::string picture() {
  const fixture::Bytes png = fixture::png(fixture::waves(16, 12), 16, 12, fixture::PngForm{});
  return {png.begin(), png.end()};
}

std::string plain() {
  return Tar().file("000.png", picture()).file("000.json", kCat).file("b/001.png", picture()).whole();
}

/// Every kind of header that the reader knows.
std::string every() {
  const std::string six = std::string("\x80", 1) + std::string(10, '\0') + "\x06";
  return Tar()
      .longName("../" + std::string(200, 'l') + ".png")
      .file("short", picture())
      .pax(paxRecord("path", std::string(150, 'p') + ".json") + paxRecord("size", "2"))
      .entry({.name = "short"}, "{}")
      .pax(paxRecord("comment", "of all"), 'g')
      .pax(paxRecord("GNU.sparse.major", "1"))
      .file("sparse", "x")
      .entry({.name = "old.sparse", .size = 1, .type = 'S', .magic = "ustar  "}, "x")
      .entry({.name = "binary", .sizeField = six}, "binary")
      .entry({.name = "link", .type = '2'})
      .entry({.name = "folder/", .type = '5'})
      .entry({.name = "000.png", .size = picture().size(), .prefix = "a/b"}, picture())
      .whole();
}

/// Sound checksums at the places where the undamaged archive has its headers.
Sample signedSample(const std::string& archive) {
  std::vector<size_t> headers;
  for (size_t at = 0; at + 512 <= archive.size(); at += 512) {
    std::string block = archive.substr(at, 512);
    fixture::signTarHeader(block, 0);
    if (archive.compare(at, 512, block) == 0) headers.push_back(at);
  }
  return {archive, [headers](std::string damaged) {
            for (const size_t at : headers) {
              if (at + 512 <= damaged.size()) fixture::signTarHeader(damaged, at);
            }
            return damaged;
          }};
}

void checkIndex(const std::string& input) {
  const hd::data::TarIndex index = hd::data::readTarIndex(
      [&](uint64_t offset, uint8_t* out, size_t count) {
        promise(offset <= input.size(), "a read behind the archive");
        const size_t got = std::min<size_t>(count, input.size() - offset);
        std::copy_n(input.data() + offset, got, out);
        return got;
      },
      input.size());
  uint64_t behind = 0;
  for (const hd::data::TarEntry& entry : index.files) {
    promise(entry.offset >= behind + 512 && entry.offset % 512 == 0, "contents that overlap");
    promise(entry.offset <= input.size() && entry.size <= input.size() - entry.offset,
            "content behind the archive");
    promise(!entry.name.empty() && entry.name.size() <= 4096, "a name without bounds");
    promise(entry.name.find('\0') == std::string::npos, "a name with a NUL byte");
    behind = entry.offset + entry.size;
  }
  promise(index.endOffset <= input.size(), "an end behind the archive");
}

void read(const std::string& input, const std::string& folder) {
  checkIndex(input);
  fixture::writeText(folder + "/in/a.tar", input);
  const hd::Value spec = fixture::object({{"format", "webdataset"},
                                          {"shards", folder + "/in/a.tar"},
                                          {"classes", hd::Value::Array{"cat"}},
                                          {"keepEmpty", true},
                                          {"minSide", 1}});
  openDataset(spec);
  const auto dataset = hd::data::Dataset::open(spec);
  for (const int64_t image : dataset->trainable()) {
    try {
      dataset->sample(image, 0, 0);
    } catch (const hd::Error& error) {
      if (error.code() != "HD_DATA_IMAGE") throw;
    }
  }
  for (const auto& place : {folder, folder + "/in"}) {
    promise(std::distance(std::filesystem::directory_iterator(place), {}) == 1, "a file that was written");
  }
}

std::vector<std::string> tokens() {
  using namespace std::string_literals;
  return {
      "ustar\0"s
      "00"s,
      "ustar  \0"s,
      "\0"s,
      std::string(512, '\0'),
      "0",
      "1",
      "2",
      "5",
      "7",
      "L",
      "K",
      "x",
      "g",
      "S",
      "V",
      "\x80",
      "\xFF\xFF\xFF\xFF",
      "77777777777",
      "00000000000",
      "-1",
      " ",
      "12 path=abcd\n",
      "20 size=18446744073\n",
      "30 size=18446744073709551615\n",
      "../",
      "/",
      ".png",
      ".json",
      "000"};
}

Target target() {
  return {[] {
            const auto json = [](const std::string& text) {
              return Tar().file("a.png", picture()).file("a.json", text).whole();
            };
            return std::vector<Sample>{
                {plain()}, {every()}, signedSample(plain()), signedSample(every()), {kCat, json}};
          },
          tokens(),
          {"HD_DATA_"},
          read};
}

HD_FUZZ_TARGET(tar, target);

}  // namespace
}  // namespace fuzz
