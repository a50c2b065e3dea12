#include "data/formats/detect.h"

#include <doctest/doctest.h>

#include "../data_fixture.h"
#include "../tar_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

std::string coco(const std::string& picture, const std::string& category = "cat") {
  return R"({"images":[{"id":1,"file_name":")" + picture + R"("}],"categories":[{"id":1,"name":")" +
         category + R"("}],"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[1,1,20,20]}]})";
}

std::string voc(const std::string& name, const std::string& corner = "2") {
  return "<annotation><object><name>" + name + "</name><bndbox><xmin>" + corner +
         "</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object></annotation>";
}

std::vector<std::string> warnings(const hd::Value& found) {
  return found.strings("warnings");
}

/// Opens what was found, as a recipe made from it would.
int64_t opened(const hd::Value& found, const char* split) {
  hd::Value spec = found.at(split);
  return Dataset::open(spec.set("format", found.at("format")))->size();
}

}  // namespace

TEST_CASE("detect: COCO with annotations/ and pictures of both splits in one folder") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "images/a.png");
  fixture::writePicture(folder / "images/b.png");
  fixture::writeText(folder / "annotations/instances_train2017.json", coco("a.png"));
  fixture::writeText(folder / "annotations/instances_val2017.json", coco("b.png"));
  fixture::writeText(folder / "annotations/captions_train2017.json", coco("a.png"));
  fixture::writeText(folder / "annotations/person_keypoints_val2017.json", coco("b.png"));
  fixture::writeText(folder / "package.json", "{}");
  const hd::Value found = detectDataset(folder / "");
  CHECK(found.at("format").asString() == "coco");
  CHECK(found.at("train").at("annotations").asString().ends_with("instances_train2017.json"));
  CHECK(found.at("val").at("annotations").asString().ends_with("instances_val2017.json"));
  CHECK(found.strings("classes") == std::vector<std::string>{"cat"});
  CHECK(found.at("images").at("train").asInt() == 1);
  CHECK(found.at("sizes").asArray()[0].at("width").asInt() == 64);
  CHECK(warnings(found).empty());
  CHECK(opened(found, "train") == 1);
  CHECK(opened(found, "val") == 1);
}

TEST_CASE("detect: COCO with one folder a split, annotations beside the pictures, equal names in both") {
  const fixture::Folder folder;
  for (const char* split : {"train", "valid"}) {
    fixture::writePicture(folder / (std::string(split) + "/a.png"));
    fixture::writeText(folder / (std::string(split) + "/_annotations.coco.json"), coco("a.png"));
  }
  const hd::Value found = detectDataset(folder / "");
  CHECK(found.at("train").at("images").asString().ends_with("/train"));
  CHECK(found.at("val").at("images").asString().ends_with("/valid"));
}

TEST_CASE("detect: COCO says when a split or the pictures are missing or classes differ") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "images/a.png");
  fixture::writeText(folder / "all.json", coco("a.png"));
  const hd::Value alone = detectDataset(folder / "");
  CHECK(alone.at("val").isNull());
  REQUIRE(warnings(alone).size() == 1);
  CHECK(warnings(alone)[0].find("not evaluated") != std::string::npos);
  fixture::writeText(folder / "test.json", coco("zzz.png", "dog"));
  std::string all;
  // The class list of train is used for both, so val must know it; here it does not, and opening says so.
  for (const std::string& warning : warnings(detectDataset(folder / ""))) all += warning + "\n";
  CHECK(all.find("different classes") != std::string::npos);
  CHECK(all.find("set images by hand") != std::string::npos);
}

TEST_CASE("detect: VOC with lists, classes of both splits together") {
  const fixture::Folder folder;
  for (const char* id : {"a", "b"})
    fixture::writePicture(folder / (std::string("JPEGImages/") + id + ".png"));
  fixture::writeText(folder / "Annotations/a.xml", voc("cat"));
  fixture::writeText(folder / "Annotations/b.xml", voc("dog"));
  fixture::writeText(folder / "ImageSets/Main/train.txt", "a\n");
  fixture::writeText(folder / "ImageSets/Main/val.txt", "b\n");
  const hd::Value found = detectDataset(folder / "");
  CHECK(found.at("format").asString() == "voc");
  CHECK(found.strings("classes") == std::vector<std::string>{"cat", "dog"});
  CHECK(found.at("train").find("offset") == nullptr);
  CHECK(opened(found, "train") == 1);
  CHECK(opened(found, "val") == 1);
  CHECK(warnings(found).empty());
}

TEST_CASE("detect: VOC that counts from 0, without lists") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "images/a.png");
  fixture::writeText(folder / "xml/a.xml", voc("cat", "0"));
  const hd::Value found = detectDataset(folder / "");
  CHECK(found.at("train").at("offset").asNumber() == 0);
  CHECK(found.at("val").isNull());
  CHECK(warnings(found).size() == 2);
}

