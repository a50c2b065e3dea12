// Suppression and voting against the matrix formulations in double, and the published toy cases.
#include "ops/cpu/suppression.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

#include "core/rng.h"

namespace {

using hd::ops::suppress;
using hd::ops::SuppressionOptions;
using hd::ops::Survivors;
using Kind = SuppressionOptions::Kind;
using Voting = SuppressionOptions::Voting;

struct Candidates {
  std::vector<float> boxes, scores;
  std::vector<int32_t> labels;
  int64_t size() const { return std::ssize(scores); }
  const float* box(int64_t i) const { return boxes.data() + 4 * i; }
  void add(const std::array<float, 4>& box, float score, int32_t label) {
    boxes.insert(boxes.end(), box.begin(), box.end());
    scores.push_back(score);
    labels.push_back(label);
  }
  Survivors run(const SuppressionOptions& options) const {
    return suppress(boxes.data(), scores.data(), labels.data(), size(), options);
  }
};

Candidates randomCandidates(uint64_t seed, int64_t count, uint32_t classes, uint32_t objects = 6) {
  hd::Random random(seed, "suppression test", 0, 0);
  Candidates out;
  for (int64_t i = 0; i < count; ++i) {
    const float x = 40.f * static_cast<float>(random.below(objects)),
                y = 30.f * static_cast<float>(random.below(3));
    const float dx = 4 * random.normal(), dy = 4 * random.normal();
    out.add({x + dx, y + dy, x + dx + random.uniform(20, 40), y + dy + random.uniform(20, 40)},
            0.05f + 0.9f * random.uniform(), static_cast<int32_t>(random.below(classes)));
  }
  return out;
}

double iou(const float* a, const float* b) {
  const double w = std::max(0.0, std::min<double>(a[2], b[2]) - std::max<double>(a[0], b[0]));
  const double h = std::max(0.0, std::min<double>(a[3], b[3]) - std::max<double>(a[1], b[1]));
  const auto area = [](const float* p) { return (double{p[2]} - p[0]) * (double{p[3]} - p[1]); };
  return w * h / (area(a) + area(b) - w * h);
}

double diou(const float* a, const float* b, double beta) {
  const double dx = (double{a[0]} + a[2] - b[0] - b[2]) / 2, dy = (double{a[1]} + a[3] - b[1] - b[3]) / 2;
  const double w = std::max<double>(a[2], b[2]) - std::min<double>(a[0], b[0]);
  const double h = std::max<double>(a[3], b[3]) - std::min<double>(a[1], b[1]);
  return iou(a, b) - std::pow((dx * dx + dy * dy) / (w * w + h * h + 1e-7), beta);
}

/// Cluster-NMS with score voting, as its authors write it: matrices, iterated until nothing changes.
struct MatrixResult {
  std::vector<int64_t> keep;
  std::vector<double> boxes;
};

MatrixResult clusterMatrix(const Candidates& c, bool distance, double beta, double threshold, bool voting) {
  const int64_t n = c.size();
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return c.scores[a] != c.scores[b] ? c.scores[a] > c.scores[b] : c.labels[a] < c.labels[b];
  });
  const auto overlap = [&](int64_t i, int64_t j) {
    const int64_t a = order[i], b = order[j];
    if (c.labels[a] != c.labels[b]) return -1.0;
    return i == j ? 1.0 : distance ? diou(c.box(a), c.box(b), beta) : iou(c.box(a), c.box(b));
  };
  std::vector<std::vector<double>> x(n, std::vector<double>(n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) x[i][j] = overlap(i, j);
  }
  std::vector<char> alive(n, 1);
  for (int round = 0; round < 999; ++round) {
    std::vector<char> next(n, 1);
    for (int64_t j = 0; j < n; ++j) {
      double highest = 0;
      for (int64_t i = 0; i < j; ++i) highest = std::max(highest, alive[i] ? x[i][j] : 0.0);
      next[j] = highest <= threshold;
    }
    if (next == alive) break;
    alive = next;
  }
  MatrixResult out;
  for (int64_t i = 0; i < n; ++i) {
    if (!alive[i]) continue;
    out.keep.push_back(order[i]);
    double weight = 0, box[4] = {};
    for (int64_t j = 0; j < n && voting; ++j) {
      const double v = j >= i && x[i][j] > 0.7 ? x[i][j] : 0;
      const double w = std::exp(-(1 - v) * (1 - v) / 0.025) * c.scores[order[j]];
      weight += w;
      for (int side = 0; side < 4; ++side) box[side] += w * c.box(order[j])[side];
    }
    for (int side = 0; side < 4; ++side)
      out.boxes.push_back(voting ? box[side] / weight : c.box(order[i])[side]);
  }
  return out;
}

