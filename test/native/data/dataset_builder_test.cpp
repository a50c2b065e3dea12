#include "data/dataset_builder.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::findings;

namespace {

Annotation box(float x1, float y1, float x2, float y2, int32_t label = 0) {
  return {x1, y1, x2, y2, double{x2 - x1} * (y2 - y1), label, false, false, 0, -1, -1, -1};
}

DatasetBuilder withImage(int width = 100, int height = 80) {
  DatasetBuilder builder("");
  builder.setClasses({"a", "b"});
  builder.addImage(1, "x.jpg", width, height);
  return builder;
}

}  // namespace

TEST_CASE("annotations are grouped by image and keep their order, in whatever order they come") {
  DatasetBuilder builder("");
  builder.setClasses({"a"});
  for (int i = 0; i < 5; ++i) builder.addImage(10 + i, hd::concat("picture", i), 640, 480);
  hd::Random random(3, "test", 0, 0);
  std::vector<std::vector<int64_t>> expected(5);
  for (int64_t id = 0; id < 200; ++id) {
    const int64_t image = random.below(4);  // the last one stays empty
    Annotation a = box(1, 1, 10 + static_cast<float>(id), 20);
    a.id = id;
    builder.addAnnotation(image, a, "");
    expected[static_cast<size_t>(image)].push_back(id);
  }
  const auto dataset = builder.build({});
  for (int64_t image = 0; image < 5; ++image) {
    std::vector<int64_t> ids;
    for (const Annotation& a : dataset->annotations(image)) ids.push_back(a.id);
    CHECK(ids == expected[static_cast<size_t>(image)]);
    CHECK(dataset->file(image) == hd::concat("picture", image));
    CHECK(dataset->imageId(image) == 10 + image);
  }
  CHECK(dataset->trainable() == std::vector<int64_t>{0, 1, 2, 3});
  CHECK(fixture::brokenInvariant(*dataset) == "");
}

TEST_CASE(
    "boxes that cannot be trained on are left out, each with its own finding; what is a box is measured") {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinite = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<const char*, Annotation>> bad{
      {"invalid-box", box(nan, 0, 10, 10)},  {"invalid-box", box(0, 0, infinite, 10)},
      {"negative-size", box(20, 0, 10, 10)}, {"negative-size", box(0, 20, 10, 10)},
      {"zero-area", box(5, 5, 5, 10)},       {"tiny-box", box(5, 5, 5.5f, 10)},
      {"tiny-box", box(5, 5, 10, 5.9f)},     {"box-outside", box(100, 0, 120, 10)},
      {"box-outside", box(0, 80, 10, 90)},   {"box-outside", box(-20, 0, 0, 10)},
      {"box-outside", box(0, -20, 10, -1)},
  };
  for (const auto& [code, annotation] : bad) {
    CAPTURE(code);
    DatasetBuilder builder = withImage();
    CHECK_FALSE(builder.addAnnotation(0, annotation, "here"));
    const auto dataset = builder.build({});
    CHECK(findings(*dataset, code) == 1);
    CHECK(dataset->findings().front().where == "here");
    CHECK(dataset->annotations(0).empty());
    CHECK(dataset->trainable().empty());
    const bool isBox = std::string(code) != "invalid-box" && std::string(code) != "negative-size";
    REQUIRE(dataset->unfit().size() == (isBox ? 1 : 0));
    if (isBox) CHECK(dataset->unfit()[0].annotation.x1 == annotation.x1);
  }
}

TEST_CASE("boxes over the border are kept as they are") {
  DatasetBuilder builder = withImage();
  CHECK(builder.addAnnotation(0, box(-10, 0, 20, 20), ""));
  CHECK(builder.addAnnotation(0, box(-1, 0, 101, 80), ""));  // within rounding
  const auto dataset = builder.build({});
  CHECK(findings(*dataset, "box-over-border") == 1);
  CHECK(dataset->annotations(0)[0].x1 == -10);
}

TEST_CASE("the area decides, not only the box") {
  DatasetBuilder builder = withImage();
  Annotation a = box(0, 0, 10, 10);
  a.area = 0;
  CHECK_FALSE(builder.addAnnotation(0, a, ""));
  a.area = std::nan("");
  CHECK_FALSE(builder.addAnnotation(0, a, ""));
  a.area = 12.5;
  CHECK(builder.addAnnotation(0, a, ""));
}

