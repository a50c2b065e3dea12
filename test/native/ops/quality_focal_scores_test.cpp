// Quality focal loss on probabilities: published figures, slopes, edges.
#include <cmath>

#include "core/error.h"
#include "ops/losses.h"
#include "reference.h"

namespace {

using namespace reference;
using hd::ops::qualityFocalLossOfScores;

TEST_CASE("the published figures, row by row") {
  const Tensor scores = at::tensor({.6, .1, .05, .2, .3, .04}, at::kDouble).reshape({2, 3});
  const Tensor labels = at::tensor({0, 2}, at::kLong), quality = at::tensor({.7, .0}, at::kDouble);
  const double expected[] = {.007506, .041092};
  for (int64_t row = 0; row < 2; ++row) {
    Tensor only = at::zeros({2}, at::kDouble);
    only[row] = 1;
    const double loss = qualityFocalLossOfScores(scores, labels, quality, only, 3).item<double>();
    CHECK(loss == doctest::Approx(expected[row]).epsilon(1e-4));
  }
}

TEST_CASE("a loop over rows and columns says the same; spare columns and background want 0") {
  hd::Random random(1, "quality focal scores test", 0, 0);
  for (const int64_t spare : {0, 1}) {
    const int64_t classes = 4, rows = 40;
    const Tensor scores = uniform(random, {rows, classes + spare}, 0.01, 0.99);
    const Tensor labels = integers(random, rows, -1, classes + 1), quality = uniform(random, {rows}, 0, 1);
    const Tensor weight = weights(random, rows, 0.3);
    double expected = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < classes + spare; ++column) {
        const double p = scores[row][column].item<double>();
        const bool own = labels[row].item<int64_t>() == column && column < classes;
        const double y = own ? quality[row].item<double>() : 0;
        expected +=
            weight[row].item<double>() * -(y * std::log(p) + (1 - y) * std::log(1 - p)) * (y - p) * (y - p);
      }
    }
    CHECK(qualityFocalLossOfScores(scores, labels, quality, weight, classes).item<double>() ==
          doctest::Approx(expected));
  }
}

TEST_CASE("the gradient is the slope of the value, also through the modulating factor") {
  hd::Random random(2, "quality focal scores test", 0, 0);
  const Tensor labels = at::tensor({0, 3, 1, -1}, at::kLong), quality = uniform(random, {4}, 0.2, 0.9),
               weight = at::ones({4}, at::kDouble);
  CHECK(
      gradientChecks([&](const Tensor& x) { return qualityFocalLossOfScores(x, labels, quality, weight, 3); },
                     uniform(random, {4, 3}, 0.1, 0.9)));
}

TEST_CASE("certain scores stay finite, and what does not fit is refused") {
  const Tensor scores = leaf(at::tensor({0.0, 1.0}, at::kFloat).reshape({1, 2}));
  const Tensor label = at::zeros({1}, at::kLong), one = at::ones({1});
  const Tensor loss = qualityFocalLossOfScores(scores, label, one, one, 2);
  CHECK(std::isfinite(loss.item<double>()));
  CHECK_THROWS_AS(qualityFocalLossOfScores(scores, label, one, one, 3), hd::Error);
  CHECK_THROWS_AS(qualityFocalLossOfScores(scores, at::zeros({2}, at::kLong), one, one, 2), hd::Error);
}

}  // namespace
