#include <doctest/doctest.h>

#include "../data_fixture.h"
#include "data/formats/coco_reader.h"
#include "data/formats/detect.h"

using namespace hd::data;
using fixture::codeOf;

namespace {

using Labels = std::vector<int32_t>;

const std::string categories =
    R"("categories":[{"id":7,"name":"dog","frequency":"f"},{"frequency":"r","id":3,"name":"cat"},{"id":5,"name":"cow","frequency":"c"}])";

/// As LVIS v1 has it: no file_name.
std::string image(int id, const std::string& more) {
  return R"({"id":)" + std::to_string(id) +
         R"(,"flickr_url":"http://flickr.test/9_z.jpg","coco_url":"http://images.test/train2017/)" +
         std::to_string(id) + R"(.png","height":48,"width":64)" + (more.empty() ? "" : "," + more) + "}";
}

std::string document(
    const std::string& images,
    const std::string& annotation = R"({"id":1,"image_id":5,"category_id":3,"bbox":[10,10,20,20]})") {
  return R"({"info":{"version":"v1.0"},"images":[)" + images + "]," + categories + R"(,"annotations":[)" +
         annotation + "]}";
}

/// Two pictures in train2017/.
class Lvis {
 public:
  Lvis() {
    for (const char* name : {"5.png", "2.png"})
      fixture::writePicture(folder_ / ("train2017/" + std::string(name)));
  }
  std::shared_ptr<const Dataset> open(const std::string& text, hd::Value spec = {}) const {
    fixture::writeText(folder_ / "lvis_v1_train.json", text);
    spec.set("format", "lvis").set("images", folder_ / "").set("annotations", folder_ / "lvis_v1_train.json");
    return Dataset::open(spec);
  }
  hd::Error errorOf(const std::string& text) const {
    try {
      open(text);
    } catch (const hd::Error& error) {
      return error;
    }
    return {"none", ""};
  }
  const fixture::Folder& folder() const { return folder_; }

 private:
  fixture::Folder folder_;
};

Labels listed(std::span<const int32_t> labels) {
  return {labels.begin(), labels.end()};
}

const std::string two = image(5, R"("neg_category_ids":[5,7],"not_exhaustive_category_ids":[3])") + "," +
                        image(2, R"("not_exhaustive_category_ids":[],"neg_category_ids":[3])");

}  // namespace

TEST_CASE("lvis: pictures by coco_url, and what each was searched for") {
  const Lvis lvis;
  const auto dataset = lvis.open(document(two));
  CHECK(dataset->file(0) == lvis.folder() / "train2017/5.png");
  CHECK(dataset->findings().empty());
  CHECK(dataset->classes() == std::vector<std::string>{"cat", "cow", "dog"});
  REQUIRE(dataset->annotations(0).size() == 1);
  CHECK(dataset->annotations(0)[0].label == 0);
  CHECK(dataset->load(1, 0, 0).width == 64);
  const Federation* federation = dataset->federation();
  REQUIRE(federation != nullptr);
  CHECK(federation->frequency == std::vector<char>{'r', 'c', 'f'});
  CHECK(listed(federation->negativeOf(0)) == Labels{1, 2});
  CHECK(listed(federation->notExhaustiveOf(0)) == Labels{0});
  CHECK(listed(federation->negativeOf(1)) == Labels{0});
  CHECK(federation->notExhaustiveOf(1).empty());
  CHECK(fixture::brokenInvariant(*dataset) == "");
}

TEST_CASE("lvis: the classes of the recipe, in their order; others are searched for by nobody") {
  const Lvis lvis;
  hd::Value classes;
  classes.push("dog").push("cat");
  const auto dataset = lvis.open(document(two), hd::Value().set("classes", classes));
  const Federation& federation = *dataset->federation();
  CHECK(federation.frequency == std::vector<char>{'f', 'r'});
  CHECK(listed(federation.negativeOf(0)) == Labels{0});
  CHECK(listed(federation.notExhaustiveOf(0)) == Labels{1});
  CHECK(listed(federation.negativeOf(1)) == Labels{1});
}

