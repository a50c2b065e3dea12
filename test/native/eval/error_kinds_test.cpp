#include "eval/error_kinds.h"

#include <algorithm>
#include <map>
#include <optional>

#include "eval_fixture.h"

using namespace hd::eval;

namespace {

using Box = std::array<double, 4>;

double overlapOf(const Box& a, const Box& b, bool crowd = false) {
  const double width = std::min(a[0] + a[2], b[0] + b[2]) - std::max(a[0], b[0]);
  const double height = std::min(a[1] + a[3], b[1] + b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const double shared = width * height;
  return shared / (crowd ? a[2] * a[3] : a[2] * a[3] + b[2] * b[3] - shared);
}

/// A detection in the list of a class.
struct Listed {
  double score;
  int64_t image;
  size_t detection;
  bool right;
};

/// From the definition: at each of 101 recalls the best precision of all cuts that reach it.
double averagePrecision(std::vector<Listed> list, int64_t truths) {
  std::sort(list.begin(), list.end(), [](const Listed& a, const Listed& b) {
    return std::tuple(-a.score, a.image, a.detection) < std::tuple(-b.score, b.image, b.detection);
  });
  double sum = 0;
  for (int r = 0; r <= 100; ++r) {
    double best = 0;
    int64_t right = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      right += list[i].right;
      if (static_cast<double>(right) / static_cast<double>(truths) >= r * .01 && right > 0)
        best = std::max(best, static_cast<double>(right) / static_cast<double>(i + 1));
    }
    sum += best;
  }
  return sum / 101;
}

/// Everything over the whole set at once, with maps by index instead of cells.
class BruteForce {
 public:
  BruteForce(const CocoSet& truth, const std::vector<Instance>& detections, double match, double background)
      : truth_(truth), detections_(detections), match_(match), background_(background) {
    takeTruths();
    for (const size_t d : wrong_) explain(d);
    for (size_t t = 0; t < truth.instances.size(); ++t) {
      const bool aimed =
          std::any_of(target_.begin(), target_.end(), [&](const auto& entry) { return entry.second == t; });
      if (counts(t) && taken_.count(t) == 0 && !aimed) missed_.push_back(t);
    }
  }

  int64_t count(ErrorKind kind) const {
    if (kind == ErrorKind::missed) return static_cast<int64_t>(missed_.size());
    return std::count_if(kind_.begin(), kind_.end(), [&](const auto& entry) { return entry.second == kind; });
  }

  double meanAp(std::optional<ErrorKind> mended) const {
    double sum = 0;
    int classes = 0;
    for (const int64_t category : truth_.categories) {
      int64_t truths = 0;
      for (size_t t = 0; t < truth_.instances.size(); ++t)
        truths += counts(t) && truth_.instances[t].category == category;
      if (truths == 0) continue;
      if (mended == ErrorKind::missed) {
        for (const size_t t : missed_) truths -= truth_.instances[t].category == category;
      }
      std::vector<Listed> list;
      for (size_t d = 0; d < detections_.size(); ++d) {
        const Instance& detection = detections_[d];
        const auto kind = kind_.find(d);
        int64_t as = detection.category;
        bool right = right_.count(d) != 0;
        if (!right && kind == kind_.end()) continue;  // ignored, or beyond the limit
        if (!right && kind->second == mended) {
          if (!becomesRight(d)) continue;
          right = true;
          as = truth_.instances[target_.at(d)].category;
        }
        if (as == category) list.push_back({detection.score, detection.image, d, right});
      }
      if (truths == 0 && list.empty()) continue;
      ++classes;
      if (truths > 0) sum += averagePrecision(list, truths);
    }
    return classes == 0 ? 1 : sum / classes;
  }

 private:
  bool counts(size_t t) const { return !truth_.instances[t].crowd && !truth_.instances[t].ignore; }

