#include "io/fsync.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "files.h"

using hd::io::fsyncPath;
using namespace hd::io::test;

TEST_CASE("fsync: files and folders") {
  const TempFolder folder;
  writeAll(folder / "a", "content");
  CHECK_NOTHROW(fsyncPath(folder / "a"));
  CHECK_NOTHROW(fsyncPath(folder.path()));
  CHECK(readAll(folder / "a") == "content");
}

TEST_CASE("fsync: what has no fsync is left as it is") {
  CHECK_NOTHROW(fsyncPath("/dev/null"));
}

TEST_CASE("fsync: a missing path is named") {
  const TempFolder folder;
  const auto thrown = thrownBy([&] { fsyncPath(folder / "missing"); });
  CHECK(thrown.code == "HD_IO");
  CHECK(thrown.message.find(folder / "missing") != std::string::npos);
}