TEST_CASE("training leaves out small pictures and those without a usable object") {
  const auto build = [](TrainingFilter filter) {
    DatasetBuilder builder("");
    builder.setClasses({"a"});
    builder.addImage(1, "object", 100, 100);
    builder.addImage(2, "crowd", 100, 100);
    builder.addImage(3, "difficult", 100, 100);
    builder.addImage(4, "empty", 100, 100);
    builder.addImage(5, "small", 100, 31);
    builder.addImage(6, "unknown size", 0, 0);
    for (int64_t image : {0, 1, 2, 4, 5}) {
      Annotation a = box(0, 0, 10, 10);
      a.crowd = image == 1;
      a.difficult = image == 2;
      builder.addAnnotation(image, a, "");
    }
    return builder.build(filter)->trainable();
  };
  CHECK(build({}) == std::vector<int64_t>{0});
  CHECK(build({true, 32}) == std::vector<int64_t>{0, 1, 2, 3});
  CHECK(build({false, 31}) == std::vector<int64_t>{0, 4});
  CHECK(build({true, 0}) == std::vector<int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("repeated boxes of one class in one picture are reported and kept") {
  DatasetBuilder builder = withImage();
  builder.addImage(2, "y.jpg", 100, 80);
  for (int i = 0; i < 3; ++i) builder.addAnnotation(0, box(1, 1, 9, 9), "");
  builder.addAnnotation(0, box(1, 1, 9, 9, 1), "");
  builder.addAnnotation(1, box(1, 1, 9, 9), "");
  const auto dataset = builder.build({});
  CHECK(findings(*dataset, "duplicate-box") == 2);
  CHECK(dataset->annotations(0).size() == 4);
}

TEST_CASE("files are looked for and headers read") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "good.png", 64, 48);
  fixture::writeText(folder / "text.jpg", "no picture");
  for (const bool trustHeaders : {false, true}) {
    DatasetBuilder builder(folder / "");
    builder.setClasses({"a"});
    builder.addImage(1, folder / "good.png", 0, 0);
    builder.addImage(2, folder / "good.png", 60, 40);
    builder.addImage(3, folder / "text.jpg", 0, 0);
    builder.addImage(4, folder / "missing.jpg", 50, 50);
    builder.addImage(5, std::string("a\0b", 3), 50, 50);
    builder.probeFiles(trustHeaders);
    CHECK(builder.width(0) == 64);
    CHECK(builder.height(0) == 48);
    CHECK(builder.width(1) == (trustHeaders ? 64 : 60));
    const auto dataset = builder.build({true, 1});
    CHECK(findings(*dataset, "size-mismatch") == (trustHeaders ? 1 : 0));
    CHECK(findings(*dataset, "unreadable-picture") == 1);
    CHECK(findings(*dataset, "missing-file") == 2);
    CHECK(dataset->width(2) == 0);
    CHECK(dataset->width(3) == 50);
    CHECK(dataset->trainable() == std::vector<int64_t>{0, 1});
  }
}

TEST_CASE("findings are kept up to a thousand of each code, and all counted") {
  DatasetBuilder builder = withImage();
  for (int i = 0; i < 1500; ++i) builder.report("many", "", "");
  builder.report("few", "", "");
  const auto dataset = builder.build({});
  CHECK(findings(*dataset, "many") == 1500);
  CHECK(dataset->findings().size() == 1001);
}

TEST_CASE("classes must exist and differ") {
  DatasetBuilder builder("");
  CHECK(codeOf([&] { builder.setClasses({}); }) == "HD_DATA_CLASSES");
  CHECK(codeOf([&] { builder.setClasses({"a", "b", "a"}); }) == "HD_DATA_CLASSES");
  std::vector<std::string> many;  // the search for the double one must not cost the square
  for (int i = 0; i < 300'000; ++i) many.push_back("class " + std::to_string(i));
  many.push_back(many.back());
  CHECK(codeOf([&] { builder.setClasses(many); }) == "HD_DATA_CLASSES");
  builder.setClasses({"a", "b"});
  const auto dataset = builder.build({});
  CHECK(dataset->categoryIds() == std::vector<int64_t>{1, 2});
}
