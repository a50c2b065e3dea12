#include "io/mapped_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "files.h"

using hd::io::mapFile;
using namespace hd::io::test;

TEST_CASE("mapped file: holds the bytes, also after the file was replaced or removed") {
  const TempFolder folder;
  const std::string path = folder / "a", content = std::string(10000, 'x') + '\0' + "end";
  writeAll(path, content);
  const auto image = mapFile(path);
  std::filesystem::remove(path);
  REQUIRE(image.size == content.size());
  CHECK(std::memcmp(image.data, content.data(), content.size()) == 0);
}

TEST_CASE("mapped file: a file that is shortened later changes nothing") {
  const TempFolder folder;
  writeAll(folder / "a", std::string(100'000, 'x'));
  const auto image = mapFile(folder / "a");
  std::filesystem::resize_file(folder / "a", 10);
  CHECK(image.data[99'999] == 'x');  // of a mapping: SIGBUS
}

TEST_CASE("mapped file: memory lives as long as the last owner") {
  const TempFolder folder;
  writeAll(folder / "a", "abc");
  std::shared_ptr<const void> owner;
  const uint8_t* data = nullptr;
  {
    const auto image = mapFile(folder / "a");
    owner = image.owner;
    data = image.data;
  }
  CHECK(data[2] == 'c');
}

TEST_CASE("mapped file: an empty file is empty") {
  const TempFolder folder;
  writeAll(folder / "a", "");
  CHECK(mapFile(folder / "a").size == 0);
}

TEST_CASE("mapped file: missing files, folders, pipes and devices are refused at once") {
  const TempFolder folder;
  const auto missing = thrownBy([&] { mapFile(folder / "missing"); });
  CHECK(missing.code == "HD_IO");
  CHECK(missing.says("No such file"));
  CHECK(missing.says(folder / "missing"));
  CHECK(thrownBy([&] { mapFile(folder.path()); }).says("expected a regular file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(thrownBy([&] { mapFile(folder / "pipe"); }).says("expected a regular file"));
  CHECK(thrownBy([] { mapFile("/dev/null"); }).says("expected a regular file"));
  CHECK(thrownBy([] { mapFile(""); }).code == "HD_IO");
}
