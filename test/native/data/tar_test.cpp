#include "data/tar.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "data/text_file.h"
#include "data_fixture.h"
#include "tar_fixture.h"

using namespace hd::data;
using fixture::paxRecord;
using fixture::Tar;
using End = TarIndex::End;

namespace {

struct Reads {
  int64_t count = 0;
  uint64_t bytes = 0;
};

TarIndex indexOf(const std::string& archive, const TarLimits& limits = {}, Reads* reads = nullptr) {
  const ReadAt read = [&](uint64_t offset, uint8_t* out, size_t count) {
    REQUIRE(offset <= archive.size());
    const size_t got = std::min<uint64_t>(count, archive.size() - offset);
    std::memcpy(out, archive.data() + offset, got);
    if (reads != nullptr) *reads = {reads->count + 1, reads->bytes + got};
    return got;
  };
  return readTarIndex(read, archive.size(), limits);
}

std::vector<std::string> names(const TarIndex& index) {
  std::vector<std::string> out;
  for (const TarEntry& entry : index.files) out.push_back(entry.name);
  return out;
}

std::string content(const std::string& archive, const TarEntry& entry) {
  return archive.substr(entry.offset, entry.size);
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("tar: names, places and sizes of regular files, without reading their contents") {
  const std::string large(100'000, 'x');
  const std::string archive =
      Tar().file("a.jpg", "first").file("sub/b.json", "{}").file("empty", "").file("c.bin", large).whole();
  Reads reads;
  const TarIndex index = indexOf(archive, {}, &reads);
  CHECK(index.end == End::whole);
  CHECK(index.skipped.empty());
  CHECK(names(index) == Names{"a.jpg", "sub/b.json", "empty", "c.bin"});
  CHECK(content(archive, index.files[0]) == "first");
  CHECK(content(archive, index.files[1]) == "{}");
  CHECK(index.files[2].size == 0);
  CHECK(content(archive, index.files[3]) == large);
  CHECK(reads.count == 5);
  CHECK(reads.bytes == 5 * 512);
}

TEST_CASE("tar: old headers, GNU headers, and the prefix of ustar") {
  const std::string archive =
      Tar()
          .entry({.name = "old", .size = 1, .type = '\0', .magic = std::string(8, '\0')}, "o")
          .entry({.name = "contiguous", .size = 1, .type = '7'}, "c")
          .entry({.name = "name", .size = 1, .prefix = "long/path"}, "p")
          // GNU keeps times where ustar has its prefix.
          .entry({.name = "gnu", .size = 1, .prefix = "14700000000", .magic = "ustar  "}, "g")
          .entry({.name = std::string(100, 'n'), .prefix = std::string(155, 'p')})
          .whole();
  const TarIndex index = indexOf(archive);
  CHECK(index.end == End::whole);
  CHECK(names(index) == Names{"old", "contiguous", "long/path/name", "gnu",
                              std::string(155, 'p') + "/" + std::string(100, 'n')});
  CHECK(content(archive, index.files[3]) == "g");
}

TEST_CASE("tar: GNU long names hold for one entry") {
  const std::string longName = std::string(300, 'd') + "/a.jpg";
  const std::string archive =
      Tar().longName("somewhere/else", 'K').longName(longName).file("cut off", "1").file("next", "2").whole();
  const TarIndex index = indexOf(archive);
  CHECK(index.end == End::whole);
  CHECK(names(index) == Names{longName, "next"});
  CHECK(content(archive, index.files[0]) == "1");
}

TEST_CASE("tar: PAX names and sizes, of one entry and of all") {
  const std::string longName = "ü/" + std::string(500, 'x') + ".jpg";
  const std::string archive =
      Tar()
          .pax(paxRecord("mtime", "1700000000.5") + paxRecord("path", longName) + paxRecord("size", "3"))
          .entry({.name = "short", .size = 0}, "abc")
          .file("plain", "d")
          .pax(paxRecord("size", "2") + paxRecord("comment", "a = b\nc"), 'g')
          .entry({.name = "by all", .size = 0}, "ef")
          .pax(paxRecord("size", "4"))
          .entry({.name = "by itself", .size = 0}, "ghij")
          .whole();
  const TarIndex index = indexOf(archive);
  CHECK(index.end == End::whole);
  CHECK(names(index) == Names{longName, "plain", "by all", "by itself"});
  CHECK(content(archive, index.files[0]) == "abc");
  CHECK(content(archive, index.files[1]) == "d");
  CHECK(content(archive, index.files[2]) == "ef");
  CHECK(content(archive, index.files[3]) == "ghij");
}

TEST_CASE("tar: PAX headers that are none make the next entry nameless, not the archive useless") {
  for (const std::string& records :
       {std::string("no length"), std::string("5 a=b"), std::string("99 path=a\n"), std::string("8 path\n\n"),
        std::string("0 path=a\n"), std::string("3 =\n"), std::string("18446744073709551616 a=b\n"),
        paxRecord("size", "-1"), paxRecord("size", "1x"), paxRecord("size", "9223372036854775808"),
        paxRecord("size", ""), paxRecord("path", "")}) {
    CAPTURE(records);
    const std::string archive = Tar().file("a", "1").pax(records).file("b", "2").file("c", "3").whole();
    const TarIndex index = indexOf(archive);
    CHECK(index.end == End::whole);
    CHECK(names(index) == Names{"a", "c"});
    CHECK(index.skipped.at("entries without a usable name") == 1);
  }
}

TEST_CASE("tar: sizes in base 256") {
  const std::string three = std::string("\x80", 1) + std::string(10, '\0') + "\x03";
  const std::string archive = Tar().entry({.name = "a", .sizeField = three}, "abc").file("b", "d").whole();
  const TarIndex index = indexOf(archive);
  CHECK(index.end == End::whole);
  CHECK(content(archive, index.files.at(0)) == "abc");
  CHECK(names(index) == Names{"a", "b"});
  // Negative, and more than a file can hold.
  for (const std::string& field : {std::string(12, '\xFF'), "\x80" + std::string(11, '\xFF'),
                                   "\x80" + std::string("\0\0\0\x80", 4) + std::string(7, '\0')}) {
    const TarIndex bad = indexOf(Tar().file("a", "1").entry({.name = "b", .sizeField = field}).whole());
    CHECK(bad.end == End::damaged);
    CHECK(bad.endOffset == 1024);
    CHECK(names(bad) == Names{"a"});
  }
}

TEST_CASE("tar: names are only names") {
  const std::string archive = Tar()
                                  .file("../../x", "1")
                                  .file("/etc/passwd", "2")
                                  .file("a/../../b.jpg", "3")
                                  .file(std::string("nul\0.jpg", 8), "4")
                                  .whole();
  CHECK(names(indexOf(archive)) == Names{"../../x", "/etc/passwd", "a/../../b.jpg", "nul"});
}

TEST_CASE("tar: links, devices, FIFOs and unknown entries are skipped and counted") {
  const std::string archive = Tar()
                                  .entry({.name = "hard", .type = '1'})
                                  .entry({.name = "soft", .type = '2'})
                                  // A link has no content, whatever its size says.
                                  .entry({.name = "soft", .size = 1 << 20, .type = '2'})
                                  .entry({.name = "character", .type = '3'})
                                  .entry({.name = "block", .type = '4'})
                                  .entry({.name = "folder/", .type = '5'})
                                  .entry({.name = "old folder/", .type = '\0'})
                                  .entry({.name = "fifo", .type = '6'})
                                  .entry({.name = "volume", .size = 3, .type = 'V'}, "abc")
                                  .file("a.jpg", "1")
                                  .whole();
  const TarIndex index = indexOf(archive);
  CHECK(index.end == End::whole);
  CHECK(names(index) == Names{"a.jpg"});
  const std::map<std::string, int64_t> expected{{"FIFOs", 1},
                                                {"devices", 2},
                                                {"entries of unknown kinds", 1},
                                                {"hard links", 1},
                                                {"symbolic links", 2}};
  CHECK((index.skipped == expected));
}

TEST_CASE("tar: sparse files are skipped in both forms") {
  // GNU's old form: two blocks of map behind the header, then the content.
  std::string header = fixture::tarHeader({.name = "sparse", .size = 5, .type = 'S', .magic = "ustar  "});
  header[482] = 1;
  fixture::signTarHeader(header, 0);
  std::string map(1024, '\0');
  map[504] = 1;
  const std::string archive = Tar()
                                  .raw(header + map + fixture::tarBlocks("abcde"))
                                  .file("a", "1")
                                  .pax(paxRecord("GNU.sparse.major", "1") + paxRecord("GNU.sparse.name", "s"))
                                  .file("GNUSparseFile.0/s", "map and content")
                                  .file("b", "2")
                                  .whole();
  const TarIndex index = indexOf(archive);
  CHECK(index.end == End::whole);
  CHECK(names(index) == Names{"a", "b"});
  CHECK(index.skipped.at("sparse files") == 2);
  // A map without end.
  map[1016] = 1;
  CHECK(indexOf(Tar().file("a", "1").raw(header + map).text()).end == End::cut);
}

TEST_CASE("tar: a cut archive gives what is whole, wherever it is cut") {
  const std::string archive = Tar()
                                  .file("a", std::string(700, 'a'))
                                  .longName(std::string(600, 'n'))
                                  .file("b", "b")
                                  .pax(paxRecord("path", "c"))
                                  .file("x", std::string(512, 'c'))
                                  .whole();
  const std::vector<size_t> ends{512 + 700, 512 + 1024 + 512 + 1024 + 512 + 1, archive.size() - 1024};
  for (size_t length = 0; length < archive.size(); length += length % 512 == 511 ? 1 : 37) {
    CAPTURE(length);
    const TarIndex index = indexOf(archive.substr(0, length));
    const auto whole = std::count_if(ends.begin(), ends.end(), [&](size_t end) { return end <= length; });
    CHECK(static_cast<int64_t>(index.files.size()) == whole);
    // One block of zeros ends an archive.
    CHECK(index.end == (length >= archive.size() - 512 ? End::whole : End::cut));
  }
  CHECK(indexOf("").end == End::cut);
}

TEST_CASE("tar: sizes that lie") {
  const TarIndex longer = indexOf(Tar().file("a", "1").entry({.name = "b", .size = 5000}, "short").whole());
  CHECK(longer.end == End::cut);
  CHECK(names(longer) == Names{"a"});
  CHECK(longer.endOffset == 1024);
  // The rest of the content stands where a header should.
  const TarIndex shorter = indexOf(
      Tar().file("a", "1").entry({.name = "b", .size = 3}, std::string(2000, 'x')).file("c", "2").whole());
  CHECK(shorter.end == End::damaged);
  CHECK(names(shorter) == Names{"a", "b"});
  // A PAX size near the largest number must not wrap around.
  const std::string archive =
      Tar().pax(paxRecord("size", "9223372036854775807")).file("a", "1").file("b", "2").whole();
  const TarIndex huge = indexOf(archive);
  CHECK(huge.end == End::cut);
  CHECK(huge.files.empty());
}

TEST_CASE("tar: a header with a wrong checksum ends the index") {
  for (const int error : {1, -1, 512}) {
    const TarIndex index = indexOf(Tar()
                                       .file("a", "1")
                                       .entry({.name = "b", .size = 1, .checksumError = error}, "2")
                                       .file("c", "3")
                                       .whole());
    CHECK(index.end == End::damaged);
    CHECK(index.endOffset == 1024);
    CHECK(names(index) == Names{"a"});
  }
  CHECK(indexOf(std::string(2048, '\x1F')).end == End::damaged);
  CHECK(indexOf(std::string(2048, '\x1F')).endOffset == 0);
}

TEST_CASE("tar: the sum of signed bytes of old writers") {
  std::string header = fixture::tarHeader({.name = "\xE4.jpg", .size = 1});
  int sum = 0;
  for (size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<signed char>(header[i]);
  std::snprintf(header.data() + 148, 8, "%06o", static_cast<unsigned>(sum));
  CHECK(names(indexOf(Tar().raw(header + fixture::tarBlocks("1")).whole())) == Names{"\xE4.jpg"});
}

TEST_CASE("tar: limits on entries, names and extended headers") {
  Tar tar;
  for (int i = 0; i < 5; ++i) tar.file(hd::concat("f", i), "x");
  const TarIndex few = indexOf(tar.whole(), {.maxHeaders = 3});
  CHECK(few.end == End::limit);
  CHECK(names(few) == Names{"f0", "f1", "f2"});
  CHECK(indexOf(tar.whole(), {.maxHeaders = 5}).end == End::whole);

  const std::string archive = Tar()
                                  .longName(std::string(41, 'l'))
                                  .file("a", "1")
                                  .longName(std::string(40, 'l'))
                                  .file("b", "2")
                                  .pax(paxRecord("path", std::string(41, 'p')))
                                  .file("c", "3")
                                  .pax(paxRecord("comment", std::string(200, 'p')))
                                  .file("d", "4")
                                  .file("e", "5")
                                  .whole();
  const TarIndex index = indexOf(archive, {.maxNameBytes = 40, .maxExtendedBytes = 100});
  CHECK(index.end == End::whole);
  CHECK(names(index) == Names{std::string(40, 'l'), "e"});
  CHECK(index.skipped.at("entries without a usable name") == 3);
}

TEST_CASE("tar: what tar programs write") {
  const fixture::Folder folder;
  const std::string longFolder = std::string(60, 'd') + "/" + std::string(60, 'e');
  fixture::writeText(folder / "in/a.jpg", "picture");
  fixture::writeText(folder / ("in/" + longFolder + "/b.json"), "{}");
  std::filesystem::create_symlink("/etc/passwd", folder / "in/link");
  for (const char* form : {"gnu", "ustar", "pax", "v7"}) {
    const std::string out = folder / (std::string(form) + ".tar");
    const std::string command =
        hd::concat("tar --format=", form, " --sort=name -cf ", out, " -C ", folder / "in", " . 2>/dev/null");
    const int status = std::system(command.c_str());
    const bool v7 = std::string(form) == "v7";
    if (status != 0 && !v7) {
      MESSAGE("no GNU tar on this machine");
      return;
    }
    CAPTURE(form);
    const std::string archive = readTextFile(out, 1 << 20);
    const TarIndex index = indexOf(archive);
    CHECK(index.end == End::whole);
    // The old form has no room for the long name: tar leaves that file out.
    CHECK(names(index) == (v7 ? Names{"./a.jpg"} : Names{"./a.jpg", "./" + longFolder + "/b.json"}));
    CHECK(index.skipped.at("symbolic links") == 1);
    CHECK(content(archive, index.files.at(0)) == "picture");
  }
}
