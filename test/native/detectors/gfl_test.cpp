// GFL's targets, losses and detections: published figures, invariances, edges.
#include "detectors/gfl.h"

#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <set>

#include "core/error.h"
#include "native/detectors/gfl_fixture.h"

using namespace hd::detectors;
using fixture::Maps;
using torch::Tensor;

namespace {

struct Terms {
  double cls = 0, box = 0, dfl = 0;
};

/// Weighted terms of a global batch that is cut into these micro-batches (lists of image indices), as the
/// engine does: normalisers first, then every cut. Leaves the gradients of the sum in `maps`.
Terms train(const GflOptions& options, const hd::Batch& batch, Maps& maps,
            const std::vector<std::vector<int64_t>>& cuts) {
  std::vector<std::unique_ptr<GflAssignment>> assignments;
  std::vector<Maps> parts;
  double assigned = 0, confidence = 0;
  for (const auto& cut : cuts) {
    hd::Batch part = batch;
    part.count = static_cast<int64_t>(cut.size());
    part.images.clear();
    for (const int64_t i : cut) part.images.push_back(batch.images[i]);
    assignments.push_back(assignGfl(options, part));
    parts.push_back(fixture::select(maps, cut));
    assigned += assignments.back()->normalisers[0];
    confidence += confidenceSum(options, parts.back().cls, *assignments.back());
  }
  Terms terms;
  const GflScales scales = gflScales(assigned, confidence);
  for (Tensor& map : maps.cls) map.mutable_grad() = at::zeros_like(map);
  for (Tensor& map : maps.reg) map.mutable_grad() = at::zeros_like(map);
  for (size_t p = 0; p < cuts.size(); ++p) {
    const GflSums sums = gflSums(options, parts[p].cls, parts[p].reg, *assignments[p]);
    const Tensor cls = fixture::total(sums.cls) * scales.cls, box = fixture::total(sums.box) * scales.box * 2;
    const Tensor dfl = fixture::total(sums.dfl) * scales.dfl * 0.25;
    (cls + box + dfl).backward();
    terms.cls += cls.item<double>();
    terms.box += box.item<double>();
    terms.dfl += dfl.item<double>();
    const Tensor index = at::tensor(cuts[p], at::kLong);
    for (size_t l = 0; l < maps.cls.size(); ++l) {
      maps.cls[l].mutable_grad().index_add_(0, index, parts[p].cls[l].grad());
      maps.reg[l].mutable_grad().index_add_(0, index, parts[p].reg[l].grad());
    }
  }
  return terms;
}

std::vector<int64_t> range(int64_t count) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(i);
  return out;
}

Terms train(const GflOptions& options, const hd::Batch& batch, Maps& maps) {
  return train(options, batch, maps, {range(batch.count)});
}

hd::Batch toyBatch(int64_t images) {
  return fixture::batchOf(128, 128,
                          std::vector(static_cast<size_t>(images),
                                      fixture::image(128, 128, fixture::toyBoxes, fixture::toyLabels)));
}

/// Four images of different sizes: many objects, one, none, only a crowd region.
hd::Batch mixedBatch() {
  auto crowdOnly = fixture::image(150, 120, {}, {});
  crowdOnly.crowd = {10, 10, 90, 90};
  return fixture::batchOf(
      128, 192,
      {fixture::image(192, 128, {8, 14, 82, 39, 70, 60, 180, 120, 100, 5, 130, 40}, {2, 0, 1}),
       fixture::image(181, 121, {20, 20, 100, 110}, {1}), fixture::image(120, 128, {}, {}), crowdOnly});
}

double sumOf(const std::vector<Tensor>& maps) {
  double sum = 0;
  for (const Tensor& map : maps) sum += map.grad().abs().sum().item<double>();
  return sum;
}

double largestDifference(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double largest = 0;
  for (size_t l = 0; l < a.size(); ++l) {
    largest = std::max(largest, (a[l].grad() - b[l].grad()).abs().max().item<double>());
  }
  return largest;
}

}  // namespace

