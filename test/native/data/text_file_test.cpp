#include "data/text_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

TEST_CASE("a file is read whole, without its byte order mark and with room behind it") {
  const fixture::Folder folder;
  fixture::writeText(folder / "a.txt", "\xEF\xBB\xBFhello\n");
  const std::string text = readTextFile(folder / "a.txt", 100, 64);
  CHECK(text == "hello\n");
  CHECK(text.capacity() >= text.size() + 64);
  fixture::writeText(folder / "empty", "");
  CHECK(readTextFile(folder / "empty", 100).empty());
}

TEST_CASE("what is no readable regular file of bounded size is refused without blocking") {
  const fixture::Folder folder;
  CHECK(codeOf([&] { readTextFile(folder / "none", 100); }) == "HD_DATA_FILE");
  CHECK(codeOf([&] { readTextFile(folder / "", 100); }) == "HD_DATA_FILE");
  CHECK(codeOf([&] { readTextFile(std::string("a\0b", 3), 100); }) == "HD_DATA_FILE");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(codeOf([&] { readTextFile(folder / "pipe", 100); }) == "HD_DATA_FILE");
  CHECK(codeOf([&] { readTextFile("/dev/zero", 100); }) == "HD_DATA_FILE");
  std::filesystem::create_symlink("loop", folder / "loop");
  CHECK(codeOf([&] { readTextFile(folder / "loop", 100); }) == "HD_DATA_FILE");
  fixture::writeText(folder / "large", std::string(101, 'x'));
  CHECK(codeOf([&] { readTextFile(folder / "large", 100); }) == "HD_DATA_TOO_LARGE");
}

TEST_CASE("lines keep their numbers, whatever ends them") {
  using Lines = std::vector<std::string_view>;
  CHECK(splitLines("").empty());
  CHECK(splitLines("a\r\n\nb \t\nc") == Lines{"a", "", "b", "c"});
  CHECK(splitLines("a\n") == Lines{"a"});
  CHECK(splitLines("\n\n") == Lines{"", ""});
}

TEST_CASE("trim takes blanks from both ends") {
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(trim("  ").empty());
}

TEST_CASE("numbers take the whole text and are finite") {
  double number = 0;
  CHECK(parseNumber(" 1.5e-1 ", number));
  CHECK(number == 0.15);
  CHECK(parseNumber("+3", number));
  CHECK(parseNumber("-0.0", number));
  for (const char* bad :
       {"", "-", "+", "1,5", "1 2", "0x10", "nan", "inf", "-inf", "1e999", "1.5px", "++1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parseNumber(bad, number));
  }
}
