#include "data/formats/sample_json.h"

#include <doctest/doctest.h>

#include "../data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

struct Read {
  SampleJson sample;
  std::shared_ptr<Dataset> dataset;
};

Read read(const std::string& text) {
  DatasetBuilder builder("");
  builder.setClasses({"cat"});
  Read out;
  out.sample = readSampleJson("s.tar/a.json", text, builder);
  out.dataset = builder.build({});
  return out;
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const hd::Error& error) {
    CHECK(error.code().starts_with("HD_DATA_"));
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("sample: lists of boxes and labels, in any order, with all that an object may have") {
  const Read out =
      read(R"({"labels": ["cat", 3], "area": [12.5, null], "iscrowd": [0, 1], "ignore": [true, false],
    "caption": {"any": ["thing"]}, "keypoints": [[1, 2, 2, 3, 4, 0], null],
    "segmentation": [[[1, 2, 3, 4, 5, 6]], null], "height": 48, "width": 64,
    "boxes": [[1, 2, 11.5, 22], [3.0, 4, 5, 8]]})");
  CHECK(out.sample.width == 64);
  CHECK(out.sample.height == 48);
  REQUIRE(out.sample.objects.size() == 2);
  const SampleObject &first = out.sample.objects[0], &second = out.sample.objects[1];
  CHECK(first.className == "cat");
  CHECK(first.annotation.x2 == 11.5f);
  CHECK(first.annotation.area == 12.5);
  CHECK(first.annotation.difficult);
  CHECK_FALSE(first.annotation.crowd);
  CHECK(out.dataset->polygons(first.annotation).at(0).size() == 6);
  CHECK(out.dataset->keypoints(first.annotation).size() == 6);
  CHECK(second.className.empty());
  CHECK(second.number == 3);
  CHECK(second.annotation.crowd);
  CHECK(second.annotation.area == 8);
  CHECK(second.annotation.polygons == -1);
  CHECK(second.annotation.keypoints == -1);
  CHECK(second.index == 1);
}

TEST_CASE("sample: objects as in COCO, where boxes have a width and a height") {
  const Read out = read(R"({"annotations": [
    {"bbox": [1, 2, 10.5, 20], "category": "cat", "id": 9, "area": 100, "iscrowd": 1},
    {"category_id": 17, "bbox": [3, 4, 2, 4], "segmentation": {"size": [4, 5], "counts": [10, 10]}}]})");
  REQUIRE(out.sample.objects.size() == 2);
  const SampleObject &first = out.sample.objects[0], &second = out.sample.objects[1];
  CHECK(first.annotation.x2 == 11.5f);
  CHECK(first.annotation.y2 == 22);
  CHECK(first.annotation.area == 100);
  CHECK(first.annotation.crowd);
  CHECK(second.number == 17);
  CHECK(second.annotation.area == 8);
  CHECK(second.annotation.rle == 0);
  CHECK(second.mask.width == 5);
  CHECK(second.mask.height == 4);
  CHECK(out.sample.width == 0);
}

TEST_CASE("sample: without objects") {
  CHECK(read(R"({"boxes": []})").sample.objects.empty());
  CHECK(read(R"({"boxes": [], "labels": [], "iscrowd": null})").sample.objects.empty());
  CHECK(read(R"({"annotations": []})").sample.objects.empty());
  CHECK(read(R"({"boxes": [], "width": null, "height": 5})").sample.height == 0);
}

TEST_CASE("sample: an object without a box is dropped with a finding that names it") {
  const Read lists = read(R"({"boxes": [[1, 2, 3], [1, 2, 3, 4]], "labels": ["cat", "cat"]})");
  REQUIRE(lists.sample.objects.size() == 1);
  CHECK(lists.sample.objects[0].index == 1);
  REQUIRE(lists.dataset->findings().size() == 1);
  CHECK(lists.dataset->findings()[0].code == "invalid-box");
  CHECK(lists.dataset->findings()[0].where == "s.tar/a.json: boxes[0]");
  const Read objects = read(R"({"annotations": [{"category_id": 1}]})");
  CHECK(objects.sample.objects.empty());
  CHECK(objects.dataset->findings().at(0).where == "s.tar/a.json: annotations[0]");
}