TEST_CASE("the published loss figures of the formula scene") {
  const GflOptions options = fixture::options(4);
  Maps maps = fixture::formulaMaps(4, 1);
  const auto assignment = assignGfl(options, toyBatch(1));
  CHECK(assignment->positives == 23);
  CHECK(assignment->normalisers == std::vector<double>{23, 1});
  CHECK(confidenceSum(options, maps.cls, *assignment) == doctest::Approx(5.541412).epsilon(1e-6));
  const GflSums sums = gflSums(options, maps.cls, maps.reg, *assignment);
  const std::vector<double> expected{.539324, .234707, .072244, .016290, .002658};
  for (size_t l = 0; l < 5; ++l)
    CHECK(sums.cls[l].item<double>() / 23 == doctest::Approx(expected[l]).epsilon(1e-4));
  const Terms terms = train(options, toyBatch(1), maps);
  CHECK(terms.cls == doctest::Approx(.865224).epsilon(1e-5));
  CHECK(terms.box == doctest::Approx(1.754963).epsilon(1e-5));
  CHECK(terms.dfl == doctest::Approx(.901610).epsilon(1e-5));
  // The same image twice changes no term.
  Maps twice = fixture::formulaMaps(4, 2);
  const Terms doubled = train(options, toyBatch(2), twice);
  CHECK(doubled.cls == doctest::Approx(terms.cls).epsilon(1e-6));
  CHECK(doubled.box == doctest::Approx(terms.box).epsilon(1e-6));
  CHECK(doubled.dfl == doctest::Approx(terms.dfl).epsilon(1e-6));
}

TEST_CASE("the published scene without objects: class loss as published, box and dfl exactly zero") {
  const GflOptions options = fixture::options(4);
  Maps maps = fixture::formulaMaps(4, 1);
  const Terms terms = train(options, fixture::batchOf(128, 128, {fixture::image(128, 128, {}, {})}), maps);
  CHECK(terms.cls == doctest::Approx(19.547323).epsilon(1e-5));
  CHECK(terms.box == 0);
  CHECK(terms.dfl == 0);
  CHECK(sumOf(maps.reg) == 0);
  CHECK(sumOf(maps.cls) > 0);
}

TEST_CASE("the published detections of the formula scene, suppressed greedily and by voting clusters") {
  const Maps maps = fixture::formulaMaps(4, 1);
  auto image = fixture::image(128, 120, {}, {});
  image.scaleX = image.scaleY = 0.5f;
  const auto check = [&](const PostProcess& process, size_t count,
                         const std::vector<std::array<double, 6>>& expected) {
    const auto out = detectDense(fixture::options(4), maps.cls, maps.reg, {},
                                 fixture::batchOf(128, 128, {image}), process);
    REQUIRE(out.size() == 1);
    CHECK(out[0].size() == count);
    for (size_t d = 0; d < expected.size(); ++d) {
      for (size_t s = 0; s < 4; ++s) CHECK(std::abs(out[0].boxes[4 * d + s] - expected[d][s]) < 1e-3);
      CHECK(out[0].scores[d] == doctest::Approx(expected[d][4]).epsilon(2e-6));
      CHECK(out[0].labels[d] == expected[d][5]);
    }
  };
  PostProcess process{0.05, 100, 0.6, 100, {}};
  check(process, 24,
        {{0, 0, 218.7016, 240, .377541, 0},
         {0, 0, 173.4697, 240, .377526, 1},
         {0, 0, 193.3119, 129.6016, .377390, 0}});
  process.suppression.overlap.distance = true;
  process.suppression.voting = hd::ops::SuppressionOptions::Voting::score;
  check(process, 30,
        {{0, .72056, 236.8914, 239.0380, .377541, 0},
         {0, 1.95789, 183.0155, 237.1803, .377526, 1},
         {1.82911, 0, 187.6749, 134.4241, .377390, 0}});
}

