#include "eval/summary.h"

#include "eval_fixture.h"

using namespace hd::eval;
using hd::Value;

TEST_CASE("the named numbers follow the order of the statistics") {
  CocoResult result;
  for (int i = 0; i < 12; ++i) result.stats.push_back(i / 100.);
  const Value boxes = cocoNumbers(result, IouType::bbox);
  CHECK(boxes.asObject().size() == 12);
  CHECK(boxes.at("ap").asNumber() == 0);
  CHECK(boxes.at("apLarge").asNumber() == .05);
  CHECK(boxes.at("ar1").asNumber() == .06);
  CHECK(boxes.at("arLarge").asNumber() == .11);
  result.stats.resize(10);
  const Value points = cocoNumbers(result, IouType::keypoints);
  CHECK(points.asObject().size() == 10);
  CHECK(points.at("apMedium").asNumber() == .03);
  CHECK(points.at("ar").asNumber() == .05);
  CHECK(points.at("arLarge").asNumber() == .09);
}

TEST_CASE("the class table keeps the truth's order and counts what counts") {
  const auto set = eval_fixture::randomSet(2);
  const CocoResult result = evaluateCoco(set.truth, set.detections, CocoParams::defaults(IouType::bbox));
  const Value table = cocoPerClass(set.truth, set.detections, result);
  const auto& rows = table.asArray();
  REQUIRE(rows.size() == set.truth.categories.size());
  int64_t truths = 0, detections = 0, counted = 0;
  for (const Instance& truth : set.truth.instances) counted += !truth.crowd && !truth.ignore;
  for (size_t c = 0; c < rows.size(); ++c) {
    CHECK(rows[c].at("id").asInt() == set.truth.categories[c]);
    CHECK(rows[c].at("name").asString() == set.truth.names[c]);
    const int k = static_cast<int>(rows.size() - 1 - c);  // ids fall in this truth, rise in a result
    CHECK(rows[c].at("ap").asNumber() == result.averagePrecision(k));
    CHECK(rows[c].at("ap50").asNumber() == result.averagePrecision(k, .5));
    CHECK(rows[c].at("ap75").asNumber() == result.averagePrecision(k, .75));
    CHECK(rows[c].at("ar").asNumber() == result.averageRecall(k));
    truths += rows[c].at("truths").asInt();
    detections += rows[c].at("detections").asInt();
  }
  CHECK(truths == counted);
  CHECK(detections == static_cast<int64_t>(set.detections.size()));
}

TEST_CASE("the VOC summary averages over thresholds and over classes with truths") {
  auto set = eval_fixture::randomSet(3);
  const Value summary = vocSummary(set.truth, set.detections, Interpolation::elevenPoint, 2);
  const auto thresholds = summary.numbers("perThreshold");
  REQUIRE(thresholds.size() == 10);
  double sum = 0, classes = 0, known = 0;
  for (const double value : thresholds) sum += value;
  CHECK(summary.at("ap").asNumber() == doctest::Approx(sum / 10));
  CHECK(summary.at("ap50").asNumber() == thresholds[0]);
  CHECK(summary.at("ap75").asNumber() == thresholds[5]);
  for (size_t t = 0; t < 10; ++t) CHECK(summary.at(hd::concat("ap", 50 + 5 * t)).asNumber() == thresholds[t]);
  CHECK(thresholds[0] > thresholds[9]);
  for (const Value& row : summary.at("perClass").asArray()) {
    if (row.at("ap").asNumber() < 0) continue;
    classes += row.at("ap50").asNumber();
    ++known;
  }
  CHECK(summary.at("ap50").asNumber() == doctest::Approx(classes / known));
  CHECK(hd::printJson(vocSummary(set.truth, set.detections, Interpolation::elevenPoint, 1)) ==
        hd::printJson(summary));

  for (Instance& truth : set.truth.instances) truth.ignore = true;
  const Value none = vocSummary(set.truth, set.detections, Interpolation::area, 1);
  CHECK(none.at("ap").asNumber() == -1);
  CHECK(none.at("perClass").asArray()[0].at("ap").asNumber() == -1);
}

TEST_CASE("the published ten APs give the published mean") {
  // One object a picture; of 100 000 pictures as many are found above each threshold as its AP says, the
  // closest with the highest score: then the area below the curve is their share.
  const int published[] = {75939, 74454, 72424, 69355, 63985, 57628, 48910, 37859, 22653, 6883};
  CocoSet truth, detections;
  truth.categories = {1};
  truth.names = {"object"};
  std::vector<Instance> found;
  for (int picture = 0; picture < 100000; ++picture) {
    truth.images.push_back(picture);
    Instance object;
    object.id = picture + 1;
    object.image = picture;
    object.category = 1;
    object.box = {0, 0, 1000, 1};
    truth.instances.push_back(object);
    int reached = 0;
    while (reached < 10 && picture < published[reached]) ++reached;
    object.box[2] = reached == 0 ? 300 : 470 + 50 * reached;  // IoU .52, .57 … .97
    object.score = 1 - 1e-6 * picture;
    found.push_back(object);
  }
  const Value summary = vocSummary(truth, found, Interpolation::area, 2);
  const auto thresholds = summary.numbers("perThreshold");
  for (size_t t = 0; t < 10; ++t) CHECK(thresholds[t] == doctest::Approx(published[t] / 1e5).epsilon(1e-9));
  CHECK(summary.at("ap").asNumber() == doctest::Approx(.530091).epsilon(2e-6));
}

TEST_CASE("names of the interpolations") {
  CHECK(interpolationOf("area") == Interpolation::area);
  CHECK(interpolationOf("11point") == Interpolation::elevenPoint);
  eval_fixture::checkError([] { interpolationOf("voc07"); }, "HD_USAGE", "'voc07'");
}
