#include "io/whole_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "files.h"

using hd::io::readWholeFile;
using namespace hd::io::test;

TEST_CASE("whole file: holds the bytes, also after the file was replaced or removed") {
  const TempFolder folder;
  const std::string path = folder / "a", content = std::string(10000, 'x') + '\0' + "end";
  writeAll(path, content);
  const auto image = readWholeFile(path);
  std::filesystem::remove(path);
  REQUIRE(image.size == content.size());
  CHECK(std::memcmp(image.data, content.data(), content.size()) == 0);
}

TEST_CASE("whole file: a file that is shortened later changes nothing") {
  const TempFolder folder;
  writeAll(folder / "a", std::string(100'000, 'x'));
  const auto image = readWholeFile(folder / "a");
  std::filesystem::resize_file(folder / "a", 10);
  CHECK(image.data[99'999] == 'x');  // of a mapping: SIGBUS
}

TEST_CASE("whole file: memory lives as long as the last owner") {
  const TempFolder folder;
  writeAll(folder / "a", "abc");
  std::shared_ptr<const void> owner;
  const uint8_t* data = nullptr;
  {
    const auto image = readWholeFile(folder / "a");
    owner = image.owner;
    data = image.data;
  }
  CHECK(data[2] == 'c');
}

TEST_CASE("whole file: an empty file is empty") {
  const TempFolder folder;
  writeAll(folder / "a", "");
  CHECK(readWholeFile(folder / "a").size == 0);
}

TEST_CASE("whole file: missing files, folders, pipes and devices are refused at once") {
  const TempFolder folder;
  const auto missing = thrownBy([&] { readWholeFile(folder / "missing"); });
  CHECK(missing.code == "HD_IO");
  CHECK(missing.says("No such file"));
  CHECK(missing.says(folder / "missing"));
  CHECK(thrownBy([&] { readWholeFile(folder.path()); }).says("expected a regular file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(thrownBy([&] { readWholeFile(folder / "pipe"); }).says("expected a regular file"));
  CHECK(thrownBy([] { readWholeFile("/dev/null"); }).says("expected a regular file"));
  CHECK(thrownBy([] { readWholeFile(""); }).code == "HD_IO");
}
