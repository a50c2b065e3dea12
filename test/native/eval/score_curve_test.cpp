#include "eval/score_curve.h"

#include <algorithm>

#include "eval/diagnosis.h"
#include "eval_fixture.h"

using namespace hd::eval;

namespace {

/// Detections of one class, by falling score.
CategoryDetections category(int64_t truths, const std::vector<std::pair<double, Outcome>>& detections) {
  CategoryDetections made;
  made.truths = {truths};
  for (const auto& [score, outcome] : detections) {
    made.scores.push_back(score);
    made.outcomes.push_back(outcome);
  }
  return made;
}

constexpr Outcome kFound = Outcome::found, kWrong = Outcome::unmatched, kIgnored = Outcome::ignored;
const std::vector<double> kNothing(kScoreSteps + 1, -1);

/// The class with everything in it: four truths, of which three are found.
CategoryDetections mixed() {
  return category(
      4,
      {{.9, kFound}, {.8, kWrong}, {.7, kFound}, {.7, kFound}, {.5, kIgnored}, {.4, kWrong}, {.3, kWrong}});
}

void checkAt(const ScoreCurve& curve, size_t step, double precision, double recall, double f1) {
  CAPTURE(step);
  CHECK(curve.precision[step] == doctest::Approx(precision));
  CHECK(curve.recall[step] == doctest::Approx(recall));
  CHECK(curve.f1[step] == doctest::Approx(f1));
}

void checkSame(const ScorePoint& point, const ScorePoint& wanted) {
  CHECK(point.score == doctest::Approx(wanted.score));
  CHECK(point.precision == doctest::Approx(wanted.precision));
  CHECK(point.recall == doctest::Approx(wanted.recall));
  CHECK(point.f1 == doctest::Approx(wanted.f1));
}

}  // namespace

TEST_CASE("by hand: what is left at each threshold, and the best of them") {
  const ScoreCurve curve = scoreCurve(mixed());
  REQUIRE(curve.f1.size() == 101);
  checkAt(curve, 100, -1, 0, 0);  // nothing is so sure
  checkAt(curve, 91, -1, 0, 0);
  checkAt(curve, 90, 1, .25, .4);  // a score of the threshold itself counts
  checkAt(curve, 80, .5, .25, 1. / 3);
  checkAt(curve, 71, .5, .25, 1. / 3);
  checkAt(curve, 70, .75, .75, .75);  // both of equal score come together
  checkAt(curve, 50, .75, .75, .75);  // what matches a truth to be ignored is neither right nor wrong
  checkAt(curve, 40, .6, .75, 2. / 3);
  checkAt(curve, 0, .5, .75, .6);
  checkSame(curve.best(), {.7, .75, .75, .75});  // from 0.41 to 0.7 F1 is the same
}

TEST_CASE("ties of score: a threshold takes all of them or none") {
  const ScoreCurve curve = scoreCurve(category(2, {{.6, kFound}, {.6, kWrong}, {.6, kWrong}, {.2, kFound}}));
  checkAt(curve, 61, -1, 0, 0);
  checkAt(curve, 60, 1. / 3, .5, .4);
  checkAt(curve, 20, .5, 1, 2. / 3);
  checkSame(curve.best(), {.2, .5, 1, 2. / 3});
}

TEST_CASE("without truths nothing is defined; without detections nothing is found") {
  const ScoreCurve none = scoreCurve(category(0, {{.9, kWrong}}));
  CHECK(none.precision == kNothing);
  CHECK(none.recall == kNothing);
  CHECK(none.f1 == kNothing);
  checkSame(none.best(), {-1, -1, -1, -1});
  for (const auto& wrong : {category(3, {}), category(3, {{.9, kWrong}}), category(3, {{.9, kIgnored}})}) {
    const ScoreCurve curve = scoreCurve(wrong);
    CHECK(curve.recall == std::vector<double>(101, 0));
    CHECK(curve.f1 == std::vector<double>(101, 0));
    checkSame(curve.best(), {-1, -1, 0, 0});
  }
}

TEST_CASE("the mean is of the classes with truths, precision of those that say something there") {
  const ScoreCurve one = scoreCurve(mixed()), other = scoreCurve(category(1, {{.75, kFound}}));
  const ScoreCurve mean = meanCurve({one, scoreCurve(category(0, {{.9, kWrong}})), other});
  checkAt(mean, 90, 1, .125, .2);
  checkAt(mean, 75, .75, .625, 2. / 3);
  checkAt(mean, 70, .875, .875, .875);
  checkSame(mean.best(), {.7, .875, .875, .875});
  CHECK(mean.best().f1 < other.best().f1);
  const ScoreCurve nothing = meanCurve({scoreCurve(category(0, {})), scoreCurve(category(0, {}))});
  CHECK(nothing.f1 == kNothing);
  CHECK(meanCurve({}).best().score == -1);
}

TEST_CASE("of any set: recall falls with the threshold, ends at COCO's, and no threshold beats the best") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto set = eval_fixture::randomSet(seed);
    CocoParams params = CocoParams::defaults(IouType::bbox);
    params.iouThresholds = {.5};
    params.maxDetections = {100};
    params.areaRanges = {params.areaRanges[0]};
    params.areaLabels = {"all"};
    const auto [result, categories] = evaluateAndCount(set.truth, set.detections, params);
    for (size_t k = 0; k < categories.size(); ++k) {
      const ScoreCurve curve = scoreCurve(categories[k]);
      CHECK(curve.recall[0] == doctest::Approx(result.recall[k]));
      CHECK(std::is_sorted(curve.recall.rbegin(), curve.recall.rend()));
      for (size_t step = 0; step <= kScoreSteps; ++step) {
        CHECK(curve.f1[step] <= curve.best().f1);
        const double p = curve.precision[step], r = curve.recall[step];
        if (p > 0) CHECK(curve.f1[step] == doctest::Approx(2 * p * r / (p + r)));
      }
    }
  }
}

TEST_CASE("the diagnosis holds them by class, and their mean, rounded; the best is exact") {
  const auto set = eval_fixture::randomSet(3, {.categories = 3});
  const hd::Value diagnosis = diagnose(set.truth, set.detections);
  double recall = 0;
  for (const hd::Value& curve : diagnosis.at("curves").asArray()) {
    const hd::Value& byScore = curve.at("byScore");
    const auto f1 = byScore.numbers("f1");
    REQUIRE(f1.size() == 101);
    const hd::Value& best = curve.at("best");
    const auto step = static_cast<size_t>(std::lround(100 * best.at("score").asNumber()));
    CHECK(f1[step] == *std::max_element(f1.begin(), f1.end()));
    CHECK(std::abs(f1[step] - best.at("f1").asNumber()) <= .5e-4);
    CHECK(std::abs(byScore.numbers("precision")[step] - best.at("precision").asNumber()) <= .5e-4);
    CHECK(std::abs(byScore.numbers("recall")[step] - best.at("recall").asNumber()) <= .5e-4);
    recall += byScore.numbers("recall")[0] / 3;
  }
  const hd::Value& mean = diagnosis.at("mean");
  CHECK(mean.at("byScore").numbers("recall")[0] == doctest::Approx(recall).epsilon(2e-4));
  CHECK(mean.at("best").at("f1").asNumber() > 0);
}
