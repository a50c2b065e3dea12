#include "eval/diagnosis.h"

#include "eval/confusion.h"
#include "eval/error_kinds.h"
#include "eval/evaluator.h"
#include "eval_fixture.h"

using namespace hd::eval;

namespace {

CocoResult evaluated(const eval_fixture::RandomSet& set) {
  CocoParams params = CocoParams::defaults(IouType::bbox);
  params.useIgnore = true;
  return evaluateCoco(set.truth, set.detections, params);
}

int64_t sumOf(const hd::Value& rows, const char* key) {
  int64_t sum = 0;
  for (const hd::Value& row : rows.asArray()) sum += row.at(key).asInt();
  return sum;
}

CocoSet oneTruth() {
  CocoSet truth;
  truth.images = {40, 41};
  truth.categories = {9, 2};
  truth.names = {"cat", "dog"};
  Instance instance;
  instance.id = 1;
  instance.image = 40;
  instance.category = 2;
  instance.box = {10, 10, 50, 40};
  instance.area = 2000;
  truth.instances = {instance};
  return truth;
}

}  // namespace

TEST_CASE("curves are COCO's at IoU 0.5, in the order of the classes, and their mean") {
  const auto set = eval_fixture::randomSet(3, {.categories = 3});
  const CocoResult coco = evaluated(set);  // categories 3, 6, 9; the truth lists 9, 6, 3
  const hd::Value diagnosis = diagnose(set.truth, set.detections);
  const auto& curves = diagnosis.at("curves").asArray();
  REQUIRE(curves.size() == 3);
  const auto index = [&](size_t r, size_t k) {
    return (r * 3 + k) * static_cast<size_t>(coco.A * coco.M) + static_cast<size_t>(coco.M) - 1;
  };
  double mean = 0;
  for (size_t c = 0; c < 3; ++c) {
    const auto precision = curves[c].numbers("precision"), scores = curves[c].numbers("scores");
    CHECK(curves[c].at("name").asString() == set.truth.names[c]);
    REQUIRE(precision.size() == 101);
    REQUIRE(scores.size() == 101);
    for (size_t r = 0; r < 101; ++r) {
      CHECK(precision[r] == coco.precision[index(r, 2 - c)]);
      CHECK(scores[r] == coco.scores[index(r, 2 - c)]);
    }
  }
  for (const double value : diagnosis.at("mean").numbers("precision")) mean += value / 101;
  CHECK(mean == doctest::Approx(coco.stats[1]));
  CHECK(diagnosis.at("ap").asNumber() == doctest::Approx(coco.stats[1]));
}

TEST_CASE("the mean of scores is over the classes that get so far") {
  CocoSet truth = oneTruth();
  truth.instances.push_back(truth.instances[0]);
  truth.instances[1].category = 9;
  Instance detection = truth.instances[0];
  detection.score = .8;
  const hd::Value half = diagnose(truth, {detection});
  const hd::Value& mean = half.at("mean");
  CHECK(mean.numbers("precision")[100] == doctest::Approx(.5));
  CHECK(mean.numbers("scores")[100] == doctest::Approx(.8));
  const hd::Value nothing = diagnose(truth, {});
  CHECK(nothing.at("mean").numbers("precision") == std::vector<double>(101, 0));
  CHECK(nothing.at("mean").numbers("scores") == std::vector<double>(101, 0));
}

