#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::checkError;
using eval_fixture::TemporaryFile;

namespace {

const char* const kTruth = R"({
  "images": [{"id": 7, "height": 20, "width": 30}, {"id": 3}],
  "categories": [{"id": 2, "name": "cat"}, {"id": 5}],
  "annotations": [
    {"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2, 10, 8], "area": 70.5, "iscrowd": 0, "num_keypoints": 1,
     "segmentation": [[1, 2, 11, 2, 11, 10, 1, 10]], "keypoints": [2, 3, 2, 4, 5, 0]},
    {"id": 4, "image_id": 3, "category_id": 5, "bbox": [0, 0, 4.5, 4], "iscrowd": 1, "ignore": 1,
     "segmentation": {"size": [4, 5], "counts": [4, 8, 8]}, "keypoints": [2, 3, 2, 4, 5, 1]}
  ]})";

/// The truth above with one piece replaced.
std::string truthWith(const std::string& from, const std::string& to) {
  std::string text = kTruth;
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

CocoSet readTruth(const std::string& text, IouType type = IouType::segm) {
  const TemporaryFile file(text);
  return readCocoTruth(file.path(), type);
}

std::vector<Instance> readResults(const std::string& text, IouType type) {
  const CocoSet truth = readTruth(kTruth);
  const TemporaryFile file(text);
  return readCocoResults(file.path(), truth, type);
}

}  // namespace

TEST_CASE("a truth file becomes a set") {
  const CocoSet truth = readTruth(kTruth);
  CHECK(truth.images == std::vector<int64_t>{7, 3});
  CHECK(truth.imageSizes == std::vector<std::array<uint32_t, 2>>{{20, 30}, {0, 0}});
  CHECK(truth.categories == std::vector<int64_t>{2, 5});
  CHECK(truth.names == std::vector<std::string>{"cat", "5"});
  REQUIRE(truth.instances.size() == 2);
  const Instance &plain = truth.instances[0], &crowd = truth.instances[1];
  CHECK(plain.id == 1);
  CHECK(plain.image == 7);
  CHECK(plain.category == 2);
  CHECK(plain.box == std::array<double, 4>{1, 2, 10, 8});
  CHECK(plain.area == 70.5);
  CHECK_FALSE(plain.crowd);
  CHECK_FALSE(plain.ignore);
  CHECK(maskArea(plain.mask) == 80);
  CHECK(crowd.crowd);
  CHECK(crowd.ignore);
  CHECK(crowd.area == 8);  // without `area`: that of the mask
  CHECK(crowd.mask.counts == std::vector<uint32_t>{4, 8, 8});

  const CocoSet points = readTruth(kTruth, IouType::keypoints);
  CHECK(points.instances[0].keypoints == std::vector<double>{2, 3, 2, 4, 5, 0});
  CHECK(points.instances[0].numKeypoints == 1);
  CHECK(points.instances[1].numKeypoints == 2);  // counted
  CHECK(points.instances[1].area == 18);         // of the box
  CHECK(points.instances[0].mask.counts.empty());
}

TEST_CASE("the kind of result decides over box and area") {
  const auto box = readResults(R"([{"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 0.5}])",
                               IouType::bbox);
  REQUIRE(box.size() == 1);
  CHECK(box[0].id == 1);
  CHECK(box[0].score == .5);
  CHECK(box[0].area == 12);

  const std::string mask =
      R"("image_id": 7, "category_id": 5, "score": 1, "segmentation": {"size": [4, 5], "counts": "483"})";
  checkError([&] { readResults("[{" + mask + "}]", IouType::segm); }, "HD_DATA_MASK",
             "[0].segmentation.counts");
  const std::string good =
      R"("image_id": 7, "category_id": 5, "score": 1, "segmentation": {"size": [4, 5], "counts": "488"})";
  for (const IouType type : {IouType::segm, IouType::bbox}) {
    const auto result = readResults("[{" + good + "}]", type);
    CHECK(result[0].area == 8);
    CHECK(result[0].box == std::array<double, 4>{1, 0, 2, 4});
  }
  // A box beside the mask gives the area, as pycocotools takes it.
  const auto both = readResults("[{" + good + R"(, "bbox": [0, 0, 3, 3]}])", IouType::segm);
  CHECK(both[0].area == 9);
  CHECK(maskArea(both[0].mask) == 8);
  // A box alone stands for its rectangle.
  const auto drawn =
      readResults(R"([{"image_id": 7, "category_id": 5, "score": 1, "bbox": [2, 3, 4, 5]}])", IouType::segm);
  CHECK(maskBox(drawn[0].mask) == std::array<double, 4>{2, 3, 4, 5});

  const auto points =
      readResults(R"([{"image_id": 7, "category_id": 5, "score": 1, "keypoints": [4, 3, 1, 9, 5, 1]}])",
                  IouType::keypoints);
  CHECK(points[0].box == std::array<double, 4>{4, 3, 5, 2});
  CHECK(points[0].area == 10);
  CHECK(readResults("[]", IouType::bbox).empty());
}

