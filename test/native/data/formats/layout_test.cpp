#include "data/formats/layout.h"

#include <doctest/doctest.h>

#include "../data_fixture.h"
#include "data/formats/listing.h"

using namespace hd::data;
using fixture::codeOf;

TEST_CASE("layout: files and folders are told by the split in their names") {
  const fixture::Folder folder;
  for (const char* name :
       {"annotations/instances_train.json", "valid/x.json", "test/deep/x.json", "other.json"}) {
    fixture::writeText(folder / name, "");
  }
  const Layout layout(folder / "");
  CHECK(layout.filesWith(".json").size() == 4);
  CHECK(layout.filesWith(".xml").empty());
  CHECK(layout.splitOf(layout.root() / "annotations/instances_train.json") == Split::train);
  CHECK(layout.splitOf(layout.root() / "annotations/instances_trainval.json") == Split::train);
  CHECK(layout.splitOf(layout.root() / "valid/x.json") == Split::val);
  CHECK(layout.splitOf(layout.root() / "test/deep/x.json") == Split::test);
  CHECK_FALSE(layout.splitOf(layout.root() / "other.json").has_value());
}

TEST_CASE("layout: lists and folders are found, those of the split first") {
  const fixture::Folder folder;
  fixture::writeText(folder / "ImageSets/Main/trainval.txt", "a");
  fixture::writeText(folder / "images/a.png", "");
  fixture::writeText(folder / "images/train/a.png", "");
  const Layout layout(folder / "");
  REQUIRE(layout.list(Split::train).has_value());
  CHECK(layout.list(Split::train)->filename() == "trainval.txt");
  CHECK_FALSE(layout.list(Split::val).has_value());
  const auto holds = [](const std::filesystem::path& path) { return isFile(path / "a.png"); };
  CHECK(layout.folderHolding(Split::train, holds)->filename() == "train");
  CHECK(layout.folderHolding(Split::val, holds)->filename() == "images");
  CHECK_FALSE(layout.folderHolding(Split::val, [](const auto&) { return false; }).has_value());
}

TEST_CASE("layout: folders beyond the third level and missing roots") {
  const fixture::Folder folder;
  fixture::writeText(folder / "1/2/3/4/x.json", "");
  fixture::writeText(folder / "1/2/3/y.json", "");
  CHECK(Layout(folder / "").filesWith(".json").size() == 1);
  CHECK(codeOf([&] { Layout(folder / "none"); }) == "HD_DATA_FILE");
  CHECK_FALSE(isFile(std::string("a\0b", 3)));
  CHECK_FALSE(isFile(folder / "1"));
}

TEST_CASE("listing: pictures are found by name, stem, path or another extension") {
  const fixture::Folder folder;
  for (const char* name : {"a.jpg", "b.JPEG", "sub/c.png", "sub/a.jpg", "notes.txt", "d.e.png"})
    fixture::writeText(folder / name, "");
  const PictureFolder pictures(folder / "");
  CHECK(pictures.names() == std::vector<std::string>{"a.jpg", "b.JPEG", "d.e.png", "sub/a.jpg", "sub/c.png"});
  CHECK(pictures.find("a.jpg") == "a.jpg");
  CHECK(pictures.find("a") == "a.jpg");
  CHECK(pictures.find("b.jpg") == "b.JPEG");
  CHECK(pictures.find("sub/a.jpg") == "sub/a.jpg");
  CHECK(pictures.find("./images/sub/a.jpg") == "sub/a.jpg");
  CHECK(pictures.find("c") == "sub/c.png");
  CHECK(pictures.find("/x/y/c.png") == "sub/c.png");
  CHECK(pictures.find("d.e") == "d.e.png");
  CHECK_FALSE(pictures.find("none").has_value());
  CHECK_FALSE(pictures.find("").has_value());
  CHECK_FALSE(pictures.find("///").has_value());
  CHECK(pictures.path("a.jpg") == (std::filesystem::path(folder / "") / "a.jpg").string());
  CHECK(codeOf([&] { PictureFolder(folder / "none"); }) == "HD_DATA_FILE");
}

TEST_CASE("listing: extensions, lists and sorted files") {
  CHECK(withoutExtension("a.b.jpg") == "a.b");
  CHECK(withoutExtension("x.y/a") == "x.y/a");
  CHECK(withoutExtension("") == "");
  const fixture::Folder folder;
  fixture::writeText(folder / "l/b.xml", "");
  fixture::writeText(folder / "l/a.XML", "");
  fixture::writeText(folder / "l/c.txt", " one \r\n\n# no\ntwo words");
  CHECK(filesWithExtension(folder / "l", ".xml") == std::vector<std::string>{"a.XML", "b.xml"});
  CHECK(codeOf([&] { filesWithExtension(folder / "none", ".xml"); }) == "HD_DATA_FILE");
  CHECK(readList(folder / "l/c.txt") == std::vector<std::string>{"one", "two words"});
}