  /// Detections by falling score; each takes the best free truth that counts, else one to be ignored.
  void takeTruths() {
    std::vector<size_t> order(detections_.size());
    for (size_t d = 0; d < order.size(); ++d) order[d] = d;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return detections_[a].score > detections_[b].score; });
    std::map<std::pair<int64_t, int64_t>, int> seen;
    std::map<size_t, bool> used;
    for (const size_t d : order) {
      const Instance& detection = detections_[d];
      if (++seen[{detection.image, detection.category}] > 100) continue;
      std::optional<size_t> best;
      for (const bool ignored : {false, true}) {
        double most = match_;
        for (size_t t = 0; t < truth_.instances.size() && !(ignored && best && counts(*best)); ++t) {
          const Instance& truth = truth_.instances[t];
          if (truth.image != detection.image || truth.category != detection.category) continue;
          if (counts(t) == ignored || (used[t] && !truth.crowd)) continue;
          const double overlap = overlapOf(detection.box, truth.box, truth.crowd);
          if (overlap < most) continue;
          most = overlap;
          best = t;
        }
      }
      if (!best) {
        wrong_.push_back(d);
      } else {
        used[*best] = true;
        if (counts(*best)) {
          right_[d] = *best;
          taken_[*best] = d;
        }
      }
    }
  }

  void explain(size_t d) {
    std::optional<size_t> best[2];  // of another class, of its own
    double most[2] = {0, 0};
    for (size_t t = 0; t < truth_.instances.size(); ++t) {
      if (!counts(t) || truth_.instances[t].image != detections_[d].image) continue;
      const bool own = truth_.instances[t].category == detections_[d].category;
      const double overlap = overlapOf(detections_[d].box, truth_.instances[t].box);
      if (overlap > most[own]) {
        most[own] = overlap;
        best[own] = t;
      }
    }
    if (most[1] >= background_ && most[1] < match_) {
      kind_[d] = ErrorKind::localization;
      target_[d] = *best[1];
    } else if (most[0] >= match_) {
      kind_[d] = ErrorKind::classification;
      target_[d] = *best[0];
    } else if (most[1] >= match_) {
      kind_[d] = ErrorKind::duplicate;
    } else if (std::max(most[0], most[1]) < background_) {
      kind_[d] = ErrorKind::background;
    } else {
      kind_[d] = ErrorKind::both;
    }
  }

  bool becomesRight(size_t d) const {
    const auto target = target_.find(d);
    if (target == target_.end() || taken_.count(target->second) != 0) return false;
    return std::none_of(target_.begin(), target_.end(), [&](const auto& rival) {
      return rival.second == target->second && kind_.at(rival.first) == kind_.at(d) &&
             std::pair(-detections_[rival.first].score, rival.first) < std::pair(-detections_[d].score, d);
    });
  }

  const CocoSet& truth_;
  const std::vector<Instance>& detections_;
  double match_, background_;
  std::vector<size_t> wrong_, missed_;
  std::map<size_t, size_t> right_, taken_, target_;
  std::map<size_t, ErrorKind> kind_;
};

Instance boxOf(int64_t category, Box box, double score = 0, int64_t image = 7) {
  Instance instance;
  instance.image = image;
  instance.category = category;
  instance.box = box;
  instance.area = box[2] * box[3];
  instance.score = score;
  return instance;
}

/// Two pictures, classes 9 and 2.
CocoSet truthOf(std::vector<Instance> instances) {
  CocoSet truth;
  truth.images = {7, 3};
  truth.categories = {9, 2};
  truth.names = {"cat", "dog"};
  for (Instance& instance : instances) instance.id = 1 + (&instance - instances.data());
  truth.instances = std::move(instances);
  return truth;
}

constexpr std::array<ErrorKind, kErrorKinds> kAll{ErrorKind::classification, ErrorKind::localization,
                                                  ErrorKind::both,           ErrorKind::duplicate,
                                                  ErrorKind::background,     ErrorKind::missed};

/// Only this kind of error, so often and at this price.
void checkOnly(const ErrorCosts& costs, ErrorKind kind, int64_t count, double cost) {
  for (const ErrorKind each : kAll) {
    CAPTURE(nameOf(each));
    CHECK(costs.count[static_cast<size_t>(each)] == (each == kind ? count : 0));
    CHECK(costs.cost[static_cast<size_t>(each)] == doctest::Approx(each == kind ? cost : 0));
  }
}

const Box kBox{0, 0, 10, 10}, kFar{80, 80, 10, 10};

}  // namespace