SuppressionOptions clusterDiou(double threshold = 0.6, Voting voting = Voting::score) {
  SuppressionOptions options;
  options.overlap.distance = true;
  options.voting = voting;
  options.threshold = threshold;
  return options;
}

/// The toy case of the LD reference figures.
Candidates toy() {
  const std::vector<std::array<float, 4>> boxes = {{10, 10, 50, 50}, {12, 11, 52, 49}, {11, 9, 49, 52},
                                                   {30, 30, 70, 70}, {33, 31, 72, 69}, {100, 100, 140, 150},
                                                   {14, 14, 46, 61}};
  const float first[] = {.9f, .8f, .7f, .6f, .4f, .02f, .3f},
              second[] = {.1f, .2f, .04f, .55f, .03f, .75f, .06f};
  Candidates out;
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (first[i] > .05f) out.add(boxes[i], first[i], 0);
    if (second[i] > .05f) out.add(boxes[i], second[i], 1);
  }
  return out;
}

}  // namespace

TEST_CASE("greedy and Cluster-NMS keep the same, with either overlap; voting equals the matrix form") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const Candidates c = randomCandidates(seed, 20 + 7 * static_cast<int64_t>(seed % 9), 1 + seed % 4);
    for (const bool distance : {false, true}) {
      for (const double threshold : {0.3, 0.6}) {
        for (const Voting voting : {Voting::none, Voting::score}) {
          SuppressionOptions options = clusterDiou(threshold, voting);
          options.overlap.distance = distance;
          const Survivors ours = c.run(options);
          const MatrixResult theirs = clusterMatrix(c, distance, 0.8, threshold, voting == Voting::score);
          REQUIRE(ours.index == theirs.keep);
          for (size_t i = 0; i < theirs.boxes.size(); ++i)
            CHECK(ours.boxes[i] == doctest::Approx(theirs.boxes[i]).epsilon(1e-5));
          for (size_t i = 0; i < ours.index.size(); ++i) CHECK(ours.scores[i] == c.scores[ours.index[i]]);
        }
      }
    }
  }
}

TEST_CASE("the published toy case of voting Cluster-DIoU-NMS") {
  const Survivors found = toy().run(clusterDiou());
  const double expected[][5] = {{10.672607, 9.961452, 50.172805, 50.288449, .9},
                                {100, 100, 140, 150, .75},
                                {30.534205, 30.178068, 70.356136, 69.821932, .6},
                                {30, 30, 70, 70, .55},
                                {14, 14, 46, 61, .3},
                                {11.638442, 10.819221, 51.638442, 49.180779, .2},
                                {14, 14, 46, 61, .06}};
  REQUIRE(found.index.size() == std::size(expected));
  for (size_t d = 0; d < std::size(expected); ++d) {
    for (size_t side = 0; side < 4; ++side)
      CHECK(found.boxes[4 * d + side] == doctest::Approx(expected[d][side]).epsilon(1e-6));
    CHECK(found.scores[d] == doctest::Approx(expected[d][4]));
  }
  CHECK(toy().run(clusterDiou(0.3)).index.size() == 5);
}

