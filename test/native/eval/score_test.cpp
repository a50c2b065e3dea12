#include "eval/score.h"

#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::checkError;
using eval_fixture::TemporaryFile;
using hd::Value;

namespace {

const char* const kTruth = R"({"images": [{"id": 1, "height": 100, "width": 100}],
  "categories": [{"id": 4, "name": "cat"}, {"id": 2, "name": "dog"}],
  "annotations": [
    {"id": 1, "image_id": 1, "category_id": 4, "bbox": [10, 10, 40, 40], "area": 1600, "iscrowd": 0, "num_keypoints": 17,
     "segmentation": [[10, 10, 50, 10, 50, 50, 10, 50]],
     "keypoints": [20,20,2, 21,20,2, 22,20,2, 23,20,2, 24,20,2, 25,20,2, 26,20,2, 27,20,2, 28,20,2, 29,20,2, 30,20,2,
                   31,20,2, 32,20,2, 33,20,2, 34,20,2, 35,20,2, 36,20,2]},
    {"id": 2, "image_id": 1, "category_id": 2, "bbox": [60, 60, 20, 20], "area": 400, "iscrowd": 0, "difficult": 1,
     "num_keypoints": 0, "segmentation": [[60, 60, 80, 60, 80, 80, 60, 80]],
     "keypoints": [0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0, 0,0,0,
                   0,0,0, 0,0,0, 0,0,0]}]})";

const char* const kResults = R"([{"image_id": 1, "category_id": 4, "bbox": [10, 10, 40, 40], "score": 0.9,
  "keypoints": [20,20,1, 21,20,1, 22,20,1, 23,20,1, 24,20,1, 25,20,1, 26,20,1, 27,20,1, 28,20,1, 29,20,1, 30,20,1,
                31,20,1, 32,20,1, 33,20,1, 34,20,1, 35,20,1, 36,20,1]}])";

Value run(const TemporaryFile& truth, const TemporaryFile& results, Value::Object more) {
  Value options = std::move(more);
  options.set("gt", truth.path());
  options.set("dt", results.path());
  return score(options);
}

}  // namespace

TEST_CASE("the same files by each type") {
  const TemporaryFile truth(kTruth), results(kResults);
  for (const char* type : {"bbox", "segm", "keypoints"}) {
    CAPTURE(type);
    const Value out = run(truth, results, {{"type", type}, {"threads", 1}});
    CHECK(out.at("type").asString() == type);
    const bool points = std::string(type) == "keypoints";
    CHECK(out.numbers("stats").size() == (points ? 10 : 12));
    const auto& rows = out.at("perClass").asArray();
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].at("name").asString() == "cat");
    CHECK(rows[0].at("id").asInt() == 4);
    CHECK(rows[0].at("ap").asNumber() == doctest::Approx(1));
    CHECK(rows[0].at("ap50").asNumber() == doctest::Approx(1));
    CHECK(rows[0].at("ap75").asNumber() == doctest::Approx(1));
    // pycocotools does not know `difficult`; without labelled keypoints a truth does not count.
    CHECK(rows[1].at("ap").asNumber() == (points ? -1 : 0));
    CHECK(out.numbers("stats")[0] == doctest::Approx(points ? 1 : .5));
  }
}

TEST_CASE("VOC leaves the difficult object out") {
  const TemporaryFile truth(kTruth), results(kResults);
  for (const char* interpolation : {"area", "11point"}) {
    const Value out = run(truth, results, {{"format", "voc"}, {"interpolation", interpolation}});
    CHECK(out.at("type").asString() == "bbox");
    CHECK(out.at("ap").asNumber() == doctest::Approx(1));
    CHECK(out.at("ap50").asNumber() == doctest::Approx(1));
    CHECK(out.numbers("stats").size() == 3);
    CHECK(out.numbers("perThreshold").size() == 10);
    CHECK(out.at("perClass").asArray()[0].at("ap").asNumber() == doctest::Approx(1));
    CHECK(out.at("perClass").asArray()[1].at("ap").asNumber() == -1);
    CHECK(out.at("perClass").asArray()[1].at("truths").asInt() == 0);
  }
}

TEST_CASE("no results at all score 0") {
  const TemporaryFile truth(kTruth), results("[]");
  CHECK(run(truth, results, {}).numbers("stats")[0] == 0);
  CHECK(run(truth, results, {{"format", "voc"}}).at("ap").asNumber() == 0);
}

TEST_CASE("wrong options and files are refused") {
  const TemporaryFile truth(kTruth), results(kResults), broken("[{]");
  checkError([&] { run(truth, results, {{"type", "boxes"}}); }, "HD_USAGE", "bbox, segm or keypoints");
  checkError([&] { run(truth, results, {{"format", "yolo"}}); }, "HD_USAGE", "coco or voc");
  checkError(
      [&] {
        run(truth, results, {{"format", "voc"}, {"type", "segm"}});
      },
      "HD_USAGE", "VOC has no such metric");
  checkError(
      [&] {
        run(truth, results, {{"format", "voc"}, {"interpolation", "x"}});
      },
      "HD_USAGE", "11point");
  checkError([&] { run(truth, broken, {}); }, "HD_DATA_JSON", broken.path());
  checkError([&] { run(broken, results, {}); }, "HD_DATA_JSON", "at byte");
}