TEST_CASE("detect: YOLO with lists, with a folder a split, and with classes in data.yaml") {
  const fixture::Folder lists, folders, roboflow;
  for (const char* id : {"a", "b"}) {
    fixture::writePicture(lists / (std::string("images/") + id + ".png"));
    fixture::writeText(lists / (std::string("labels/") + id + ".txt"), "1 0.5 0.5 0.5 0.5\n");
    fixture::writeText(lists / (id == std::string("a") ? "train.txt" : "val.txt"),
                       std::string(id) + ".png\n");
  }
  fixture::writeText(lists / "classes.txt", "cone\ncube\n");
  for (const char* split : {"train", "val"}) {
    fixture::writePicture(folders / (std::string("images/") + split + "/a.png"));
    fixture::writeText(folders / (std::string("labels/") + split + "/a.txt"), "0 0.5 0.5 0.5 0.5\n");
    fixture::writePicture(roboflow / (std::string(split) + "/images/a.png"));
    fixture::writeText(roboflow / (std::string(split) + "/labels/a.txt"), "0 0.5 0.5 0.5 0.5\n");
  }
  fixture::writeText(folders / "data.yaml", "nc: 2\nnames:\n  0: cone\n  1: 'cube'\n");
  fixture::writeText(roboflow / "data.yaml", "names: ['cone', \"cube\"]\n");
  for (const fixture::Folder* folder : {&lists, &folders, &roboflow}) {
    const hd::Value found = detectDataset(*folder / "");
    CHECK(found.at("format").asString() == "yolo");
    CHECK(found.strings("classes") == std::vector<std::string>{"cone", "cube"});
    CHECK(opened(found, "train") == 1);
    CHECK(opened(found, "val") == 1);
    CHECK(warnings(found).empty());
  }
}

TEST_CASE("detect: what is no data set is refused with what was looked for") {
  const fixture::Folder folder;
  CHECK(codeOf([&] { detectDataset(folder / ""); }) == "HD_DATA_DETECT");
  CHECK(codeOf([&] { detectDataset(folder / "none"); }) == "HD_DATA_FILE");
  fixture::writePicture(folder / "images/a.png");
  fixture::writeText(folder / "settings.json", "{\"images\": 5}");
  fixture::writeText(folder / "broken.json", "{");
  fixture::writeText(folder / "pom.xml", "<project/>");
  CHECK(codeOf([&] { detectDataset(folder / ""); }) == "HD_DATA_DETECT");
  fixture::writeText(folder / "labels/a.txt", "0 0.5 0.5 0.5 0.5\n");
  CHECK(codeOf([&] { detectDataset(folder / ""); }) == "HD_DATA_DETECT");  // YOLO without class names
}

TEST_CASE("names of a data.yaml are read in all three forms") {
  using Names = std::vector<std::string>;
  CHECK(yamlNames("train: x\nnames: [a, 'b c', \"d\"]\n") == Names{"a", "b c", "d"});
  CHECK(yamlNames("names: [a,\n  b,\n  c]\nnc: 3") == Names{"a", "b", "c"});
  CHECK(yamlNames("names:\n- a\n- b\nnc: 2\n- c\n") == Names{"a", "b"});
  CHECK(yamlNames("names:\n  0: a\n  # comment\n\n  1: b\nroboflow:\n  0: x\n") == Names{"a", "b"});
  CHECK(yamlNames("names: [").empty());
  CHECK(yamlNames("names:").empty());
  CHECK(yamlNames("nc: 3\n").empty());
}

namespace {

/// A shard with one sample.
void writeShard(const std::string& path, const std::string& label) {
  const fixture::Bytes png = fixture::png(fixture::waves(64, 48), 64, 48, fixture::PngForm{});
  fixture::writeText(path, fixture::Tar()
                               .file("a.png", {png.begin(), png.end()})
                               .file("a.json", R"({"boxes": [[1, 1, 20, 20]], "labels": [)" + label + "]}")
                               .whole());
}

}  // namespace

TEST_CASE("detect: tar shards named after their split, written as a pattern") {
  const fixture::Folder folder;
  for (int i = 0; i < 120; ++i)
    writeShard(folder / hd::concat("train-", 1000 + i, ".tar"), i % 2 == 0 ? "\"cat\"" : "\"dog\"");
  writeShard(folder / "val-0.tar", "\"cat\"");
  const hd::Value found = detectDataset(folder / "");
  CHECK(found.at("format").asString() == "webdataset");
  CHECK(found.at("train").at("shards").asString().ends_with("train-{1000..1119}.tar"));
  CHECK(found.at("val").at("shards").asString().ends_with("val-0.tar"));
  // Each split lacks some of the names.
  CHECK(found.strings("classes") == std::vector<std::string>{"cat", "dog"});
  CHECK(found.at("images").at("train").asInt() == 120);
  CHECK(opened(found, "train") == 120);
  CHECK(opened(found, "val") == 1);
  CHECK(warnings(found).empty());
}

TEST_CASE("detect: tar shards in a folder a split, with classes beside them, in no order that counts") {
  const fixture::Folder folder;
  for (const char* name : {"train/a.tar", "train/c.tar", "valid/a.tar"}) writeShard(folder / name, "1");
  CHECK(codeOf([&] { detectDataset(folder / ""); }) == "HD_DATA_CLASSES");
  fixture::writeText(folder / "classes.txt", "cone\ncube\n");
  const hd::Value found = detectDataset(folder / "");
  CHECK(found.at("train").strings("shards").size() == 2);
  CHECK(found.strings("classes") == std::vector<std::string>{"cone", "cube"});
  CHECK(opened(found, "val") == 1);
}

TEST_CASE("detect: tar files without pictures are no shards") {
  const fixture::Folder folder;
  fixture::writeText(folder / "backup.tar", fixture::Tar().file("notes.txt", "x").whole());
  fixture::writeText(folder / "broken.tar", "x");
  CHECK(codeOf([&] { detectDataset(folder / ""); }) == "HD_DATA_DETECT");
  // Nor do they hide what is recognised beside them.
  fixture::writePicture(folder / "images/a.png");
  fixture::writeText(folder / "annotations/train.json", coco("a.png"));
  CHECK(detectDataset(folder / "").at("format").asString() == "coco");
}
