#include <doctest/doctest.h>

#include <cmath>

#include "../data_fixture.h"
#include "data/rle.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::findings;
using fixture::object;

namespace {

const std::string categories = R"("categories":[{"id":7,"name":"dog"},{"id":3,"name":"cat"}])";
const std::string images =
    R"("images":[{"id":5,"file_name":"a.png","width":64,"height":48},{"id":2,"file_name":"b.png"}])";

/// A data set folder with two pictures and one annotation file.
class Coco {
 public:
  Coco() {
    fixture::writePicture(folder_ / "images/a.png", 64, 48);
    fixture::writePicture(folder_ / "images/b.png", 40, 50);
  }
  std::shared_ptr<const Dataset> open(const std::string& text, hd::Value spec = {}) const {
    fixture::writeText(folder_ / "a.json", text);
    spec.set("format", "coco").set("images", folder_ / "images").set("annotations", folder_ / "a.json");
    return Dataset::open(spec);
  }
  std::shared_ptr<const Dataset> withAnnotations(const std::string& list, hd::Value spec = {}) const {
    return open("{" + images + "," + categories + ",\"annotations\":[" + list + "]}", spec);
  }
  std::string code(const std::string& text, hd::Value spec = {}) const {
    return codeOf([&] { open(text, spec); });
  }

 private:
  fixture::Folder folder_;
};

std::string annotation(const std::string& more, const std::string& box = "[10,10,20,20]") {
  return R"({"id":1,"image_id":5,"category_id":3,"bbox":)" + box + (more.empty() ? "" : "," + more) + "}";
}

}  // namespace

TEST_CASE("coco: boxes, classes by rising id, sizes from the header where the file has none") {
  const Coco coco;
  const auto dataset = coco.withAnnotations(
      R"({"id":9,"image_id":2,"category_id":7,"bbox":[1.5,2,10,20],"area":150.5,"iscrowd":0},)" +
      annotation(R"("iscrowd":1)"));
  CHECK(dataset->classes() == std::vector<std::string>{"cat", "dog"});
  CHECK(dataset->categoryIds() == std::vector<int64_t>{3, 7});
  CHECK(dataset->imageId(0) == 5);
  CHECK(dataset->width(1) == 40);
  CHECK(dataset->height(1) == 50);
  REQUIRE(dataset->annotations(1).size() == 1);
  const Annotation& a = dataset->annotations(1)[0];
  CHECK(a.x1 == 1.5f);
  CHECK(a.x2 == 11.5f);
  CHECK(a.y2 == 22);
  CHECK(a.area == 150.5);
  CHECK(a.label == 1);
  CHECK(a.id == 9);
  CHECK(dataset->annotations(0)[0].crowd);
  CHECK(dataset->annotations(0)[0].area == 400);
  CHECK(dataset->trainable() == std::vector<int64_t>{1});  // the other holds a crowd only
  CHECK(dataset->findings().empty());
  CHECK(fixture::brokenInvariant(*dataset) == "");
}

TEST_CASE("coco: members may come in any order, with ones that nobody knows") {
  const Coco coco;
  const std::string list = "\"annotations\":[" + annotation(R"("attributes":{"x":[1,{"y":null}]})") + "]";
  const std::string info = R"("info":{"year":2020,"deep":[[[]]]})";
  const std::string expected = coco.open("{" + images + "," + categories + "," + list + "}")->digest();
  CHECK(coco.open("{" + list + "," + info + "," + categories + "," + images + "}")->digest() == expected);
  CHECK(coco.open("\xEF\xBB\xBF {" + categories + "," + list + "," + images + "}\n")->digest() == expected);
}

TEST_CASE("coco: classes choose and order") {
  const Coco coco;
  const std::string both = annotation("") + R"(,{"id":2,"image_id":5,"category_id":7,"bbox":[0,0,9,9]})";
  const auto dogs = coco.withAnnotations(both, object({{"classes", hd::Value::Array{"dog"}}}));
  CHECK(dogs->classes() == std::vector<std::string>{"dog"});
  CHECK(dogs->categoryIds() == std::vector<int64_t>{7});
  CHECK(dogs->annotations(0).size() == 1);
  CHECK(dogs->findings().empty());
  const auto turned = coco.withAnnotations(both, object({{"classes", hd::Value::Array{"dog", "cat"}}}));
  CHECK(turned->annotations(0)[0].label == 1);
  std::string message;
  try {
    coco.withAnnotations(both, object({{"classes", hd::Value::Array{"dgo"}}}));
  } catch (const hd::Error& error) {
    message = error.what();
    CHECK(error.code() == "HD_DATA_CLASSES");
  }
  CHECK(message.find("did you mean 'dog'") != std::string::npos);
}