TEST_CASE("lvis: file_name goes before coco_url; lists and frequencies may be missing") {
  const Lvis lvis;
  std::string text = document(image(5, R"("file_name":"train2017/2.png")") + "," + image(2, ""));
  const auto dataset = lvis.open(text.replace(text.find(R"(,"frequency":"f")"), 16, ""));
  CHECK(dataset->file(0) == lvis.folder() / "train2017/2.png");
  CHECK(dataset->federation()->negativeOf(0).empty());
  CHECK(dataset->federation()->notExhaustiveOf(1).empty());
  CHECK(dataset->federation()->frequency == std::vector<char>{'r', 'c', 0});
}

TEST_CASE("lvis: where a picture lies") {
  CHECK(lvisFileName("http://images.test/val2017/000000000139.jpg") == "val2017/000000000139.jpg");
  CHECK(lvisFileName("val2017/1.jpg") == "val2017/1.jpg");
  CHECK(lvisFileName("1.jpg") == "1.jpg");
  CHECK(lvisFileName("/1.jpg") == "/1.jpg");
  CHECK(lvisFileName("") == "");
}

TEST_CASE("lvis: what is wrong is said with its place") {
  const Lvis lvis;
  const auto check = [&](const std::string& images, const std::string& part) {
    const hd::Error error = lvis.errorOf(document(images));
    CAPTURE(error.what());
    CHECK(error.code() == "HD_DATA_FORMAT");
    CHECK(std::string(error.what()).find(part) != std::string::npos);
  };
  check(image(5, R"("neg_category_ids":[1.5])"), "images[0].neg_category_ids");
  check(image(5, R"("neg_category_ids":["cat"])"), "images[0].neg_category_ids");
  check(image(5, "") + "," + image(2, R"("not_exhaustive_category_ids":7)"), "images[1].not_exhaustive");
  check(R"({"id":5,"height":48,"width":64})", "no file_name");
  check(R"({"id":5,"coco_url":9})", "images[0].coco_url");
  std::string text = document(image(5, ""));
  text.replace(text.find(R"("frequency":"f")"), 15, R"("frequency":"x")");
  CHECK(std::string(lvis.errorOf(text).what()).find("r, c or f") != std::string::npos);
}

TEST_CASE("COCO has no federation") {
  const Lvis lvis;
  hd::Value spec;
  fixture::writeText(lvis.folder() / "a.json", document(image(5, R"("file_name":"train2017/5.png")")));
  spec.set("format", "coco").set("images", lvis.folder() / "").set("annotations", lvis.folder() / "a.json");
  CHECK(Dataset::open(spec)->federation() == nullptr);
}

TEST_CASE("detect: LVIS beside its pictures, without the list of its thousand classes") {
  const Lvis lvis;
  fixture::writePicture(lvis.folder() / "val2017/9.png");
  fixture::writeText(lvis.folder() / "lvis_v1_train.json", document(two));
  std::string val = document(image(9, R"("neg_category_ids":[3])"), "");
  val.replace(val.find("train2017"), 9, "val2017");
  fixture::writeText(lvis.folder() / "lvis_v1_val.json", val);
  const hd::Value found = detectDataset(lvis.folder() / "");
  CHECK(found.at("format").asString() == "lvis");
  CHECK(found.at("train").find("classes") == nullptr);
  CHECK(found.strings("classes") == std::vector<std::string>{"cat", "cow", "dog"});
  CHECK(found.at("images").at("val").asInt() == 1);
  CHECK(found.strings("warnings").empty());
  for (const char* split : {"train", "val"}) {
    hd::Value spec = found.at(split);
    const auto dataset = Dataset::open(spec.set("format", "lvis"));
    CHECK(dataset->load(0, 0, 0).width == 64);
    CHECK(dataset->federation() != nullptr);
  }
}

TEST_CASE("detect: COCO goes before LVIS on the same pictures") {
  const Lvis lvis;
  fixture::writeText(lvis.folder() / "annotations/lvis_v1_train.json", document(two));
  fixture::writeText(
      lvis.folder() / "annotations/instances_train2017.json",
      R"({"images":[{"id":5,"file_name":"5.png"}],"categories":[{"id":3,"name":"cat"}],"annotations":[]})");
  const hd::Value found = detectDataset(lvis.folder() / "");
  CHECK(found.at("format").asString() == "coco");
  CHECK(found.at("train").at("annotations").asString().ends_with("instances_train2017.json"));
}