TEST_CASE("the published overlaps of pairs, distance to the power 0.8") {
  const auto overlap = [](std::initializer_list<float> a, std::initializer_list<float> b) {
    return hd::ops::distanceOverlap(a.begin(), b.begin(), 0.8);
  };
  const std::initializer_list<float> a = {10, 10, 50, 50}, b = {12, 11, 52, 49}, c = {11, 9, 49, 52},
                                     d = {30, 30, 70, 70}, e = {33, 31, 72, 69}, g = {14, 14, 46, 61};
  CHECK(overlap(a, b) == doctest::Approx(.857003).epsilon(1e-6));
  CHECK(overlap(a, c) == doctest::Approx(.886327).epsilon(1e-6));
  CHECK(overlap(b, c) == doctest::Approx(.799729).epsilon(1e-6));
  CHECK(overlap(d, e) == doctest::Approx(.832368).epsilon(1e-6));
  CHECK(overlap(a, g) == doctest::Approx(.558438).epsilon(1e-6));
  CHECK(overlap({0, 0, 10, 10}, {5, 5, 15, 15}) == doctest::Approx(-.029570).epsilon(2e-5));
  CHECK(overlap({0, 0, 10, 10}, {20, 0, 30, 10}) == doctest::Approx(-.480450).epsilon(2e-6));
  CHECK(overlap({2, 3, 6, 9}, {1, 1, 7, 8}) == doctest::Approx(.386727).epsilon(2e-6));
}

TEST_CASE("a chain: what a suppressed box overlaps is not suppressed by it") {
  Candidates c;
  c.add({0, 0, 10, 10}, .9f, 0);
  c.add({3, 0, 13, 10}, .8f, 0);
  c.add({6, 0, 16, 10}, .7f, 0);
  CHECK(hd::ops::distanceOverlap(c.box(0), c.box(1), 0.8) == doctest::Approx(.472454).epsilon(1e-5));
  CHECK(hd::ops::distanceOverlap(c.box(0), c.box(2), 0.8) == doctest::Approx(.090088).epsilon(1e-4));
  const Survivors found = c.run(clusterDiou(0.4));
  CHECK(found.index == std::vector<int64_t>{0, 2});
  const float expected[] = {0, 0, 10, 10, 6, 0, 16, 10};
  for (size_t i = 0; i < std::size(expected); ++i) CHECK(std::abs(found.boxes[i] - expected[i]) < 1e-6);
}

TEST_CASE("PAA voting is the weighted mean over the class, whoever was kept") {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Candidates c = randomCandidates(seed, 60, 3);
    SuppressionOptions options;
    options.voting = Voting::paa;
    const Survivors found = c.run(options);
    for (size_t k = 0; k < found.index.size(); ++k) {
      const int64_t own = found.index[k];
      double weight = 0, box[4] = {};
      for (int64_t j = 0; j < c.size(); ++j) {
        if (c.labels[j] != c.labels[own]) continue;
        const double overlap = iou(c.box(own), c.box(j));
        if (!(overlap > 0.01)) continue;
        const double w = std::exp(-(1 - overlap) * (1 - overlap) / 0.025) * c.scores[j];
        weight += w;
        for (int side = 0; side < 4; ++side) box[side] += w * c.box(j)[side];
      }
      for (size_t side = 0; side < 4; ++side)
        CHECK(found.boxes[4 * k + side] == doctest::Approx(box[side] / weight).epsilon(1e-5));
    }
  }
}

TEST_CASE("soft kinds weaken by the highest left, class by class") {
  for (const Kind kind : {Kind::softLinear, Kind::softGaussian}) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
      const Candidates c = randomCandidates(seed, 50, 2);
      SuppressionOptions options;
      options.kind = kind;
      options.threshold = 0.3;
      const Survivors found = c.run(options);
      std::map<int64_t, double> expected;
      for (int32_t label = 0; label < 2; ++label) {
        std::vector<double> scores(c.scores.begin(), c.scores.end());
        std::vector<char> left(scores.size());
        for (size_t i = 0; i < left.size(); ++i) left[i] = c.labels[i] == label;
        for (;;) {
          int64_t best = -1;
          for (int64_t i = 0; i < c.size(); ++i) {
            if (left[i] && scores[i] >= options.minScore && (best < 0 || scores[i] > scores[best])) best = i;
          }
          if (best < 0) break;
          left[best] = 0;
          expected[best] = scores[best];
          for (int64_t i = 0; i < c.size(); ++i) {
            if (!left[i]) continue;
            const double overlap = iou(c.box(best), c.box(i));
            if (kind == Kind::softGaussian)
              scores[i] *= std::exp(-overlap * overlap / options.sigma);
            else if (overlap > options.threshold)
              scores[i] *= 1 - overlap;
          }
        }
      }
      REQUIRE(found.index.size() == expected.size());
      for (size_t k = 0; k < found.index.size(); ++k)
        CHECK(found.scores[k] == doctest::Approx(expected.at(found.index[k])).epsilon(1e-5));
      CHECK(std::is_sorted(found.scores.rbegin(), found.scores.rend()));
      options.limit = 3;
      CHECK(c.run(options).index == std::vector<int64_t>(found.index.begin(), found.index.begin() + 3));
    }
  }
}

