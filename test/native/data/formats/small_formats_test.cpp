// The registry, and the formats of a few lines: files and synthetic.
#include <doctest/doctest.h>

#include <algorithm>

#include "../data_fixture.h"
#include "data/formats/format.h"
#include "data/formats/problems.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::findings;
using fixture::object;

TEST_CASE("the registry knows the formats and lists them when asked for another") {
  const std::vector<std::string> names = formatNames();
  for (const char* name : {"coco", "voc", "yolo", "synthetic", "files"}) {
    CHECK(std::find(names.begin(), names.end(), name) != names.end());
    CHECK((formatReader(name) != nullptr));
  }
  CHECK_FALSE(registerFormat("coco", nullptr));
  std::string message;
  try {
    formatReader("tfrecord");
  } catch (const hd::Error& error) {
    message = error.what();
  }
  for (const char* name : {"coco", "files", "synthetic", "voc", "yolo"})
    CHECK(message.find(name) != std::string::npos);
  CHECK(message.find("'tfrecord'") != std::string::npos);
}

TEST_CASE("files: each keeps its place, those that cannot be read are not usable") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "a.png", 20, 10);
  fixture::writeText(folder / "b.jpg", "text");
  const hd::Value list = hd::Value::Array{folder / "b.jpg", folder / "a.png", folder / "none.png"};
  const auto dataset = Dataset::open(object({{"format", "files"}, {"files", list}}));
  REQUIRE(dataset->size() == 3);
  CHECK(dataset->width(0) == 0);
  CHECK(dataset->width(1) == 20);
  CHECK(dataset->file(2) == folder / "none.png");
  CHECK(dataset->trainable() == std::vector<int64_t>{1});
  CHECK(findings(*dataset, "unreadable-picture") == 1);
  CHECK(findings(*dataset, "missing-file") == 1);
  CHECK(dataset->annotations(1).empty());
  CHECK(codeOf([] {
          Dataset::open(object({{"format", "files"}, {"files", hd::Value::Array{}}}));
        }) == "HD_DATA_EMPTY");
}

TEST_CASE("synthetic: the spec reaches the generator") {
  const auto open = [](std::initializer_list<std::pair<const char*, hd::Value>> members) {
    return Dataset::open(object(members).set("format", "synthetic"));
  };
  const auto plain = open({{"count", 10}, {"size", 96}, {"seed", 3}});
  CHECK(plain->size() == 10);
  CHECK(plain->width(0) == 96);
  CHECK(plain->height(0) == 96);
  CHECK(plain->classes().size() == 4);
  CHECK(open({{"count", 10}, {"size", 96}, {"seed", 3}, {"split", "train"}})->digest() == plain->digest());
  CHECK(open({{"count", 10}, {"size", 96}, {"seed", 3}, {"split", "val"}})->digest() != plain->digest());
  CHECK(open({{"count", 10}, {"size", 96}, {"seed", 4}})->digest() != plain->digest());
  const auto wide = open({{"count", 4},
                          {"size", hd::Value::Array{120, 64}},
                          {"classes", hd::Value::Array{"cross"}},
                          {"objects", hd::Value::Array{2, 2}},
                          {"scale", hd::Value::Array{0.2, 0.3}},
                          {"overlap", 0}});
  CHECK(wide->width(0) == 120);
  CHECK(wide->height(0) == 64);
  CHECK(wide->classes() == std::vector<std::string>{"cross"});
  CHECK(wide->annotations(0).size() == 2);
  CHECK(codeOf([&] { open({{"size", hd::Value::Array{120}}}); }) == "HD_DATA_SYNTHETIC");
  CHECK(codeOf([&] { open({{"size", 8}}); }) == "HD_DATA_SYNTHETIC");
}

TEST_CASE("problems are counted and the first five named") {
  Problems problems;
  problems.throwIfAny("lines", "/data");
  for (int i = 1; i <= 7; ++i) problems.add(hd::concat("file", i));
  std::string message;
  try {
    problems.throwIfAny("lines", "/data");
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_DATA_FORMAT");
    CHECK(error.where() == "/data");
    message = error.what();
  }
  CHECK(message.find("7 broken places") != std::string::npos);
  CHECK(message.find("file5") != std::string::npos);
  CHECK(message.find("file6") == std::string::npos);
}