TEST_CASE("syntax errors name the byte") {
  const std::string whole = kTruth;
  const TemporaryFile cut(whole.substr(0, 200));
  const hd::Error error = eval_fixture::errorOf([&] { readCocoTruth(cut.path(), IouType::bbox); });
  CHECK(error.code() == "HD_DATA_JSON");
  CHECK(error.where() == cut.path());
  checkError([&] { readTruth(whole.substr(0, 200)); }, "HD_DATA_JSON", "at byte 200");
  checkError([&] { readTruth(truthWith("70.5", "NaN")); }, "HD_DATA_JSON", "at byte");
  checkError([&] { readTruth(truthWith("70.5", "1e999")); }, "HD_DATA_JSON", "at byte");
  checkError([&] { readTruth(""); }, "HD_DATA_JSON", "syntax error");
  checkError([&] { readTruth("[1, 2"); }, "HD_DATA_JSON", "at byte 5");
}

TEST_CASE("every cut of a file is refused without a crash") {
  const std::string whole = kTruth;
  for (size_t length = 0; length < whole.size(); length += 7) {
    const hd::Error error = eval_fixture::errorOf([&] { readTruth(whole.substr(0, length)); });
    CHECK(error.code() == "HD_DATA_JSON");
  }
}

TEST_CASE("random damage is refused or read, never a crash") {
  hd::Random random(1, "synthetic", 0, 0);
  const std::string whole = kTruth;
  for (int round = 0; round < 400; ++round) {
    std::string text = whole;
    for (uint32_t i = 0; i <= random.below(3); ++i) {
      text[random.below(static_cast<uint32_t>(text.size()))] = "0123456789{}[],:\"-.eE x"[random.below(23)];
    }
    for (const IouType type : {IouType::bbox, IouType::segm, IouType::keypoints}) {
      try {
        const CocoSet truth = readTruth(text, type);
        for (const Instance& instance : truth.instances) CHECK(instance.area >= 0);
      } catch (const hd::Error& error) {
        CHECK(error.code().starts_with("HD_DATA_"));
      }
    }
  }
}

TEST_CASE("a depth bomb is refused") {
  for (const size_t depth : {size_t{100}, size_t{200000}}) {
    checkError([&] { readTruth(std::string(depth, '[')); }, "HD_DATA_JSON", "syntax error");
    checkError([&] { readTruth(std::string(depth, '[') + std::string(depth, ']')); }, "HD_DATA_JSON",
               "syntax error");
  }
}

TEST_CASE("files that cannot be read") {
  checkError([] { readCocoTruth("/nonexistent/truth.json", IouType::bbox); }, "HD_DATA_FILE",
             "/nonexistent/truth.json");
  checkError([] { readCocoTruth("/", IouType::bbox); }, "HD_DATA_FILE", "readable JSON file");
}

TEST_CASE("wrong types and ranges name the element") {
  const auto refuse = [](const std::string& from, const std::string& to, const std::string& code,
                         const std::string& part) {
    CAPTURE(to);
    checkError([&] { readTruth(truthWith(from, to)); }, code, part);
  };
  refuse(R"("images": [{"id": 7, "height": 20, "width": 30}, {"id": 3}],)", "", "HD_DATA_FIELD",
         "for images");
  refuse(R"({"id": 3})", "3", "HD_DATA_FIELD", "an object for images[1]");
  refuse(R"({"id": 3})", R"({"id": "3"})", "HD_DATA_FIELD", "an integer for images[1].id");
  refuse(R"({"id": 3})", R"({"id": 3.5})", "HD_DATA_FIELD", "received 3.5");
  refuse(R"({"id": 3})", "{}", "HD_DATA_FIELD", "images[1].id");
  refuse(R"({"id": 3})", R"({"id": 7})", "HD_DATA_ID", "a duplicate 7");
  refuse(R"("height": 20)", R"("height": -20)", "HD_DATA_FIELD", "images[0].height");
  refuse(R"("height": 20)", R"("height": 70000)", "HD_DATA_FIELD", "at most 65535");
  refuse(R"("name": "cat")", R"("name": 4)", "HD_DATA_FIELD", "a string for categories[0].name");
  refuse(R"({"id": 5}],)", R"({"id": 2}],)", "HD_DATA_ID", "categories[1].id");
  refuse(R"("image_id": 3)", R"("image_id": 4)", "HD_DATA_ID", "annotations[1].image_id");
  refuse(R"("category_id": 2)", R"("category_id": 9)", "HD_DATA_ID", "annotations[0].category_id");
  refuse(R"("id": 4, "image_id")", R"("id": 1, "image_id")", "HD_DATA_ID", "annotations[1].id");
  refuse(R"("id": 4, "image_id")", R"("image_id")", "HD_DATA_FIELD", "annotations[1].id");
  refuse("[1, 2, 10, 8]", "[1, 2, 10]", "HD_DATA_FIELD", "received 3 numbers");
  refuse("[1, 2, 10, 8]", "[1, 2, -10, 8]", "HD_DATA_FIELD", "annotations[0].bbox");
  refuse("[1, 2, 10, 8]", R"([1, 2, "10", 8])", "HD_DATA_FIELD", "annotations[0].bbox[2]");
  refuse("[1, 2, 10, 8]", "{}", "HD_DATA_FIELD", "received an object");
  refuse("70.5", "-1", "HD_DATA_FIELD", "annotations[0].area");
  refuse("70.5", "true", "HD_DATA_FIELD", "received a boolean");
  refuse(R"("iscrowd": 1)", R"("iscrowd": 2)", "HD_DATA_FIELD", "0 or 1 for annotations[1].iscrowd");
  refuse("[[1, 2, 11, 2, 11, 10, 1, 10]]", "[]", "HD_DATA_MASK", "annotations[0].segmentation");
  refuse("[[1, 2, 11, 2, 11, 10, 1, 10]]", "[[1, 2, 3]]", "HD_DATA_MASK", "3 numbers");
  refuse("[[1, 2, 11, 2, 11, 10, 1, 10]]", "[1, 2]", "HD_DATA_FIELD",
         "an array for annotations[0].segmentation[0]");
  refuse("[[1, 2, 11, 2, 11, 10, 1, 10]]", "null", "HD_DATA_FIELD",
         "a value for annotations[0].segmentation");
  refuse("[4, 8, 8]", "[4, 8, 9]", "HD_DATA_MASK", "a sum of 21");
  refuse("[4, 8, 8]", "[4, -8, 8]", "HD_DATA_FIELD", "annotations[1].segmentation.counts[1]");
  refuse("[4, 5], ", "[4], ", "HD_DATA_FIELD", "height, width");
  refuse("[4, 5], ", "[65536, 1], ", "HD_DATA_FIELD", "at most 65535");
  refuse(R"("size": [4, 5], )", "", "HD_DATA_FIELD", "annotations[1].segmentation.size");
  refuse(R"({"size": [4, 5], "counts": [4, 8, 8]})", "[[0, 0, 4, 0, 4, 4]]", "HD_DATA_FIELD",
         "height and width of image 3");
}

