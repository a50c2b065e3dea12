#include "io/paged_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "files.h"

using hd::io::PagedFile;
using namespace hd::io::test;

namespace {

std::string content(size_t size) {
  std::string out(size, ' ');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + i * 7 % 26);
  return out;
}

}  // namespace

TEST_CASE("paged file: holds what was read at its place, and zeros elsewhere") {
  const TempFolder folder;
  const std::string text = content(50'000);
  writeAll(folder / "a", text);
  PagedFile file(folder / "a");
  REQUIRE(file.size() == text.size());
  const auto holds = [&](size_t begin, size_t end) {
    return std::memcmp(file.data() + begin, text.data() + begin, end - begin) == 0;
  };
  file.read(10'001, 20'000);
  CHECK(holds(10'001, 30'001));
  CHECK(file.data()[10'000] == 0);
  CHECK(file.data()[30'001] == 0);
  file.read(0, text.size());
  CHECK(holds(0, text.size()));
  file.read(text.size(), 0);
  CHECK(thrownBy([&] { file.read(49'999, 2); }).code == "HD_INTERNAL");
}

TEST_CASE("paged file: what is dropped are the whole pages, and no byte beside them") {
  const TempFolder folder;
  const std::string text = content(50'000);
  writeAll(folder / "a", text);
  PagedFile file(folder / "a");
  file.read(0, text.size());
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  file.drop(page - 1, 2 * page);  // reaches into three pages and holds one
  CHECK(std::memcmp(file.data(), text.data(), page) == 0);
  for (size_t i = page; i < 2 * page; ++i) REQUIRE(file.data()[i] == 0);
  CHECK(std::memcmp(file.data() + 2 * page, text.data() + 2 * page, text.size() - 2 * page) == 0);
  file.drop(3 * page + 1, 10);
  CHECK(file.data()[3 * page + 5] != 0);
  file.read(page, page);
  CHECK(std::memcmp(file.data(), text.data(), text.size()) == 0);
}

TEST_CASE("paged file: a file that is shortened meanwhile is an error, not the end of the process") {
  const TempFolder folder;
  writeAll(folder / "a", content(50'000));
  PagedFile file(folder / "a");
  file.read(0, 20'000);
  std::filesystem::resize_file(folder / "a", 30'000);
  CHECK(file.data()[19'999] != 0);
  const auto thrown = thrownBy([&] { file.read(20'000, 30'000); });
  CHECK(thrown.code == "HD_IO");
  CHECK(thrown.says("expected 50000 bytes"));
  CHECK(thrown.says("received 30000"));
  file.read(20'000, 10'000);
}

TEST_CASE(
    "paged file: an empty file is empty; missing files, folders, pipes and devices are refused at once") {
  const TempFolder folder;
  writeAll(folder / "empty", "");
  PagedFile file(folder / "empty");
  CHECK(file.size() == 0);
  file.read(0, 0);
  CHECK(thrownBy([&] { PagedFile(folder / "missing"); }).code == "HD_IO");
  CHECK(thrownBy([&] { PagedFile(folder.path()); }).says("expected a regular file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(thrownBy([&] { PagedFile(folder / "pipe"); }).says("expected a regular file"));
  CHECK(thrownBy([] { PagedFile("/dev/null"); }).says("expected a regular file"));
}