TEST_CASE("coco: polygons, run lengths and keypoints") {
  const Coco coco;
  const auto one = [&](const std::string& more) { return coco.withAnnotations(annotation(more)); };
  const auto polygons = one(R"("segmentation":[[1,2,3,4,5,6],[1,1,2,2,3,3,4,4.5]])");
  CHECK(polygons->polygons(polygons->annotations(0)[0]) ==
        std::vector<std::vector<float>>{{1, 2, 3, 4, 5, 6}, {1, 1, 2, 2, 3, 3, 4, 4.5f}});
  const std::vector<uint32_t> counts{100, 20, 2952};
  const auto plain = one(R"("segmentation":{"counts":[100,20,2952],"size":[48,64]})");
  const auto packed = one(R"("segmentation":{"size":[48,64],"counts":")" + packRle(counts) + "\"}");
  for (const auto& dataset : {plain, packed}) {
    CHECK(unpackRle(dataset->rle(dataset->annotations(0)[0])) == counts);
    CHECK(dataset->findings().empty());
  }
  const auto keypoints = one(R"("num_keypoints":1,"keypoints":[1,2,2,0,0,0])");
  const auto triples = keypoints->keypoints(keypoints->annotations(0)[0]);
  CHECK(std::vector<float>(triples.begin(), triples.end()) == std::vector<float>{1, 2, 2, 0, 0, 0});
  const auto unlabelled = one(R"("keypoints":[0,0,0,0,0,0],"segmentation":null,"area":null)");
  CHECK(unlabelled->keypoints(unlabelled->annotations(0)[0]).empty());
}

TEST_CASE("coco: bad content of one annotation becomes a finding") {
  const Coco coco;
  const auto count = [&](const std::string& list, const char* code, size_t kept) {
    CAPTURE(list);
    const auto dataset = coco.withAnnotations(list);
    CHECK(findings(*dataset, code) == 1);
    CHECK(dataset->table().annotations.size() == kept);
  };
  count(annotation("", "[10,10,-5,20]"), "negative-size", 0);
  count(annotation("", "[10,10,0,20]"), "zero-area", 0);
  count(annotation("\"area\":0"), "zero-area", 0);
  count(annotation("\"area\":5", "[10,10,0.5,20]"), "tiny-box", 0);
  count(annotation("", "[100,10,5,20]"), "box-outside", 0);
  count(annotation("", "[60,10,50,20]"), "box-over-border", 1);
  count(annotation("", "[]"), "invalid-box", 0);
  count(annotation("", "[1,2,3]"), "invalid-box", 0);
  count(annotation("", "[1,2,3,null]"), "invalid-box", 0);
  count(annotation("", "[1,2,1e300,5]"), "invalid-box", 0);
  count(R"({"id":1,"image_id":5,"category_id":3})", "invalid-box", 0);
  count(R"({"id":1,"image_id":77,"category_id":3,"bbox":[1,1,9,9]})", "dangling-image", 0);
  count(R"({"id":1,"image_id":5,"category_id":77,"bbox":[1,1,9,9]})", "unknown-class", 0);
  count(annotation("") + "," + annotation("", "[1,1,9,9]"), "duplicate-id", 2);
  count(annotation(R"("segmentation":[[1,2,3,4]])"), "invalid-polygon", 1);
  count(annotation(R"("segmentation":[[1,2,3,4,5,6,7]])"), "invalid-polygon", 1);
  count(annotation(R"("segmentation":[[1,2,3,4,5,null]])"), "invalid-polygon", 1);
  count(annotation(R"("segmentation":{"counts":[100,20],"size":[48,64]})"), "invalid-rle", 1);
  count(annotation(R"("segmentation":{"counts":[-1,3073],"size":[48,64]})"), "invalid-rle", 1);
  count(annotation(R"("segmentation":{"counts":[3072],"size":[64,48]})"), "invalid-rle", 1);
  count(annotation(R"("segmentation":{"counts":"~~~","size":[48,64]})"), "invalid-rle", 1);
  count(annotation(R"("segmentation":{"size":[48,64]})"), "invalid-rle", 1);
  count(annotation(R"("segmentation":{"counts":[1],"size":[1e9,1e9]})"), "invalid-rle", 1);
  count(annotation(R"("keypoints":[1,2])"), "invalid-keypoints", 1);
}