TEST_CASE("counts and costs of random sets are those of the definition") {
  int64_t seen[kErrorKinds] = {};
  for (uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    auto set = eval_fixture::randomSet(
        seed, {.images = 2 + static_cast<int>(seed % 7), .categories = 3, .truths = 40, .detections = 150});
    hd::Random random(seed, "synthetic", 1, 0);
    for (Instance& detection : set.detections) {  // wrong classes are rare in the fixture
      if (random.chance(.2f)) detection.category = set.truth.categories[random.below(3)];
    }
    if (seed % 8 == 0) std::erase_if(set.detections, [](const Instance& d) { return d.category == 3; });
    const double match = seed % 3 == 0 ? .6 : .5, background = seed % 4 == 0 ? .2 : .1;
    const ErrorCosts costs = errorCosts(set.truth, set.detections, {match, background, 100, 2});
    const BruteForce expected(set.truth, set.detections, match, background);
    CHECK(costs.ap == doctest::Approx(expected.meanAp(std::nullopt)).epsilon(1e-9));
    for (const ErrorKind kind : kAll) {
      CAPTURE(nameOf(kind));
      const auto k = static_cast<size_t>(kind);
      CHECK(costs.count[k] == expected.count(kind));
      CHECK(costs.ap + costs.cost[k] == doctest::Approx(expected.meanAp(kind)).epsilon(1e-9));
      seen[k] += costs.count[k];
    }
  }
  for (const int64_t count : seen) CHECK(count > 20);
}

TEST_CASE("AP is COCO's AP50, to the last bit") {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto set = eval_fixture::randomSet(seed, {.detections = 900});
    CocoParams params = CocoParams::defaults(IouType::bbox);
    params.useIgnore = true;
    const CocoResult result = evaluateCoco(set.truth, set.detections, params);
    CHECK(errorCosts(set.truth, set.detections).ap == doctest::Approx(result.stats[1]).epsilon(1e-12));
  }
}

TEST_CASE("one error of each kind") {
  const CocoSet truth = truthOf({boxOf(9, kBox)});
  SUBCASE("a good box of the wrong class") {
    checkOnly(errorCosts(truth, {boxOf(2, kBox, .9)}), ErrorKind::classification, 1, 1);
  }
  SUBCASE("the right class, the box too far off") {
    checkOnly(errorCosts(truth, {boxOf(9, {0, 0, 10, 4}, .9)}), ErrorKind::localization, 1, 1);
  }
  SUBCASE(
      "neither: the truth stays missed as well, and what is wrong in a class without truths costs nothing") {
    const ErrorCosts costs = errorCosts(truth, {boxOf(2, {0, 0, 10, 4}, .9)});
    CHECK(costs.count == std::array<int64_t, kErrorKinds>{0, 0, 1, 0, 0, 1});
    CHECK(costs.cost[static_cast<size_t>(ErrorKind::both)] == 0);
    CHECK(costs.cost[static_cast<size_t>(ErrorKind::missed)] == 1);
  }
  SUBCASE("nothing there, before the detection that is right") {
    checkOnly(errorCosts(truth, {boxOf(9, kBox, .8), boxOf(9, kFar, .9)}), ErrorKind::background, 1, .5);
  }
  SUBCASE("a second detection of a truth, between two that are right") {
    const CocoSet two = truthOf({boxOf(9, kBox), boxOf(9, kFar)});
    const ErrorCosts costs = errorCosts(two, {boxOf(9, kBox, .9), boxOf(9, kBox, .8), boxOf(9, kFar, .7)});
    CHECK(costs.ap == doctest::Approx((51 + 50 * 2. / 3) / 101));
    checkOnly(costs, ErrorKind::duplicate, 1, 1 - costs.ap);
  }
  SUBCASE("a truth that nobody saw") {
    const CocoSet two = truthOf({boxOf(9, kBox), boxOf(9, kFar)});
    const ErrorCosts costs = errorCosts(two, {boxOf(9, kBox, .9)});
    CHECK(costs.ap == doctest::Approx(51. / 101));
    checkOnly(costs, ErrorKind::missed, 1, 50. / 101);
  }
}

TEST_CASE("bounds: an overlap of exactly `match` is right, one of exactly `background` is a bad box") {
  const CocoSet truth = truthOf({boxOf(9, kBox)});
  CHECK(errorCosts(truth, {boxOf(9, {0, 0, 10, 5}, .9)}).ap == doctest::Approx(1));
  checkOnly(errorCosts(truth, {boxOf(9, {0, 0, 10, 1}, .9)}), ErrorKind::localization, 1, 1);
  const ErrorCosts below = errorCosts(truth, {boxOf(9, {0, 0, 10, .99}, .9)});
  CHECK(below.count == std::array<int64_t, kErrorKinds>{0, 0, 0, 0, 1, 1});
  const ErrorCosts wrongClass = errorCosts(truth, {boxOf(2, {0, 0, 10, 5}, .9)});
  CHECK(wrongClass.count == std::array<int64_t, kErrorKinds>{1, 0, 0, 0, 0, 0});
}

