#include "eval/voc.h"

#include <algorithm>

#include "eval_fixture.h"

using namespace hd::eval;

namespace {

VocBox truth(std::array<double, 4> box, bool ignore = false) {
  return {0, 0, box, 0, ignore};
}
VocBox detection(std::array<double, 4> box, double score) {
  return {0, 0, box, score, false};
}

VocClass evaluate(const std::vector<VocBox>& truths, const std::vector<VocBox>& detections, double threshold,
                  Interpolation interpolation) {
  return evaluateVoc(truths, detections, 1, {threshold, interpolation, std::nullopt}).at(0);
}

/// Detections that overlap their own truth exactly, or nothing: right or wrong by choice.
double apOf(const std::vector<bool>& right, int truths, Interpolation interpolation) {
  std::vector<VocBox> own, found;
  for (int i = 0; i < truths; ++i) own.push_back({i, 0, {0, 0, 10, 10}, 0, false});
  int next = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    const std::array<double, 4> far{50, 50, 60, 60}, hit{0, 0, 10, 10};
    found.push_back(
        {right[i] ? next++ : 0, 0, right[i] ? hit : far, 1 - .01 * static_cast<double>(i), false});
  }
  return evaluate(own, found, .5, interpolation).ap;
}

}  // namespace

TEST_CASE("average precision of a known curve") {
  const double recalls[] = {.2, .4, .4, .6, .6, .8};
  const double precisions[] = {1, 1, 2. / 3, .75, .6, 2. / 3};
  CHECK(averagePrecision(recalls, precisions, Interpolation::area) == doctest::Approx(.683333).epsilon(1e-6));
  CHECK(averagePrecision(recalls, precisions, Interpolation::elevenPoint) ==
        doctest::Approx(.704545).epsilon(1e-6));
  CHECK(averagePrecision({}, {}, Interpolation::area) == 0);
  CHECK(averagePrecision({}, {}, Interpolation::elevenPoint) == 0);
  // The same curve from detections: right, right, wrong, right, wrong, right of five truths.
  CHECK(apOf({true, true, false, true, false, true}, 5, Interpolation::area) ==
        doctest::Approx(.683333).epsilon(1e-6));
  CHECK(apOf({true, true, false, true, false, true}, 5, Interpolation::elevenPoint) ==
        doctest::Approx(.704545).epsilon(1e-6));
}

TEST_CASE("a scene with a duplicate and a difficult object") {
  const std::vector<VocBox> truths{truth({11, 10, 50, 49}), truth({98, 98, 149, 152}),
                                   truth({201, 199, 241, 239}, true)};
  const std::vector<VocBox> found{detection({10, 10, 50, 50}, .9), detection({12, 12, 52, 52}, .8),
                                  detection({100, 100, 150, 150}, .7), detection({200, 200, 240, 240}, .6)};
  for (const double threshold : {.5, .75}) {
    const VocClass result = evaluate(truths, found, threshold, Interpolation::elevenPoint);
    CHECK(result.truths == 2);
    CHECK(result.detections == 4);
    CHECK(result.recalls == std::vector<double>{.5, .5, 1, 1});
    CHECK(result.precisions == std::vector<double>{1, .5, 2. / 3, 2. / 3});
    CHECK(result.ap == doctest::Approx(.848485).epsilon(1e-6));
    CHECK(evaluate(truths, found, threshold, Interpolation::area).ap ==
          doctest::Approx(.833333).epsilon(1e-6));
  }
  CHECK(evaluate(truths, found, .9, Interpolation::elevenPoint).ap == doctest::Approx(.545455).epsilon(1e-6));
  CHECK(evaluate(truths, found, .9, Interpolation::area).ap == doctest::Approx(.5).epsilon(1e-6));
}

TEST_CASE("a detection is tested only against its closest truth") {
  // The second detection overlaps the first truth more; that one is taken, so it is wrong although the other
  // is free.
  const std::vector<VocBox> truths{truth({0, 0, 10, 10}), truth({4, 0, 14, 10})};
  const std::vector<VocBox> found{detection({0, 0, 10, 10}, .9), detection({1, 0, 11, 10}, .8)};
  const VocClass result = evaluate(truths, found, .5, Interpolation::area);
  CHECK(result.recalls == std::vector<double>{.5, .5});
  CHECK(result.precisions == std::vector<double>{1, .5});
}

TEST_CASE("thresholds add up as the original's do, and overlaps meet them in float32") {
  const auto thresholds = vocThresholds();
  CHECK(thresholds[0] == .5);
  CHECK(thresholds[1] == .55);
  CHECK(thresholds[2] > .6);
  CHECK(thresholds[9] == doctest::Approx(.95));
  // IoU 3/5 exactly: 0.6 in double falls short of the third threshold, in float32 it does not.
  const std::vector<VocBox> truths{truth({0, 0, 5, 1})}, found{detection({0, 0, 3, 1}, .9)};
  CHECK(evaluate(truths, found, thresholds[2], Interpolation::area).ap == 1);
  CHECK(evaluate(truths, found, thresholds[3], Interpolation::area).ap == 0);
}

