#include <doctest/doctest.h>

#include "../data_fixture.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::findings;
using fixture::object;

namespace {

class Yolo {
 public:
  Yolo() {
    fixture::writePicture(folder_ / "images/a.png", 100, 50);
    fixture::writePicture(folder_ / "images/sub/b.png", 64, 64);
  }
  void write(const std::string& name, const std::string& text) const {
    fixture::writeText(folder_ / name, text);
  }
  std::string path(const std::string& name) const { return folder_ / name; }
  std::shared_ptr<const Dataset> open(hd::Value spec = {}) const {
    spec.set("format", "yolo").set("images", folder_ / "images").set("labels", folder_ / "labels");
    if (spec.find("classes") == nullptr) spec.set("classes", hd::Value::Array{"cone", "cube"});
    return Dataset::open(spec);
  }
  std::shared_ptr<const Dataset> one(const std::string& text) const {
    write("labels/a.txt", text);
    write("list.txt", "a.png\n");
    return open(object({{"list", folder_ / "list.txt"}}));
  }

 private:
  fixture::Folder folder_;
};

}  // namespace

TEST_CASE("yolo: normalised boxes become pixels of the picture") {
  const Yolo yolo;
  yolo.write("labels/a.txt", "1 0.5 0.5 0.2 0.4\r\n\n  0\t2.5e-1 +0.5 0.1 0.2  \n");
  yolo.write("labels/sub/b.txt", "0 0.5 0.5 1 1");
  const auto dataset = yolo.open();
  REQUIRE(dataset->size() == 2);
  CHECK(dataset->width(0) == 100);
  REQUIRE(dataset->annotations(0).size() == 2);
  const Annotation& a = dataset->annotations(0)[0];
  CHECK(a.x1 == doctest::Approx(40));
  CHECK(a.y1 == doctest::Approx(15));
  CHECK(a.x2 == doctest::Approx(60));
  CHECK(a.y2 == doctest::Approx(35));
  CHECK(a.area == doctest::Approx(400));
  CHECK(a.label == 1);
  CHECK(dataset->annotations(1)[0].x2 == 64);
  CHECK(dataset->findings().empty());
}

TEST_CASE("yolo: polygon lines keep their points and give the box around them") {
  const Yolo yolo;
  const auto dataset = yolo.one("0 0.1 0.2 0.5 0.2 0.5 0.8\n");
  const Annotation& a = dataset->annotations(0)[0];
  CHECK(a.x1 == doctest::Approx(10));
  CHECK(a.y2 == doctest::Approx(40));
  REQUIRE(dataset->polygons(a).size() == 1);
  CHECK(dataset->polygons(a)[0].size() == 6);
  CHECK(dataset->polygons(a)[0][4] == doctest::Approx(50));
}

TEST_CASE("yolo: classes come from a list or a file, entries of the list in many forms") {
  const Yolo yolo;
  yolo.write("names.txt", "cone\r\ncube\r\n\r\n");
  yolo.write("labels/sub/b.txt", "0 0.5 0.5 0.5 0.5");
  yolo.write("labels/a.txt", "0 0.5 0.5 0.5 0.5");
  yolo.write("list.txt", "./images/sub/b.png\n/somewhere/else/images/a.png\nsub/b\nnone.png\n");
  const auto dataset =
      yolo.open(object({{"classes", yolo.path("names.txt")}, {"list", yolo.path("list.txt")}}));
  CHECK(dataset->classes() == std::vector<std::string>{"cone", "cube"});
  REQUIRE(dataset->size() == 4);
  CHECK(dataset->file(0).ends_with("images/sub/b.png"));
  CHECK(dataset->file(1).ends_with("images/a.png"));
  CHECK(dataset->file(2) == dataset->file(0));
  CHECK(findings(*dataset, "missing-file") == 1);
  CHECK(dataset->trainable() == std::vector<int64_t>{0, 1, 2});
}

TEST_CASE("yolo: an entry that is longer than any file name is a missing file") {
  const Yolo yolo;
  yolo.write("list.txt", std::string(300, 'n') + "\n" + std::string(9000, 'n') + ".png\na.png\n");
  const auto dataset = yolo.open(object({{"list", yolo.path("list.txt")}}));
  CHECK(dataset->size() == 3);
  CHECK(findings(*dataset, "missing-file") == 2);
  CHECK(findings(*dataset, "missing-labels") == 3);
}

TEST_CASE("yolo: a picture without labels has no objects, an unreadable one no boxes") {
  const Yolo yolo;
  yolo.write("images/bad.png", "no picture");
  yolo.write("labels/bad.txt", "0 0.5 0.5 0.5 0.5");
  yolo.write("labels/a.txt", "");
  const auto dataset = yolo.open(object({{"keepEmpty", true}}));
  CHECK(findings(*dataset, "missing-labels") == 1);
  CHECK(findings(*dataset, "unreadable-picture") == 1);
  CHECK(dataset->table().annotations.empty());
  CHECK(dataset->trainable().size() == 2);
}

TEST_CASE("yolo: values out of range are findings with the line number") {
  const Yolo yolo;
  const auto dataset = yolo.one(
      "0 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2\n0 50 20 10 10\n0 0.5 0.5 -0.2 0.2\n0 0.5 0.5 0 0.2\n0 1.4 0.5 "
      "0.2 0.2\n0 0.95 0.5 0.3 0.2\n");
  CHECK(findings(*dataset, "unknown-class") == 1);
  CHECK(findings(*dataset, "not-normalised") == 1);
  CHECK(findings(*dataset, "negative-size") == 1);
  CHECK(findings(*dataset, "zero-area") == 1);
  CHECK(findings(*dataset, "box-outside") == 1);
  CHECK(findings(*dataset, "box-over-border") == 1);
  CHECK(dataset->annotations(0).size() == 2);
  CHECK(dataset->findings()[0].where.ends_with("a.txt:2"));
}

TEST_CASE("yolo: lines of another form are refused, all together, with their numbers") {
  const Yolo yolo;
  const auto failure = [&](const std::string& text) {
    try {
      yolo.one(text);
    } catch (const hd::Error& error) {
      CHECK(error.code() == "HD_DATA_FORMAT");
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string three =
      failure("0 0.5 0.5 0.2\n0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2 0.9\ncone 0.5 0.5 0.2 0.2\n");
  CHECK(three.find("3 broken places") != std::string::npos);
  CHECK(three.find("a.txt:1: 4 columns") != std::string::npos);
  CHECK(three.find("a.txt:3: 6 columns") != std::string::npos);
  CHECK(three.find("a.txt:4: 'cone' is no number") != std::string::npos);
  CHECK(failure("0.5 0.5 0.5 0.2 0.2").find("class 0.5") != std::string::npos);
  CHECK(failure("-1 0.5 0.5 0.2 0.2").find("class -1") != std::string::npos);
  CHECK(failure("0 nan 0.5 0.2 0.2").find("'nan'") != std::string::npos);
  CHECK(failure("0,0.5,0.5,0.2,0.2").find("is no number") != std::string::npos);
}

TEST_CASE("yolo: nothing to read is an error") {
  const Yolo yolo;
  CHECK(codeOf([&] { yolo.open(object({{"classes", hd::Value::Array{}}})); }) == "HD_DATA_CLASSES");
  CHECK(codeOf([&] { yolo.open(object({{"classes", yolo.path("none.txt")}})); }) == "HD_DATA_FILE");
  yolo.write("empty.txt", "\n\n");
  CHECK(codeOf([&] { yolo.open(object({{"list", yolo.path("empty.txt")}})); }) == "HD_DATA_EMPTY");
}