TEST_CASE("coco: broken structure is refused with the place") {
  const Coco coco;
  const auto with = [&](const std::string& list) {
    return "{" + images + "," + categories + ",\"annotations\":[" + list + "]}";
  };
  CHECK(coco.code("") == "HD_DATA_JSON");
  CHECK(coco.code("   ") == "HD_DATA_JSON");
  CHECK(coco.code("[]") == "HD_DATA_FORMAT");
  CHECK(coco.code("7") == "HD_DATA_FORMAT");
  CHECK(coco.code(with("") + "x") == "HD_DATA_JSON");
  CHECK(coco.code(with(annotation("", "[1,2,NaN,4]"))) == "HD_DATA_FORMAT");
  CHECK(coco.code(with(annotation("", "[1,2,1e999,4]"))) == "HD_DATA_FORMAT");
  CHECK(coco.code("{" + images + "," + R"("categories":[],"annotations":[]})") == "HD_DATA_FORMAT");
  CHECK(coco.code("{" + categories + R"(,"images":[],"annotations":[]})") == "HD_DATA_FORMAT");
  CHECK(coco.code("{" + categories + R"(,"annotations":[]})") == "HD_DATA_FORMAT");
  CHECK(coco.code("{" + images + R"(,"annotations":[]})") == "HD_DATA_FORMAT");
  CHECK(coco.code(R"({"images":{},"categories":[],"annotations":[]})") == "HD_DATA_FORMAT");
  CHECK(coco.code("{" + images + "," + categories + R"(,"annotations":7})") == "HD_DATA_FORMAT");
  CHECK(coco.code(with("5")) == "HD_DATA_FORMAT");
  CHECK(coco.code(with(R"({"id":1,"image_id":"5","category_id":3,"bbox":[1,1,9,9]})")) == "HD_DATA_FORMAT");
  CHECK(coco.code(with(R"({"id":1.5,"image_id":5,"category_id":3,"bbox":[1,1,9,9]})")) == "HD_DATA_FORMAT");
  CHECK(coco.code(with(R"({"id":1,"category_id":3,"bbox":[1,1,9,9]})")) == "HD_DATA_FORMAT");
  CHECK(coco.code(with(R"({"id":1,"image_id":5,"bbox":[1,1,9,9]})")) == "HD_DATA_FORMAT");
  CHECK(coco.code(with(annotation("", "\"10 10 20 20\""))) == "HD_DATA_FORMAT");
  CHECK(coco.code(with(annotation("", "[1,\"2\",3,4]"))) == "HD_DATA_FORMAT");
  const auto withImages = [&](const std::string& list) {
    return "{\"images\":[" + list + "]," + categories + "}";
  };
  CHECK(coco.code(withImages(R"({"id":1,"file_name":"a.png"},{"id":1,"file_name":"b.png"})")) ==
        "HD_DATA_FORMAT");
  CHECK(coco.code(withImages(R"({"id":"1","file_name":"a.png"})")) == "HD_DATA_FORMAT");
  CHECK(coco.code(withImages(R"({"id":1})")) == "HD_DATA_FORMAT");
  CHECK(coco.code(withImages(R"({"file_name":"a.png"})")) == "HD_DATA_FORMAT");
  CHECK(coco.code(withImages(R"({"id":1,"file_name":"a.png","width":-4})")) == "HD_DATA_FORMAT");
  CHECK(coco.code(withImages(R"({"id":1,"file_name":"a.png","width":1e9})")) == "HD_DATA_FORMAT");
  CHECK(coco.code("{" + images + R"(,"categories":[{"id":1,"name":"a"},{"id":1,"name":"b"}]})") ==
        "HD_DATA_FORMAT");
  CHECK(coco.code("{" + images + R"(,"categories":[{"id":1}]})") == "HD_DATA_FORMAT");
  CHECK(coco.code("{" + images + R"(,"categories":[{"id":1,"name":"a"},{"id":2,"name":"a"}]})") ==
        "HD_DATA_CLASSES");
}