TEST_CASE("ties go by label, then index; far-away coordinates and classes do not meet") {
  Candidates c;
  for (const int32_t label : {79, 3, 3, 0}) c.add({1e5f, 1e5f, 1e5f + 50, 1e5f + 50}, .5f, label);
  for (const Voting voting : {Voting::none, Voting::score, Voting::paa}) {
    const Survivors found = c.run(clusterDiou(0.6, voting));
    CHECK(found.index == std::vector<int64_t>{3, 1, 0});
    CHECK(found.boxes[0] == doctest::Approx(1e5f));
  }
}

TEST_CASE("nothing, one box, empty boxes and NaN scores do no harm") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Kind kind : {Kind::greedy, Kind::softLinear, Kind::softGaussian}) {
    for (const Voting voting : {Voting::none, Voting::score, Voting::paa}) {
      SuppressionOptions options = clusterDiou(0.6, voting);
      options.kind = kind;
      CHECK(Candidates{}.run(options).index.empty());
      Candidates c;
      c.add({5, 5, 5, 5}, .9f, 0);
      c.add({5, 5, 5, 5}, .8f, 0);
      c.add({0, 0, 9, 9}, nan, 0);
      const Survivors found = c.run(options);
      CHECK(!found.index.empty());
      CHECK(found.index[0] == 0);
      CHECK(found.boxes.size() == 4 * found.index.size());
    }
  }
}

TEST_CASE("boxes without area overlap nothing, for soft kinds as for greedy") {
  for (const Kind kind : {Kind::greedy, Kind::softLinear, Kind::softGaussian}) {
    SuppressionOptions options;
    options.kind = kind;
    options.threshold = 0.6;
    options.minScore = 0.05;
    Candidates c;
    c.add({5, 5, 5, 5}, .9f, 0);
    c.add({9, 9, 9, 9}, .8f, 0);
    c.add({20, 20, 40, 40}, .7f, 0);
    CHECK(c.run(options).index == std::vector<int64_t>{0, 1, 2});
  }
}

namespace {

/// The most memory that this process has held so far, in bytes.
int64_t peakMemory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace

TEST_CASE("20 000 candidates of one class stay within time and memory that need no matrix") {
  for (const bool apart : {true, false}) {
    CAPTURE(apart);
    Candidates c;
    if (apart) {
      c = randomCandidates(1, 20000, 1, 40);
    } else {  // everything overlaps everything: the most neighbours that there can be
      for (int i = 0; i < 20000; ++i) {
        const float shift = static_cast<float>(i % 100) * 0.01f;
        c.add({shift, shift, 50 + shift, 50 + shift}, 1 - static_cast<float>(i) * 4e-5f, 0);
      }
    }
    for (const Voting voting : {Voting::none, Voting::score}) {
      SuppressionOptions options = clusterDiou(0.6, voting);
      options.limit = 100;
      const int64_t before = peakMemory();
      const auto start = std::chrono::steady_clock::now();
      CHECK(c.run(options).index.size() >= (apart ? 50 : 1));
      CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < 20);
      CHECK(peakMemory() - before < 64'000'000);  // a matrix of floats has 1 600 MB
    }
  }
}
