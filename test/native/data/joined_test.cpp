// Dataset::join, and opening a spec with several places.
#include <doctest/doctest.h>

#include <cstring>

#include "data/dataset_builder.h"
#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::object;

namespace {

/// `images` pictures with 0, 1, 2 … objects, each with every kind of shape; nothing of it equals another
/// part's.
std::shared_ptr<const Dataset> part(const std::string& root, int images, int mark,
                                    const std::vector<std::string>& classes = {"a", "b"},
                                    bool keepEmpty = false) {
  DatasetBuilder builder(root);
  builder.setClasses(classes);
  int64_t id = 100;
  for (int image = 0; image < images; ++image) {
    builder.addImage(40 + image, hd::concat(root, "/", mark, "-", image, ".jpg"), 100 + mark, 80);
    for (int k = 0; k < image; ++k) {
      const auto edge = static_cast<float>(10 + mark + k);
      Annotation a{1, 2, edge, 20, 99, k % 2, k == 2, k == 1, ++id, -1, -1, -1};
      const auto value = static_cast<float>(mark + k);
      a.polygons = builder.table().addPolygons({{value, 1, 9, 1, 9, 9}, {2, 2, value, 3, 3, 3}});
      a.keypoints = builder.table().addKeypoints(std::vector<float>{value, 6, 2});
      a.rle = builder.table().addRle(std::to_string(mark + k));
      builder.addAnnotation(image, a, "");
    }
  }
  if (images > 1) builder.addAnnotation(1, {5, 5, 5, 5, 0, 0, false, false, mark, -1, -1, -1}, "");
  builder.report("made-up", root, "one a part");
  return builder.build({keepEmpty, 32});
}

void writeVoc(const std::string& root, const std::string& name, const std::string& label) {
  fixture::writePicture(root + "/pictures/" + name + ".png");
  fixture::writeText(root + "/xml/" + name + ".xml",
                     "<annotation><object><name>" + label +
                         "</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>30</xmax><ymax>30</ymax></bndbox>"
                         "</object></annotation>");
}

}  // namespace

TEST_CASE("every part keeps its pictures, objects and shapes, in order") {
  const std::vector<std::shared_ptr<const Dataset>> parts{part("/x", 3, 1), part("/y", 4, 20),
                                                          part("/z", 1, 40, {"a", "b"}, true)};
  const auto whole = Dataset::join(parts);
  CHECK(fixture::brokenInvariant(*whole) == "");
  REQUIRE(whole->size() == 8);
  int64_t at = 0, annotations = 0;
  std::vector<int64_t> trainable;
  for (const auto& one : parts) {
    for (const int64_t image : one->trainable()) trainable.push_back(at + image);
    for (int64_t image = 0; image < one->size(); ++image, ++at) {
      CHECK(whole->file(at) == one->file(image));
      CHECK(whole->imageId(at) == at + 1);
      CHECK(whole->width(at) == one->width(image));
      const auto mine = whole->annotations(at), theirs = one->annotations(image);
      REQUIRE(mine.size() == theirs.size());
      for (size_t k = 0; k < mine.size(); ++k) {
        CHECK(mine[k].id == ++annotations);
        CHECK(mine[k].x2 == theirs[k].x2);
        CHECK(mine[k].label == theirs[k].label);
        CHECK(mine[k].crowd == theirs[k].crowd);
        CHECK(mine[k].difficult == theirs[k].difficult);
        CHECK(whole->polygons(mine[k]) == one->polygons(theirs[k]));
        CHECK(whole->keypoints(mine[k])[0] == one->keypoints(theirs[k])[0]);
        CHECK(whole->rle(mine[k]) == one->rle(theirs[k]));
      }
    }
  }
  CHECK(whole->trainable() == trainable);
  REQUIRE(whole->unfit().size() == 2);
  CHECK(whole->unfit()[0].image == 1);
  CHECK(whole->unfit()[1].image == 3 + 1);
  CHECK(whole->unfit()[1].annotation.id == 20);
  CHECK(fixture::findings(*whole, "made-up") == 3);
  CHECK(whole->findings().size() >= 3);
}

TEST_CASE("the digest knows the parts and their order, not where they lie") {
  const auto digest = [](std::vector<std::shared_ptr<const Dataset>> parts) {
    return Dataset::join(parts)->digest();
  };
  const std::string base = digest({part("/x", 3, 1), part("/y", 4, 20)});
  CHECK(digest({part("/far/away", 3, 1), part("/elsewhere", 4, 20)}) == base);
  CHECK(digest({part("/y", 4, 20), part("/x", 3, 1)}) != base);
  CHECK(digest({part("/x", 3, 1), part("/y", 4, 21)}) != base);
  CHECK(digest({part("/x", 3, 1)}) != base);
}

TEST_CASE("parts with other classes, or another order of them, are refused") {
  for (const auto& classes : {std::vector<std::string>{"b", "a"}, {"a"}, {"a", "b", "c"}}) {
    CHECK(codeOf([&] { Dataset::join({part("/x", 1, 1), part("/y", 1, 2, classes)}); }) == "HD_DATA_CLASSES");
  }
}

TEST_CASE("a spec with further places opens all of them; each has a list of its own") {
  const fixture::Folder folder;
  writeVoc(folder / "2007", "p1", "cat");
  writeVoc(folder / "2007", "p2", "dog");
  writeVoc(folder / "2012", "p1", "dog");
  writeVoc(folder / "2012", "p3", "cat");
  fixture::writeText(folder / "2007" + "/train.txt", "p2\n");
  const auto place = [&](const std::string& year) {
    return object({{"images", (folder / year) + "/pictures"}, {"annotations", (folder / year) + "/xml"}});
  };
  hd::Value spec = place("2007");
  spec.set("format", "voc");
  spec.set("list", (folder / "2007") + "/train.txt");
  hd::Value classes{hd::Value::Array{}};
  for (const char* name : {"cat", "dog"}) classes.push(name);
  spec.set("classes", classes);
  spec.set("minSide", 1);
  hd::Value also{hd::Value::Array{}};
  also.push(place("2012"));
  spec.set("also", also);
  const auto whole = Dataset::open(spec);
  REQUIRE(whole->size() == 3);
  CHECK(whole->file(0).ends_with("2007/pictures/p2.png"));
  CHECK(whole->file(1).ends_with("2012/pictures/p1.png"));
  CHECK(whole->annotations(1)[0].label == 1);
  CHECK(whole->trainable().size() == 3);
  CHECK(whole->load(2, 0, 0).width == 64);
  spec.set("also", hd::Value{hd::Value::Array{}});
  CHECK(Dataset::open(spec)->size() == 1);
}

TEST_CASE("without a list of classes, places in which others are found are refused") {
  const fixture::Folder folder;
  writeVoc(folder / "x", "p", "cat");
  writeVoc(folder / "y", "p", "dog");
  hd::Value also{hd::Value::Array{}};
  also.push(object({{"images", (folder / "y") + "/pictures"}, {"annotations", (folder / "y") + "/xml"}}));
  const hd::Value spec = object({{"format", "voc"},
                                 {"images", (folder / "x") + "/pictures"},
                                 {"annotations", (folder / "x") + "/xml"},
                                 {"also", also}});
  CHECK(codeOf([&] { Dataset::open(spec); }) == "HD_DATA_CLASSES");
}
