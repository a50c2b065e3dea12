// Pictures of a folder by the many ways that lists name them.
#include "data/formats/listing.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "../data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

/// a.jpg, b.PNG, deeper/a.png, deeper/c.jpeg and files that are no pictures.
struct Pictures {
  fixture::Folder folder;
  Pictures() {
    std::filesystem::create_directories(folder / "deeper");
    for (const char* name : {"b.PNG", "a.jpg", "deeper/a.png", "deeper/c.jpeg", "notes.txt", "a.xml"})
      fixture::writeText(folder / name, "x");
  }
};

}  // namespace

TEST_CASE("names are sorted, relative, and pictures only") {
  const Pictures pictures;
  const PictureFolder list(pictures.folder / ".");
  CHECK(list.names() == std::vector<std::string>{"a.jpg", "b.PNG", "deeper/a.png", "deeper/c.jpeg"});
  CHECK(std::filesystem::exists(list.path("deeper/c.jpeg")));
}

TEST_CASE("entries are names, paths that end in one, or stems") {
  const Pictures pictures;
  const PictureFolder list(pictures.folder / ".");
  CHECK(list.find("a.jpg") == "a.jpg");
  CHECK(list.find("a") == "a.jpg");
  CHECK(list.find("b") == "b.PNG");
  CHECK(list.find("./a.jpg") == "a.jpg");
  CHECK(list.find("/data/set/a.jpg") == "a.jpg");
  CHECK(list.find("deeper/c.jpeg") == "deeper/c.jpeg");
  CHECK(list.find("deeper/c") == "deeper/c.jpeg");
  for (const char* none : {"", "notes.txt", "notes", "missing.jpg", "deeper", "..", "/"}) {
    CAPTURE(none);
    CHECK_FALSE(list.find(none).has_value());
  }
}

TEST_CASE("an entry of a million slashes or letters is looked for at once") {
  const Pictures pictures;
  const PictureFolder list(pictures.folder / ".");
  const std::string slashes(1 << 20, '/');
  CHECK_FALSE(list.find(slashes).has_value());
  CHECK_FALSE(list.find(std::string(1 << 20, 'n')).has_value());
  CHECK(list.find(slashes + "deeper/c.jpeg") == "deeper/c.jpeg");
}

TEST_CASE("a folder that is none is refused; an empty one has no pictures") {
  const fixture::Folder folder;
  CHECK(PictureFolder(folder / ".").names().empty());
  CHECK(codeOf([&] { PictureFolder(folder / "nowhere"); }) == "HD_DATA_FILE");
  fixture::writeText(folder / "file", "x");
  CHECK(codeOf([&] { PictureFolder(folder / "file"); }) == "HD_DATA_FILE");
}

TEST_CASE("extensions: one is taken off, and files are found by theirs, without those of folders below") {
  CHECK(withoutExtension("a.b.txt") == "a.b");
  CHECK(withoutExtension("a") == "a");
  CHECK(withoutExtension("x/y.z/a") == "x/y.z/a");
  const Pictures pictures;
  const auto found = filesWithExtension(pictures.folder / ".", ".xml");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("a.xml") != std::string::npos);
  CHECK(filesWithExtension(pictures.folder / ".", ".json").empty());
  CHECK(codeOf([&] { filesWithExtension(pictures.folder / "nowhere", ".xml"); }) == "HD_DATA_FILE");
}

TEST_CASE("lists: blanks at the ends, empty lines, comments and other systems' line ends") {
  const fixture::Folder folder;
  fixture::writeText(folder / "list.txt", "  a.jpg \r\n\n# a comment\nb c.jpg\n\t\nlast");
  CHECK(readList(folder / "list.txt") == std::vector<std::string>{"a.jpg", "b c.jpg", "last"});
  fixture::writeText(folder / "empty.txt", "");
  CHECK(readList(folder / "empty.txt").empty());
  CHECK(codeOf([&] { readList(folder / "none.txt"); }) == "HD_DATA_FILE");
}

TEST_CASE("classes are names, the path of a list, or nothing") {
  const fixture::Folder folder;
  fixture::writeText(folder / "classes.txt", "cat\ndog\n");
  const auto of = [](hd::Value classes) {
    return classesOf(hd::Value::Object{{"classes", std::move(classes)}});
  };
  CHECK(of(hd::Value::Array{"cat", "dog"}) == std::vector<std::string>{"cat", "dog"});
  CHECK(of(folder / "classes.txt") == std::vector<std::string>{"cat", "dog"});
  CHECK(of(nullptr).empty());
  CHECK(classesOf(hd::Value::Object{}).empty());
}