TEST_CASE("mending makes one detection a truth right, the best scored; the others vanish") {
  const CocoSet truth = truthOf({boxOf(9, kBox), boxOf(9, kFar)});
  const Box off{0, 0, 10, 4};
  const ErrorCosts costs = errorCosts(truth, {boxOf(9, off, .9), boxOf(9, off, .8), boxOf(9, kFar, .7)});
  CHECK(costs.ap == doctest::Approx(51. / 3 / 101));
  checkOnly(costs, ErrorKind::localization, 2, 1 - costs.ap);
  const ErrorCosts taken = errorCosts(truth, {boxOf(9, off, .9), boxOf(9, kBox, .8), boxOf(9, kFar, .7)});
  CHECK(taken.ap == doctest::Approx(2. / 3));
  checkOnly(taken, ErrorKind::localization, 1, 1. / 3);
}

TEST_CASE("a mended class counts where the truth is, not where the detection was") {
  // The dog's picture is called a cat before the cat itself is: mending helps both classes.
  const CocoSet truth = truthOf({boxOf(9, kBox), boxOf(2, kFar)});
  const ErrorCosts costs = errorCosts(truth, {boxOf(9, kFar, .9), boxOf(9, kBox, .8)});
  CHECK(costs.ap == doctest::Approx(.25));
  checkOnly(costs, ErrorKind::classification, 1, .75);
}

TEST_CASE("crowds and difficult truths are neither missed nor aimed at, and what matches them is no error") {
  Instance crowd = boxOf(9, {0, 0, 50, 50}), difficult = boxOf(9, kFar);
  crowd.crowd = true;
  difficult.ignore = true;
  const CocoSet truth = truthOf({crowd, difficult, boxOf(9, {200, 0, 10, 10})});
  const std::vector<Instance> fine{boxOf(9, {200, 0, 10, 10}, .5), boxOf(9, {5, 5, 10, 10}, .9),
                                   boxOf(9, {25, 5, 10, 10}, .9), boxOf(9, kFar, .9)};
  checkOnly(errorCosts(truth, fine), ErrorKind::missed, 0, 0);
  // Of another class, or too far off, they excuse nothing: COCO's AP counts these as wrong.
  std::vector<Instance> wrong = fine;
  wrong.push_back(boxOf(2, kFar, .9));
  wrong.push_back(boxOf(9, {80, 80, 10, 4}, .4));
  CHECK(errorCosts(truth, wrong).count == std::array<int64_t, kErrorKinds>{0, 0, 0, 0, 2, 0});
}

TEST_CASE("a class that is wholly missed leaves the mean, unless something wrong is left of it") {
  const CocoSet truth = truthOf({boxOf(9, kBox), boxOf(2, kBox, 0, 3)});
  const auto missed = static_cast<size_t>(ErrorKind::missed);
  CHECK(errorCosts(truth, {boxOf(9, kBox, .9)}).cost[missed] == doctest::Approx(.5));
  CHECK(errorCosts(truth, {boxOf(9, kBox, .9), boxOf(2, kFar, .9)}).cost[missed] == doctest::Approx(0));
  const ErrorCosts nothing = errorCosts(truth, {});
  CHECK(nothing.ap == 0);
  checkOnly(nothing, ErrorKind::missed, 2, 1);
}

TEST_CASE("without truths nothing costs, errors are counted; only the best of a class count") {
  const ErrorCosts costs = errorCosts(truthOf({}), {boxOf(9, kBox, .9)});
  CHECK(costs.ap == -1);
  for (const double cost : costs.cost) CHECK(cost == 0);
  CHECK(costs.count == std::array<int64_t, kErrorKinds>{0, 0, 0, 0, 1, 0});
  const CocoSet truth = truthOf({boxOf(9, kBox)});
  const std::vector<Instance> three{boxOf(9, kFar, .9), boxOf(9, kFar, .8), boxOf(9, kBox, .7)};
  CHECK(errorCosts(truth, three, {.5, .1, 2, 1}).count == std::array<int64_t, kErrorKinds>{0, 0, 0, 0, 2, 1});
}

TEST_CASE("what error kinds refuse") {
  eval_fixture::checkError(
      [&] {
        errorCosts(truthOf({}), {}, {.1, .5, 100, 1});
      },
      "HD_INTERNAL", "background");
  eval_fixture::checkError([&] { errorCosts(truthOf({}), {boxOf(9, kBox, std::nan(""))}); }, "HD_INTERNAL",
                           "finite score");
}