TEST_CASE("cutting a global batch into micro-batches changes neither terms nor gradients") {
  const GflOptions options = fixture::options(3);
  const hd::Batch batch = mixedBatch();
  Maps whole = fixture::randomMaps(1, 4, 128, 192, 3);
  const Terms expected = train(options, batch, whole);
  for (const auto& cuts : std::vector<std::vector<std::vector<int64_t>>>{
           {{0, 1}, {2, 3}}, {{0}, {1}, {2}, {3}}, {{2, 3}, {0, 1}}, {{3, 1, 0}, {2}}, {{3, 2, 1, 0}}}) {
    Maps cut = fixture::randomMaps(1, 4, 128, 192, 3);
    const Terms terms = train(options, batch, cut, cuts);
    CHECK(terms.cls == doctest::Approx(expected.cls).epsilon(1e-5));
    CHECK(terms.box == doctest::Approx(expected.box).epsilon(1e-5));
    CHECK(terms.dfl == doctest::Approx(expected.dfl).epsilon(1e-5));
    CHECK(largestDifference(cut.cls, whole.cls) < 1e-6);
    CHECK(largestDifference(cut.reg, whole.reg) < 1e-6);
  }
}

TEST_CASE("gradients reach class logits of valid cells and side logits of positives, nothing else") {
  const GflOptions options = fixture::options(3);
  const hd::Batch batch = mixedBatch();
  Maps maps = fixture::randomMaps(2, 4, 128, 192, 3);
  const auto assignment = assignGfl(options, batch);
  train(options, batch, maps);
  for (size_t l = 0; l < 5; ++l) {
    const auto& targets = assignment->levels[l];
    const Tensor cls = maps.cls[l].grad().permute({0, 2, 3, 1}).reshape({-1, 3}).abs().amax({1});
    const Tensor reg = maps.reg[l].grad().permute({0, 2, 3, 1}).reshape({-1, 68}).abs().amax({1});
    CHECK(at::equal(cls.gt(0), targets.weights.gt(0)));
    CHECK(at::equal(reg.gt(0), targets.labels.ge(0).logical_and(targets.labels.lt(3))));
  }
  // Image 2 is 120 × 128 in a canvas 192 wide: its cells beyond 128 take no part.
  const auto& level = assignment->levels[0];
  CHECK(level.labels[2 * 16 * 24 + 15].item<int64_t>() == 3);
  CHECK(level.labels[2 * 16 * 24 + 16].item<int64_t>() == -1);
}

TEST_CASE("the analytic gradient follows finite differences of the whole loss") {
  const GflOptions options = fixture::options(2);
  const auto batch = fixture::batchOf(64, 64, {fixture::image(64, 64, {6, 8, 50, 58}, {1})});
  Maps maps = fixture::randomMaps(3, 1, 64, 64, 2);
  const auto assignment = assignGfl(options, batch);
  REQUIRE(assignment->positives > 0);
  // Quality target and confidence are constants of the gradient, so only side logits can be checked on their
  // own: with the class weights held by the class maps, the box and dfl sums are functions of the side logits
  // alone.
  const auto loss = [&](const std::vector<Tensor>& reg) {
    const GflSums sums = gflSums(options, maps.cls, reg, *assignment);
    return fixture::total(sums.box) + fixture::total(sums.dfl);
  };
  loss(maps.reg).backward();
  const Tensor gradient = maps.reg[0].grad();
  const Tensor direction = gradient / gradient.norm();
  constexpr double step = 1e-2;
  auto plus = maps.reg, minus = maps.reg;
  plus[0] = maps.reg[0].detach() + step * direction;
  minus[0] = maps.reg[0].detach() - step * direction;
  const double numeric = (loss(plus) - loss(minus)).item<double>() / (2 * step);
  CHECK(numeric == doctest::Approx(gradient.norm().item<double>()).epsilon(5e-3));
}

TEST_CASE("every box loss, one class, and boxes beyond the canvas train") {
  for (const char* kind : {"iou", "giou", "diou", "ciou"}) {
    GflOptions options = fixture::options(1);
    options.boxLoss = kind;
    const auto batch =
        fixture::batchOf(128, 128, {fixture::image(128, 128, {-40, -30, 60, 70, 90, 80, 200, 190}, {0, 0})});
    Maps maps = fixture::randomMaps(4, 1, 128, 128, 1);
    const Terms terms = train(options, batch, maps);
    CAPTURE(kind);
    CHECK(terms.cls > 0);
    CHECK(terms.box > 0);
    CHECK(terms.dfl > 0);
    CHECK(std::isfinite(terms.cls + terms.box + terms.dfl));
    CHECK(std::isfinite(sumOf(maps.reg)));
    CHECK(sumOf(maps.reg) > 0);
  }
}

