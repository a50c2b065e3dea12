#include "data/report.h"

#include <doctest/doctest.h>

#include <cmath>

#include "data/dataset_builder.h"
#include "data/synthetic.h"
#include "data_fixture.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

Annotation box(float side, int32_t label, bool crowd = false) {
  return {0, 0, side, side, double{side} * side, label, crowd, false, 0, -1, -1, -1};
}

/// Three pictures, two of them equal; one file is broken, one announced with a wrong size.
std::shared_ptr<Dataset> mixed(const fixture::Folder& folder) {
  fixture::writePicture(folder / "a.png", 64, 48);
  fixture::writePicture(folder / "b.png", 64, 48);
  fixture::writePicture(folder / "c.png", 64, 48, 1);
  const auto jpeg = fixture::jpeg(fixture::waves(64, 48), 64, 48);
  fixture::write(folder / "cut.jpg", {jpeg.begin(), jpeg.begin() + static_cast<int64_t>(jpeg.size() / 2)});
  DatasetBuilder builder("");
  builder.setClasses({"cat", "dog", "none"});
  builder.addImage(1, folder / "a.png", 64, 48);
  builder.addImage(2, folder / "b.png", 64, 48);
  builder.addImage(3, folder / "c.png", 100, 100);
  builder.addImage(4, folder / "cut.jpg", 64, 48);
  builder.probeFiles(false);
  for (const float side : {10.0f, 20.0f, 40.0f}) builder.addAnnotation(0, box(side, 0), "");
  builder.addAnnotation(1, box(30, 0), "");
  builder.addAnnotation(1, box(16, 1), "");
  builder.addAnnotation(3, box(12, 1, true), "");
  return builder.build({});
}

}  // namespace

TEST_CASE("the report counts what is there") {
  const fixture::Folder folder;
  const hd::Value value = report(*mixed(folder), false, 2);
  CHECK(value.at("images").asInt() == 4);
  CHECK(value.at("trainable").asInt() == 2);
  CHECK(value.at("annotations").asInt() == 6);
  const auto& classes = value.at("perClass").asArray();
  REQUIRE(classes.size() == 3);
  CHECK(classes[0].at("name").asString() == "cat");
  CHECK(classes[0].at("images").asInt() == 2);
  CHECK(classes[0].at("objects").asInt() == 4);
  CHECK(classes[0].at("medianSide").asNumber() == 25);
  CHECK(classes[1].at("objects").asInt() == 1);
  CHECK(classes[1].at("ignored").asInt() == 1);
  CHECK(classes[2].at("objects").asInt() == 0);
  const auto sides = value.numbers("boxSides");
  REQUIRE(sides.size() == 7);
  CHECK(sides.front() == 10);
  CHECK(sides[3] == 18);  // halfway between 16 and 20
  CHECK(sides.back() == 40);
  const auto& sizes = value.at("imageSizes").asArray();
  REQUIRE(sizes.size() == 2);
  CHECK(sizes[0].at("count").asInt() == 3);
  CHECK(value.at("duplicates").asArray().empty());
  CHECK(value.at("findings").asArray().empty());
}

TEST_CASE("decoding finds broken files, wrong sizes and equal pictures") {
  const fixture::Folder folder;
  const auto dataset = mixed(folder);
  for (const int threads : {1, 4}) {
    const hd::Value value = report(*dataset, true, threads);
    CHECK(value.at("findingCounts").at("corrupt-file").asInt() == 1);
    CHECK(value.at("findingCounts").at("size-mismatch").asInt() == 1);
    CHECK(value.at("findings").asArray().size() == 2);
    REQUIRE(value.at("duplicates").asArray().size() == 1);
    const auto& group = value.at("duplicates").asArray()[0].asArray();
    REQUIRE(group.size() == 2);
    CHECK(group[0].asString() == folder / "a.png");
    CHECK(group[1].asString() == folder / "b.png");
  }
}

TEST_CASE("a data set without a single box has a report as well") {
  DatasetBuilder builder("");
  builder.setClasses({"a"});
  builder.addImage(1, "x", 10, 10);
  const hd::Value value = report(*builder.build({}), false, 1);
  CHECK(value.at("boxSides").asArray().empty());
  CHECK(value.at("perClass").asArray()[0].at("medianSide").asNumber() == 0);
}

TEST_CASE("leakage pairs equal pictures of two sets, nearest first") {
  const fixture::Folder folder;
  const auto scenes = makeSynthetic({.count = 12, .split = "train"});
  const auto save = [&](int64_t index, const std::string& name, bool asJpeg) {
    const Picture picture = scenes->load(index, 0, 0);
    writePicture(folder / (name + (asJpeg ? ".jpg" : ".png")), picture.pixels, picture.width, picture.height);
    return folder / (name + (asJpeg ? ".jpg" : ".png"));
  };
  const auto setOf = [](const std::vector<std::string>& files) {
    hd::Value list;
    for (const std::string& file : files) list.push(file);
    return Dataset::open(fixture::object({{"format", "files"}, {"files", list}}));
  };
  fixture::writeText(folder / "broken.jpg", "no picture");
  const auto train =
      setOf({save(0, "t0", false), save(1, "t1", false), save(2, "t2", false), folder / "broken.jpg"});
  const auto val =
      setOf({save(5, "v5", false), save(1, "v1", true), save(2, "v2", false), folder / "broken.jpg"});
  const hd::Value found = leakage(*train, *val, 2);
  const auto& pairs = found.asArray();
  REQUIRE(pairs.size() == 2);
  std::vector<std::pair<std::string, std::string>> names;
  for (const hd::Value& pair : pairs)
    names.emplace_back(pair.at("file").asString(), pair.at("other").asString());
  std::sort(names.begin(), names.end());
  CHECK(names[0] == std::pair{folder / "t1.png", folder / "v1.jpg"});
  CHECK(names[1] == std::pair{folder / "t2.png", folder / "v2.png"});
  CHECK(pairs[0].at("distance").asInt() <= pairs[1].at("distance").asInt());
  CHECK(leakage(*setOf({folder / "t0.png"}), *setOf({folder / "v5.png"}), 1).asArray().empty());
}

TEST_CASE("both can be stopped") {
  const auto scenes = makeSynthetic({.count = 50});
  std::stop_source source;
  source.request_stop();
  CHECK(codeOf([&] { report(*scenes, true, 2, source.get_token()); }) == "HD_CANCELLED");
  CHECK(codeOf([&] { leakage(*scenes, *scenes, 2, source.get_token()); }) == "HD_CANCELLED");
}