TEST_CASE("keypoints must come in triples") {
  checkError([] { readTruth(truthWith("[2, 3, 2, 4, 5, 0]", "[2, 3, 2, 4]"), IouType::keypoints); },
             "HD_DATA_FIELD", "annotations[0].keypoints");
  checkError(
      [] { readTruth(truthWith("\"keypoints\": [2, 3, 2, 4, 5, 0]", "\"x\": 0"), IouType::keypoints); },
      "HD_DATA_FIELD", "annotations[0].keypoints");
}

TEST_CASE("wrong results name the element") {
  const auto refuse = [](const std::string& text, IouType type, const std::string& code,
                         const std::string& part) {
    CAPTURE(text);
    checkError([&] { readResults(text, type); }, code, part);
  };
  const auto bbox = IouType::bbox;
  refuse("{}", bbox, "HD_DATA_FIELD", "an array for the file");
  refuse("[4]", bbox, "HD_DATA_FIELD", "an object for [0]");
  refuse(R"([{"image_id": 7, "category_id": 5, "score": 1}])", bbox, "HD_DATA_FIELD",
         "bbox, segmentation or keypoints");
  refuse(R"([{"image_id": 8, "category_id": 5, "score": 1, "bbox": [1, 2, 3, 4]}])", bbox, "HD_DATA_ID",
         "[0].image_id");
  refuse(R"([{"image_id": 7, "category_id": 1, "score": 1, "bbox": [1, 2, 3, 4]}])", bbox, "HD_DATA_ID",
         "[0].category_id");
  refuse(R"([{"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4]}])", bbox, "HD_DATA_FIELD", "[0].score");
  refuse(R"([{"image_id": 7, "category_id": 5, "score": "1", "bbox": [1, 2, 3, 4]}])", bbox, "HD_DATA_FIELD",
         "a string");
  refuse(
      R"([{"image_id": 7, "category_id": 5, "score": 1, "bbox": [1, 2, 3, 4]}, {"image_id": 7, "category_id": 5, "score": 1}])",
      bbox, "HD_DATA_FIELD", "[1].bbox");
  refuse(R"([{"image_id": 7, "category_id": 5, "score": 1, "bbox": [1, 2, 3, -4]}])", bbox, "HD_DATA_FIELD",
         "[0].bbox");
  refuse(R"([{"image_id": 3, "category_id": 5, "score": 1, "bbox": [1, 2, 3, 4]}])", IouType::segm,
         "HD_DATA_FIELD", "height and width of image 3");
  refuse(R"([{"image_id": 7, "category_id": 5, "score": 1, "bbox": [1, 2, 3, 4]}])", IouType::keypoints,
         "HD_DATA_FIELD", "[0].keypoints");
  refuse(R"([{"image_id": 7, "category_id": 5, "score": 1, "keypoints": []}])", IouType::keypoints,
         "HD_DATA_FIELD", "triples");
}
