#include "eval/accumulate.h"

#include <algorithm>

#include "eval_fixture.h"

using namespace hd::eval;

TEST_CASE(
    "a category's detections stand by score, ties by image and rank, and can be found from their cell") {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const auto set = eval_fixture::randomSet(seed);
    const CellTable table = groupIntoCells(set.truth, set.detections, {{}, {}, true, 5, 1});
    for (size_t k = 0; k < table.categories.size(); ++k) {
      CategoryDetections sorted = sortCategory(table, k, set.detections, 6);
      CHECK(std::is_sorted(sorted.scores.rbegin(), sorted.scores.rend()));
      std::vector<int> visits(sorted.scores.size(), 0);
      size_t before = 0;
      bool first = true;
      for (size_t c = table.firstCell[k]; c < table.firstCell[k + 1]; ++c) {
        const Cell& cell = table.cells[c];
        const auto found = table.detectionsOf(cell);
        for (size_t d = 0; d < found.size(); ++d) {
          const size_t place = sorted.placeOf(cell, d);
          ++visits[place];
          CHECK(sorted.scores[place] == set.detections[found[d]].score);
          CHECK(sorted.areas[place] == set.detections[found[d]].area);
          CHECK(sorted.ranks[place] == d);
          if (!first && sorted.scores[before] == sorted.scores[place]) CHECK(before < place);
          before = place;
          first = false;
        }
      }
      CHECK(visits == std::vector<int>(visits.size(), 1));
      CHECK(sorted.outcomes.size() == 6 * sorted.scores.size());
      CHECK(sorted.outcomesOf(1, 2, 3) - sorted.outcomesOf(0, 0, 3) ==
            static_cast<long>(5 * sorted.scores.size()));
    }
  }
}

namespace {

/// One category, one area range, one threshold, with the given outcomes by falling score.
CocoResult accumulated(const std::vector<Outcome>& outcomes, std::vector<double> areas, int64_t truths,
                       std::vector<double> recallThresholds) {
  CocoParams params = CocoParams::defaults(IouType::bbox);
  params.iouThresholds = {.5};
  params.recallThresholds = std::move(recallThresholds);
  params.maxDetections = {100};
  params.areaRanges = {{0, 100}};
  params.areaLabels = {"all"};
  CategoryDetections category;
  for (size_t i = 0; i < outcomes.size(); ++i) category.scores.push_back(.9 - .1 * static_cast<double>(i));
  category.areas = std::move(areas);
  category.ranks.assign(outcomes.size(), 0);
  category.outcomes = outcomes;
  category.truths = {truths};
  CocoResult result;
  result.T = result.K = result.A = result.M = 1;
  result.R = static_cast<int>(params.recallThresholds.size());
  result.recall = {-1};
  result.precision.assign(params.recallThresholds.size(), -1);
  result.scores = result.precision;
  accumulate(category, 0, 0, params, result);
  return result;
}

constexpr auto kFound = Outcome::found, kWrong = Outcome::unmatched, kIgnored = Outcome::ignored;

}  // namespace

TEST_CASE(
    "precision is interpolated from the right; ignored ones and strays outside the area range do not count") {
  const CocoResult result = accumulated({kWrong, kFound, kIgnored, kWrong, kFound, kWrong},
                                        {50, 50, 50, 500, 50, 50}, 4, {0, .25, .26, .5, .51, 1});
  CHECK(result.recall[0] == .5);
  const double expected[] = {2. / 3, 2. / 3, 2. / 3, 2. / 3, 0, 0};
  for (size_t r = 0; r < 6; ++r) CHECK(result.precision[r] == doctest::Approx(expected[r]));
  // The score at recall 0 is that of the best detection, right or not.
  const double scores[] = {.9, .8, .5, .5, 0, 0};
  for (size_t r = 0; r < 6; ++r) CHECK(result.scores[r] == doctest::Approx(scores[r]));
}

TEST_CASE("without truths nothing is defined, without detections all is 0") {
  CHECK(accumulated({kWrong}, {50}, 0, {0, 1}).precision == std::vector<double>{-1, -1});
  const CocoResult empty = accumulated({}, {}, 3, {0, 1});
  CHECK(empty.precision == std::vector<double>{0, 0});
  CHECK(empty.recall == std::vector<double>{0});
  CHECK(empty.scores == std::vector<double>{0, 0});
}

TEST_CASE("recall thresholds met exactly are met") {
  for (int truths = 1; truths <= 60; ++truths) {
    std::vector<double> thresholds;
    for (int i = 1; i <= truths; ++i) thresholds.push_back(static_cast<double>(i) / truths);
    const std::vector<Outcome> outcomes(static_cast<size_t>(truths), kFound);
    const CocoResult result =
        accumulated(outcomes, std::vector<double>(outcomes.size(), 50.), truths, thresholds);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      CHECK(result.scores[i] == .9 - .1 * static_cast<double>(i));
      CHECK(result.precision[i] == doctest::Approx(1));
    }
  }
}