TEST_CASE("degenerate objects neither divide by zero nor crash") {
  const GflOptions options = fixture::options(2);
  const auto batch = fixture::batchOf(
      64, 64, {fixture::image(64, 64, {10, 10, 10, 10, 20, 5, 20.5f, 60, 0, 0, 64, 64}, {0, 1, 1})});
  Maps maps = fixture::randomMaps(5, 1, 64, 64, 2);
  const Terms terms = train(options, batch, maps);
  CHECK(std::isfinite(terms.cls + terms.box + terms.dfl));
  CHECK(std::isfinite(sumOf(maps.cls) + sumOf(maps.reg)));
}

TEST_CASE("five thousand boxes in one image") {
  hd::Random random(7, "crowded", 0, 0);
  std::vector<float> boxes;
  std::vector<int32_t> labels;
  for (int i = 0; i < 5000; ++i) {
    const float x = random.uniform(0, 600), y = random.uniform(0, 440);
    boxes.insert(boxes.end(), {x, y, x + random.uniform(2, 40), y + random.uniform(2, 40)});
    labels.push_back(static_cast<int32_t>(random.below(3)));
  }
  const GflOptions options = fixture::options(3);
  const auto batch = fixture::batchOf(480, 640, {fixture::image(640, 480, boxes, labels)});
  Maps maps = fixture::randomMaps(6, 1, 480, 640, 3);
  const Terms terms = train(options, batch, maps);
  CHECK(std::isfinite(terms.cls + terms.box + terms.dfl));
  CHECK(assignGfl(options, batch)->positives > 1000);
}

TEST_CASE("not a number in a padded cell is not read; in a trained cell it reaches the loss") {
  const GflOptions options = fixture::options(3);
  const hd::Batch batch = mixedBatch();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Maps maps = fixture::randomMaps(8, 4, 128, 192, 3);
  const auto poison = [&](int64_t column) {
    const torch::NoGradGuard guard;
    maps.cls[0].select(0, 2).select(2, column).fill_(nan);
  };
  poison(20);  // image 2 ends at column 16
  CHECK(std::isfinite(train(options, batch, maps).cls));
  poison(3);
  CHECK(std::isnan(train(options, batch, maps).cls));
}

TEST_CASE("targets that do not fit are refused") {
  const GflOptions options = fixture::options(2);
  const auto assigned = [&](hd::ImageTargets image) {
    return assignGfl(options, fixture::batchOf(64, 64, {std::move(image)}));
  };
  CHECK_THROWS_AS(assigned(fixture::image(64, 64, {0, 0, 9, 9}, {2})), hd::Error);
  CHECK_THROWS_AS(assigned(fixture::image(64, 64, {0, 0, 9, 9}, {-1})), hd::Error);
  CHECK_THROWS_AS(assigned(fixture::image(64, 64, {0, 0, 9}, {0})), hd::Error);
  auto bad = fixture::image(64, 64, {0, 0, std::numeric_limits<float>::infinity(), 9}, {0});
  bad.image = 41;
  try {
    assigned(bad);
    FAIL("an infinite box was assigned");
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_DATA_BOX");
    CHECK(error.where() == "image 41");
  }
  const auto assignment = assigned(fixture::image(64, 64, {0, 0, 9, 9}, {0}));
  Maps wrongClasses = fixture::randomMaps(1, 1, 64, 64, 3), wrongSize = fixture::randomMaps(1, 1, 128, 64, 2);
  CHECK_THROWS_AS(gflSums(options, wrongClasses.cls, wrongClasses.reg, *assignment), hd::Error);
  CHECK_THROWS_AS(gflSums(options, wrongSize.cls, wrongSize.reg, *assignment), hd::Error);
  CHECK_THROWS_AS(detectDense(options, wrongClasses.cls, wrongClasses.reg, {},
                              fixture::batchOf(64, 64, {fixture::image(64, 64, {}, {})}), {}),
                  hd::Error);
}
