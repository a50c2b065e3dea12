#include "data/shard_files.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "data/parallel.h"
#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

std::string readText(const ShardFiles& files, size_t shard, uint64_t offset, size_t count) {
  std::string text(count, '?');
  text.resize(files.readAt(shard, offset, reinterpret_cast<uint8_t*>(text.data()), count));
  return text;
}

}  // namespace

TEST_CASE("shard files: bytes of any place, fewer at the end") {
  const fixture::Folder folder;
  fixture::writeText(folder / "a", "0123456789");
  ShardFiles files;
  CHECK(files.add(folder / "a") == 0);
  CHECK(files.count() == 1);
  CHECK(files.bytes(0) == 10);
  CHECK(files.path(0) == folder / "a");
  CHECK(readText(files, 0, 3, 4) == "3456");
  CHECK(readText(files, 0, 8, 4) == "89");
  CHECK(readText(files, 0, 10, 4) == "");
}

TEST_CASE("shard files: any number of files with a bounded number of descriptors, from many threads") {
  const fixture::Folder folder;
  ShardFiles files(3);
  for (int i = 0; i < 40; ++i) {
    fixture::writeText(folder / std::to_string(i), hd::concat("file ", i, "."));
    files.add(folder / std::to_string(i));
  }
  CHECK(files.open() == 0);
  parallelFor(2000, 4, [&](int64_t turn) {
    const auto shard = static_cast<size_t>(turn * 7 % 40);
    hd::require(readText(files, shard, 0, 20) == hd::concat("file ", shard, "."), "another file's bytes");
    hd::require(files.open() <= 3, "too many descriptors");
  });
  CHECK(files.open() == 3);
}

TEST_CASE("shard files: the last used stay open") {
  const fixture::Folder folder;
  ShardFiles files(2);
  for (const char* name : {"a", "b", "c"}) {
    fixture::writeText(folder / name, name);
    files.add(folder / name);
  }
  for (const size_t shard : {0, 1, 0, 2}) readText(files, shard, 0, 1);
  // b was closed: it is opened again, and so its loss is noticed; a is still open.
  std::filesystem::remove(folder / "a");
  std::filesystem::remove(folder / "b");
  CHECK(readText(files, 0, 0, 1) == "a");
  CHECK(codeOf([&] { readText(files, 1, 0, 1); }) == "HD_DATA_SHARD");
}

TEST_CASE("shard files: a file that was replaced is refused") {
  const fixture::Folder folder;
  fixture::writeText(folder / "a", "first");
  ShardFiles files;
  files.add(folder / "a");
  fixture::writeText(folder / "b", "other");
  std::filesystem::rename(folder / "b", folder / "a");
  std::string message;
  try {
    readText(files, 0, 0, 5);
  } catch (const hd::Error& error) {
    message = error.what();
  }
  CHECK(message.find("another file than the one that was indexed") != std::string::npos);
}

TEST_CASE("shard files: only regular files") {
  const fixture::Folder folder;
  ShardFiles files;
  CHECK(codeOf([&] { files.add(folder / "none"); }) == "HD_DATA_SHARD");
  CHECK(codeOf([&] { files.add(folder / ""); }) == "HD_DATA_SHARD");
  CHECK(codeOf([&] { files.add("/dev/zero"); }) == "HD_DATA_SHARD");
  CHECK(codeOf([&] { files.add(std::string("a\0b", 3)); }) == "HD_DATA_SHARD");
  CHECK(files.count() == 0);
}