TEST_CASE("the parts are those of confusion.h and error_kinds.h, and agree with each other") {
  const auto set = eval_fixture::randomSet(11);
  const hd::Value diagnosis = diagnose(set.truth, set.detections, {.5, .25, 1});
  CHECK(diagnosis.at("iou").asNumber() == .5);
  CHECK(diagnosis.at("score").asNumber() == .25);
  const Confusion confusion = confusionOf(set.truth, set.detections, {.25, .5, 1});
  const ErrorCosts costs = errorCosts(set.truth, set.detections);
  const auto& rows = diagnosis.at("confusion").asArray();
  REQUIRE(rows.size() == 5);
  int64_t diagonal = 0, all = 0;
  for (size_t of = 0; of < 5; ++of) {
    REQUIRE(rows[of].asArray().size() == 5);
    for (size_t as = 0; as < 5; ++as) {
      const int64_t count = rows[of].asArray()[as].asInt();
      CHECK(count == confusion.at(of, as));
      if (of < 4) all += count;
      if (of == as) diagonal += count;
    }
  }
  CHECK(rows[4].asArray()[4].asInt() == 0);
  const hd::Value& sizes = diagnosis.at("sizes");
  CHECK(sumOf(sizes, "found") == diagonal);
  CHECK(sumOf(sizes, "truths") == all);
  CHECK(sizes.asArray()[0].at("name").asString() == "small");
  CHECK(sizes.asArray()[2].at("name").asString() == "large");
  const char* const names[] = {"classification", "localization", "both", "duplicate", "background", "missed"};
  for (size_t k = 0; k < kErrorKinds; ++k) {
    CHECK(diagnosis.at("costs").at(names[k]).asNumber() == costs.cost[k]);
    CHECK(diagnosis.at("errors").at(names[k]).asInt() == costs.count[k]);
    CHECK(costs.cost[k] >= 0);
  }
}

TEST_CASE("the number of threads changes nothing") {
  const auto set = eval_fixture::randomSet(2, {.images = 300, .truths = 1500, .detections = 4000});
  CHECK(hd::printJson(diagnose(set.truth, set.detections, {.5, .3, 1})) ==
        hd::printJson(diagnose(set.truth, set.detections, {.5, .3, 4})));
}

TEST_CASE("the evaluator diagnoses what it holds") {
  CocoSet truth = oneTruth();
  Evaluator evaluator(truth);
  evaluator.add(0, {{10, 10, 60, 50, 10, 10, 60, 50}, {.9f, .4f}, {0, 1}});
  const hd::Value found = evaluator.diagnose(hd::Value::Object{});
  CHECK(hd::printJson(found.at("confusion")) == "[[0,0,0],[1,0,0],[0,1,0]]");
  CHECK(found.at("errors").at("classification").asInt() == 1);
  const auto& curves = found.at("curves").asArray();
  REQUIRE(curves.size() == 2);
  CHECK(curves[0].at("name").asString() == "cat");  // of which there is none
  CHECK(curves[0].numbers("precision") == std::vector<double>(101, -1));
  CHECK(curves[1].numbers("precision") == found.at("mean").numbers("precision"));
  const hd::Value strict = evaluator.diagnose(hd::Value::Object{{"score", .95}});
  CHECK(hd::printJson(strict.at("confusion")) == "[[0,0,0],[0,0,1],[0,0,0]]");

  truth.instances.push_back(truth.instances[0]);
  truth.instances[1].image = 41;
  Evaluator half(truth);
  half.add(0, {{10, 10, 60, 50}, {.9f}, {1}});
  CHECK(half.diagnose(hd::Value::Object{}).at("errors").at("missed").asInt() == 1);
  CHECK(half.diagnose(hd::Value::Object{{"seenOnly", true}}).at("errors").at("missed").asInt() == 0);
}

TEST_CASE("without truths nothing is defined and nothing costs; a foolish overlap is refused") {
  CocoSet truth = oneTruth();
  truth.instances.clear();
  const hd::Value empty = diagnose(truth, {});
  CHECK(empty.at("ap").asNumber() == -1);
  CHECK(empty.at("mean").numbers("precision") == std::vector<double>(101, -1));
  CHECK(empty.at("curves").asArray()[1].numbers("scores") == std::vector<double>(101, -1));
  CHECK(empty.at("costs").at("missed").asNumber() == 0);
  const Evaluator evaluator(truth);
  for (const double iou : {0.05, 1.5, std::nan("")}) {
    eval_fixture::checkError(
        [&] {
          evaluator.diagnose(hd::Value::Object{{"iou", iou}});
        },
        "HD_USAGE", "0.1 to 1");
  }
}