TEST_CASE("the mean leaves classes without truths out") {
  const std::vector<VocBox> truths{{0, 1, {0, 0, 9, 9}, 0, false}, {1, 2, {0, 0, 9, 9}, 0, true}};
  const std::vector<VocBox> found{
      {0, 1, {0, 0, 9, 9}, .5, false}, {0, 0, {0, 0, 9, 9}, .5, false}, {1, 2, {0, 0, 9, 9}, .4, false}};
  const auto result = evaluateVoc(truths, found, 4, {});
  REQUIRE(result.size() == 4);
  CHECK(result[0].ap == 0);
  CHECK(result[1].ap == 1);
  CHECK(result[2].truths == 0);
  CHECK(meanAp(result) == 1);
  CHECK(meanAp(evaluateVoc({}, found, 4, {})) == -1);
  CHECK(meanAp(evaluateVoc({}, {}, 0, {})) == -1);
  eval_fixture::checkError([&] { evaluateVoc(truths, found, 2, {}); }, "HD_INTERNAL", "class 2 of 2");
}

TEST_CASE(
    "random scenes: input order plays no part, and each threshold is at most as good as the one below") {
  hd::Random random(1, "synthetic", 0, 0);
  for (int round = 0; round < 40; ++round) {
    std::vector<VocBox> truths, found;
    for (int i = 0; i < 30; ++i) {
      const double x = random.uniform(0, 50), y = random.uniform(0, 50), side = random.uniform(5, 30);
      truths.push_back({random.below(5),
                        static_cast<int32_t>(random.below(3)),
                        {x, y, x + side, y + side},
                        0,
                        random.chance(.2f)});
      const double shift = 4 * random.normal();
      found.push_back({truths.back().image,
                       truths.back().label,
                       {x + shift, y, x + side + shift, y + side},
                       random.uniform(),
                       false});
      found.push_back({random.below(5),
                       static_cast<int32_t>(random.below(3)),
                       {x, y, x + 9, y + 9},
                       random.uniform(),
                       false});
    }
    auto shuffledTruths = truths, shuffled = found;
    for (auto* boxes : {&shuffledTruths, &shuffled}) {
      for (size_t i = boxes->size(); i-- > 1;)
        std::swap((*boxes)[i], (*boxes)[random.below(static_cast<uint32_t>(i + 1))]);
    }
    double previous = 1;
    for (const double threshold : vocThresholds()) {
      const VocParams params{threshold, Interpolation::area, std::nullopt};
      const auto result = evaluateVoc(truths, found, 3, params),
                 other = evaluateVoc(shuffledTruths, shuffled, 3, params);
      for (size_t c = 0; c < 3; ++c) {
        CHECK(result[c].ap == other[c].ap);
        CHECK(result[c].recalls == other[c].recalls);
        CHECK(std::is_sorted(result[c].recalls.begin(), result[c].recalls.end()));
      }
      CHECK(meanAp(result) <= previous + 1e-12);
      previous = meanAp(result);
    }
  }
}

TEST_CASE("scale ranges split the truths") {
  const std::vector<VocBox> truths{truth({0, 0, 10, 10}), truth({100, 100, 150, 150})};
  const std::vector<VocBox> found{detection({0, 0, 10, 10}, .9), detection({100, 100, 150, 150}, .8),
                                  detection({300, 0, 310, 10}, .7)};
  const auto at = [&](double low, double high) {
    return evaluateVoc(truths, found, 1, {.5, Interpolation::area, std::array<double, 2>{low, high}}).at(0);
  };
  CHECK(at(0, 50).truths == 1);  // the upper end is outside
  CHECK(at(50, 1000).truths == 1);
  CHECK(at(0, 50).precisions == std::vector<double>{1, 1, .5});
  CHECK(at(50, 1000).precisions == std::vector<double>{0, 1, 1});
}

TEST_CASE("proposal recall pairs truths and proposals off, the closest first") {
  const std::vector<VocBox> truths{truth({0, 0, 10, 10}), truth({2, 0, 12, 10}),
                                   truth({80, 80, 90, 90}, true)};
  const std::vector<VocBox> proposals{detection({0, 0, 10, 10}, .5), detection({1, 0, 11, 10}, .9),
                                      detection({60, 60, 70, 70}, .8)};
  const int limits[] = {1, 2, 3};
  const double thresholds[] = {.5, .9};
  // Best alone: one truth at 9/11. All: the exact pair first, then the other truth with the shifted proposal.
  CHECK(proposalRecalls(truths, proposals, limits, thresholds) == std::vector<double>{.5, 0, .5, 0, 1, .5});
  CHECK(proposalRecalls({}, proposals, limits, thresholds) == std::vector<double>(6, -1));
  CHECK(proposalRecalls(truths, {}, limits, thresholds) == std::vector<double>(6, 0));
}
