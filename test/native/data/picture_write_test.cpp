#include <doctest/doctest.h>

#include "data/decode.h"
#include "native/data/picture_fixture.h"

using namespace fixture;
using hd::data::writePicture;

TEST_CASE("writePicture refuses what it cannot write, and leaves nothing behind") {
  const Folder folder;
  const Bytes pixels = waves(8, 8);
  CHECK(codeOf([&] { writePicture(folder / "a.gif", pixels.data(), 8, 8); }) == "HD_USAGE");
  CHECK(codeOf([&] { writePicture(folder / "a", pixels.data(), 8, 8); }) == "HD_USAGE");
  CHECK(codeOf([&] { writePicture(folder / "missing/a.png", pixels.data(), 8, 8); }) == "HD_IO");
  CHECK(codeOf([&] { writePicture(folder / "a.png", pixels.data(), 0, 8); }) == "HD_INTERNAL");
  std::filesystem::create_directory(folder / "taken.png");
  CHECK(codeOf([&] { writePicture(folder / "taken.png", pixels.data(), 8, 8); }) == "HD_IO");
  CHECK(std::distance(std::filesystem::directory_iterator(folder / ""), {}) == 1);
}

TEST_CASE("writePicture replaces an older picture") {
  const Folder folder;
  writePicture(folder / "a.png", waves(8, 8).data(), 8, 8);
  writePicture(folder / "a.png", waves(5, 4).data(), 5, 4);
  CHECK(hd::data::probePicture(folder / "a.png").width == 5);
  CHECK(std::distance(std::filesystem::directory_iterator(folder / ""), {}) == 1);
}