TEST_CASE("coco: a message names the element, what came instead, and where a cut file ends") {
  const Coco coco;
  const auto failure = [&](const std::string& text) {
    try {
      coco.open(text);
    } catch (const hd::Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string typed =
      failure("{" + images + "," + categories + R"(,"annotations":[{},{"image_id":"x5"}]})");
  CHECK(typed.find("annotations[0]") != std::string::npos);
  const std::string id =
      failure("{" + images + "," + categories + R"(,"annotations":[{"id":1,"image_id":"x5"}]})");
  CHECK(id.find("annotations[0].image_id") != std::string::npos);
  CHECK(id.find("\"x5\"") != std::string::npos);
  const std::string whole = "{" + images + "," + categories + ",\"annotations\":[" + annotation("") + "]}";
  const std::string cut = failure(whole.substr(0, whole.size() - 10));
  CHECK(cut.find("at byte ") != std::string::npos);
  const std::string invalid = failure(whole.substr(0, 40) + "\xFF" + whole.substr(40));
  CHECK(invalid.find("at byte 40 ") != std::string::npos);
}

TEST_CASE("coco: a file that is cut anywhere is refused or reads as what is left") {
  const Coco coco;
  const std::string whole = "{" + images + "," + categories + ",\"annotations\":[" + annotation("") + "]}";
  for (size_t length = 0; length < whole.size(); length += 3) {
    const std::string code = coco.code(whole.substr(0, length));
    CAPTURE(length);
    CHECK((code == "HD_DATA_JSON" || code == "HD_DATA_FORMAT"));
  }
}

TEST_CASE("coco: deep nesting does not exhaust the stack") {
  const Coco coco;
  const std::string deep(100000, '['), back(100000, ']');
  const std::string code = coco.code("{" + images + "," + categories + ",\"info\":" + deep + back + "}");
  CHECK((code == "" || code == "HD_DATA_JSON"));
  CHECK(coco.code("{" + images + "," + categories + ",\"annotations\":" + deep + "}") != "");
  CHECK(coco.code(deep) != "");
}

TEST_CASE("coco: missing pictures and repeated files are found") {
  const Coco coco;
  const auto dataset =
      coco.open("{" + categories +
                    R"(,"annotations":[],"images":[{"id":1,"file_name":"a.png"},{"id":2,"file_name":"a.png"},
    {"id":3,"file_name":"none.png","width":50,"height":50},{"id":4,"file_name":"a\u0000.png"}]})",
                object({{"keepEmpty", true}}));
  CHECK(findings(*dataset, "missing-file") == 2);
  CHECK(findings(*dataset, "duplicate-file") == 1);
  CHECK(dataset->trainable() == std::vector<int64_t>{0, 1});
  const auto bare = coco.open("{" + images + "," + categories + "}");
  CHECK(findings(*bare, "no-annotations") == 1);
}

namespace {

/// Large enough for several rounds of pieces; annotation i has the box [i, 0, 10, 10] and stands before the
/// pictures.
std::string largeFile(int count, int broken = -1) {
  const std::string note(400'000, 'n');
  std::string text = "{\"annotations\":[";
  for (int i = 0; i < count; ++i) {
    text += hd::concat(i > 0 ? "," : "", "{\"id\":", i + 1, ",\"image_id\":5,\"category_id\":3,\"bbox\":[",
                       i == broken ? "\"left\"" : std::to_string(i % 50).c_str(), ",0,10,10],\"note\":\"",
                       note, "\",\"segmentation\":[[", i, ",0,20,0,20,20]]}");
  }
  return text + "]," + images + "," + categories + "}";
}

}  // namespace

TEST_CASE("coco: a large file is read in pieces, in its order, with pictures that follow") {
  const Coco coco;
  constexpr int count = 130;
  const auto dataset = coco.open(largeFile(count));
  const auto objects = dataset->annotations(0);
  REQUIRE(std::ssize(objects) == count);
  for (int i = 0; i < count; ++i) {
    const Annotation& a = objects[static_cast<size_t>(i)];
    CHECK(a.id == i + 1);
    CHECK(a.x1 == i % 50);
    REQUIRE(dataset->polygons(a).size() == 1);
    CHECK(dataset->polygons(a)[0][0] == i);
  }
}

TEST_CASE("coco: a fault far into a large file is told by its place, as in a small one") {
  const Coco coco;
  for (const int broken : {0, 60, 129}) {
    CAPTURE(broken);
    std::string told;
    try {
      coco.open(largeFile(130, broken));
    } catch (const hd::Error& error) {
      told = error.what();
    }
    CHECK(told.find(hd::concat("annotations[", broken, "].bbox")) != std::string::npos);
  }
  std::string cut = largeFile(130);
  cut.resize(cut.size() - 200);
  CHECK(coco.code(cut) == "HD_DATA_JSON");
}