TEST_CASE("sample: shapes that cannot be used are findings, the object stays") {
  const Read out = read(R"({"boxes": [[1, 2, 3, 4], [1, 2, 3, 4]], "labels": [0, 0],
    "segmentation": [[[1, 2, 3, 4]], {"size": [4, 5], "counts": [1]}], "keypoints": [[1, 2], [1, 2, 0]]})");
  CHECK(out.sample.objects.size() == 2);
  CHECK(fixture::findings(*out.dataset, "invalid-polygon") == 1);
  CHECK(fixture::findings(*out.dataset, "invalid-rle") == 1);
  CHECK(fixture::findings(*out.dataset, "invalid-keypoints") == 1);
  CHECK(out.dataset->findings()[0].where == "s.tar/a.json: segmentation[0]");
  CHECK(out.sample.objects[1].annotation.rle == -1);
  CHECK(out.sample.objects[1].annotation.keypoints == -1);  // nothing is labelled
}

TEST_CASE("sample: what is refused, and what is said") {
  const auto says = [](const std::string& text, const char* part) {
    const std::string sentence = refusal(text);
    CAPTURE(sentence);
    CHECK(sentence.find(part) != std::string::npos);
    CHECK(sentence.find("s.tar/a.json") != std::string::npos);
  };
  says("", "valid JSON");
  says("{\"boxes\": []", "valid JSON");
  says("{\"boxes\": []} x", "valid JSON");
  says("[]", "an object for the whole file");
  says("{}", "none of them");
  says(R"({"boxes": [], "annotations": []})", "received both");
  says(R"({"caption": "a cat", "width": 5})", "either 'boxes' or 'annotations'");
  says(R"({"boxes": [[1, 2, 3, 4]]})", "1 values for labels but received 0");
  says(R"({"boxes": [[1, 2, 3, 4]], "labels": ["a", "b"]})", "1 values for labels but received 2");
  says(R"({"boxes": [[1, 2, 3, 4]], "labels": ["a"], "area": []})", "1 values for area but received 0");
  says(R"({"boxes": 3, "labels": []})", "a list for boxes");
  says(R"({"boxes": [3], "labels": ["a"]})", "a list of numbers for boxes[0]");
  says(R"({"boxes": [["1", 2, 3, 4]], "labels": ["a"]})", "a number for boxes[0]");
  says(R"({"boxes": [[1, 2, 3, 4]], "labels": [1.5]})", "an integer for labels[0]");
  says(R"({"boxes": [[1, 2, 3, 4]], "labels": [""]})", "a class name for labels[0]");
  says(R"({"boxes": [], "width": -1})", "0…1048576 pixels for width");
  says(R"({"boxes": [], "width": 1048577})", "0…1048576 pixels for width");
  says(R"({"annotations": [3]})", "an object for annotations[0]");
  says(R"({"annotations": [{"bbox": [1, 2, 3, 4]}]})", "category or category_id for annotations[0]");
  says(R"({"annotations": [{"bbox": [1, 2, 3, 4], "category_id": "7x", "iscrowd": "no"}]})", "an integer");
  says(R"({"boxes": [[1, 2, 3, 4]], "labels": ["a"], "segmentation": ["x"]})", "polygons or run lengths");
}

TEST_CASE("sample: at most 100,000 objects") {
  const auto boxes = [](int count) {
    std::string text = "{\"annotations\": [";
    for (int i = 0; i < count; ++i) text += i == 0 ? "{\"category_id\":1}" : ",{\"category_id\":1}";
    return text + "]}";
  };
  CHECK(codeOf([&] { read(boxes(100'000)); }) == "");
  CHECK(refusal(boxes(100'001)).find("at most 100000 objects") != std::string::npos);
}
