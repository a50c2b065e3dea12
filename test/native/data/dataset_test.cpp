#include "data/dataset.h"

#include <doctest/doctest.h>

#include <cstring>

#include "data/dataset_builder.h"
#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::object;

namespace {

struct Change {
  std::string root = "/data/", rootAsWritten = "/data/", name = "x.jpg", className = "a", rle = "0<";
  int width = 100;
  float edge = 10, keypoint = 5, corner = 9;
  bool crowd = false;
};

std::string digestOf(const Change& change) {
  DatasetBuilder builder(change.rootAsWritten);
  builder.setClasses({change.className});
  builder.addImage(1, change.root + change.name, change.width, 80);
  Annotation a{1, 2, change.edge, 20, 99, 0, change.crowd, false, 1, -1, -1, -1};
  a.keypoints = builder.table().addKeypoints(std::vector<float>{change.keypoint, 6, 2});
  a.polygons = builder.table().addPolygons({{1, 1, change.corner, 1, 9, 9}});
  a.rle = builder.table().addRle(change.rle);
  builder.addAnnotation(0, a, "");
  return builder.build({})->digest();
}

std::shared_ptr<Dataset> onePicture(const std::string& path, int width, int height) {
  DatasetBuilder builder("");
  builder.setClasses({"a"});
  builder.addImage(7, path, width, height);
  builder.addAnnotation(0, {1, 1, 30, 30, 841, 0, false, false, 1, -1, -1, -1}, "");
  return builder.build({});
}

}  // namespace

TEST_CASE("the digest tells every difference that training sees, and not where the data lies") {
  const std::string base = digestOf({});
  CHECK(base.size() == 16);
  CHECK(base == digestOf({}));
  Change moved;
  moved.root = moved.rootAsWritten = "/elsewhere/far/";
  CHECK(digestOf(moved) == base);
  moved.rootAsWritten = "/elsewhere/far";
  CHECK(digestOf(moved) == base);
  std::vector<Change> changes(8);
  changes[0].name = "y.jpg";
  changes[1].className = "b";
  changes[2].rle = "1<";
  changes[3].width = 101;
  changes[4].edge = 10.0001f;
  changes[5].keypoint = 4;
  changes[6].corner = 8;
  changes[7].crowd = true;
  std::vector<std::string> all{base};
  for (const Change& change : changes) all.push_back(digestOf(change));
  std::sort(all.begin(), all.end());
  CHECK(std::unique(all.begin(), all.end()) == all.end());
}

TEST_CASE("side arrays give back what was put in") {
  AnnotationTable table;
  Annotation a{};
  a.polygons = a.keypoints = a.rle = -1;
  CHECK(table.polygons(a).empty());
  CHECK(table.keypoints(a).empty());
  CHECK(table.rle(a).empty());
  hd::Random random(4, "test", 0, 0);
  std::vector<std::vector<std::vector<float>>> shapes;
  std::vector<Annotation> annotations;
  for (int i = 0; i < 40; ++i) {
    std::vector<std::vector<float>> polygons(random.below(4));
    for (auto& polygon : polygons) {
      polygon.resize(6 + 2 * random.below(5));
      for (float& value : polygon) value = random.uniform();
    }
    const std::vector<float> keypoints{static_cast<float>(i), 1, 2};
    a.polygons = table.addPolygons(polygons);
    a.keypoints = table.addKeypoints(keypoints);
    a.rle = table.addRle(std::to_string(i));
    shapes.push_back(polygons);
    annotations.push_back(a);
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    CHECK(table.polygons(annotations[i]) == shapes[i]);
    CHECK(table.keypoints(annotations[i])[0] == static_cast<float>(i));
    CHECK(table.rle(annotations[i]) == std::to_string(i));
  }
}

TEST_CASE("a sample is the picture with the annotations of its image") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "a.png", 64, 48);
  const auto dataset = onePicture(folder / "a.png", 64, 48);
  const Sample sample = dataset->sample(0, 0, 0);
  CHECK(sample.width == 64);
  CHECK(sample.picture.height == 48);
  CHECK(std::memcmp(sample.picture.pixels, fixture::waves(64, 48).data(), 64 * 48 * 3) == 0);
  REQUIRE(sample.annotations.size() == 1);
  CHECK(sample.annotations.data() == dataset->annotations(0).data());
  CHECK(sample.table == &dataset->table());
}

TEST_CASE("a picture decoded at a fraction still counts as its own size") {
  const fixture::Folder folder;
  fixture::write(folder / "a.jpg", fixture::jpeg(fixture::waves(203, 101), 203, 101));
  const auto dataset = onePicture(folder / "a.jpg", 203, 101);
  const Sample sample = dataset->sample(0, 40, 20);
  CHECK(sample.picture.width < 203);
  CHECK(sample.width == 203);
  CHECK(sample.height == 101);
}

TEST_CASE("a picture of another size than its annotations were made for is refused") {
  const fixture::Folder folder;
  fixture::writePicture(folder / "a.png", 64, 48);
  CHECK(codeOf([&] { onePicture(folder / "a.png", 48, 64)->sample(0, 0, 0); }) == "HD_DATA_IMAGE");
  CHECK(codeOf([&] { onePicture(folder / "a.png", 65, 48)->sample(0, 0, 0); }) == "HD_DATA_IMAGE");
  CHECK(codeOf([&] { onePicture(folder / "none.png", 64, 48)->sample(0, 0, 0); }) == "HD_DATA_IMAGE");
  const Sample unknown = onePicture(folder / "a.png", 0, 0)->sample(0, 0, 0);
  CHECK(unknown.width == 64);
}

TEST_CASE("opening asks the format for it") {
  CHECK(codeOf([] { Dataset::open(object({{"format", "parquet"}})); }) == "HD_DATA_FORMAT_UNKNOWN");
  CHECK(codeOf([] { Dataset::open(hd::Value()); }) == "HD_INTERNAL");
  CHECK(Dataset::open(object({{"format", "synthetic"}, {"count", 3}}))->size() == 3);
}
