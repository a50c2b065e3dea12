// Quality focal loss against its composite expression, central differences and its edges.
#include <limits>

#include "core/error.h"
#include "ops/losses.h"
#include "reference.h"

namespace {

using namespace reference;
using hd::ops::qualityFocalLoss;

/// The definition in plain ATen: every entry's target is 0 but the labelled one's.
Tensor composite(const Tensor& input, const Tensor& labels, const Tensor& quality, const Tensor& weight,
                 double beta, bool probabilities) {
  const Tensor hot = labels.unsqueeze(1).eq(at::arange(input.size(1)));
  const Tensor y = at::where(hot, quality.unsqueeze(1).to(input.dtype()), at::zeros({}, input.options()));
  const Tensor sigma = probabilities ? input : input.sigmoid();
  const Tensor entropy = probabilities
                             ? at::binary_cross_entropy(input, y, {}, at::Reduction::None)
                             : at::binary_cross_entropy_with_logits(input, y, {}, {}, at::Reduction::None);
  return ((entropy * (y - sigma).abs().pow(beta)).sum(1) * weight).sum();
}

struct Problem {
  Tensor input, labels, quality, weight;

  Problem(uint64_t seed, int64_t rows, int64_t classes, bool probabilities, at::ScalarType type,
          double spread = 5) {
    hd::Random random(seed, "quality focal loss test", 0, 0);
    input = probabilities ? uniform(random, {rows, classes}, 0.01, 0.99, type)
                          : uniform(random, {rows, classes}, -spread, spread, type);
    labels = integers(random, rows, -1, classes + 2);  // −1, classes and classes + 1 are background
    quality = uniform(random, {rows}, 0, 1, type);
    weight = weights(random, rows, 0.3, type);
  }
};

TEST_CASE("equals the composite expression and its gradient") {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double rtol = type == at::kDouble ? 1e-10 : 2e-6, atol = type == at::kDouble ? 1e-12 : 2e-6;
    for (const bool probabilities : {false, true}) {
      for (const double beta : {2.0, 1.5, 1.0}) {
        for (const int64_t classes : {1, 3, 80, 300}) {
          CAPTURE(toString(type));
          CAPTURE(probabilities);
          CAPTURE(beta);
          CAPTURE(classes);
          const Problem p(7, 40, classes, probabilities, type);
          const Tensor ours = leaf(p.input), theirs = leaf(p.input);
          const Tensor a = qualityFocalLoss(ours, p.labels, p.quality, p.weight, beta, probabilities);
          const Tensor b = composite(theirs, p.labels, p.quality, p.weight, beta, probabilities);
          CHECK(near(a, b, rtol, atol));
          CHECK(near(gradient(a * 0.37, ours), gradient(b * 0.37, theirs), rtol * 3, atol));
        }
      }
    }
  }
}

TEST_CASE("the published figures, row by row, with their gradients") {
  const Tensor logits =
      leaf(at::tensor({.5, -1., 2., -2., 0., 1., 3., -3., .1}, at::kDouble).reshape({3, 3}));
  const Tensor labels = at::tensor({2, 3, 0}, at::kLong);  // the second is background
  const Tensor quality = at::tensor({.8, 0., .3}, at::kDouble);
  const auto loss = [&](std::initializer_list<double> weight) {
    return qualityFocalLoss(logits, labels, quality,
                            at::tensor(at::ArrayRef<double>(weight.begin(), weight.size()), at::kDouble));
  };
  CHECK(loss({1, 0, 0}).item<double>() == doctest::Approx(.403510).epsilon(2e-6));
  CHECK(loss({0, 1, 0}).item<double>() == doctest::Approx(.876959).epsilon(2e-6));
  CHECK(loss({0, 0, 1}).item<double>() == doctest::Approx(1.120250).epsilon(2e-6));
  CHECK(loss({1, 1, 1}).item<double>() / 2 == doctest::Approx(1.200359).epsilon(2e-6));
  const Tensor halved = loss({1, 1, 0}) / 2;
  CHECK(halved.item<double>() == doctest::Approx(.640234).epsilon(2e-6));
  const double first[] = {.263076, .026291, .004734}, third[] = {.202293, .000157, .169797};
  const Tensor slopes = gradient(loss({1, 1, 1}) / 2, logits);
  for (int64_t c = 0; c < 3; ++c) {
    CHECK(std::abs(slopes[0][c].item<double>() - first[c]) < 1e-6);
    CHECK(std::abs(slopes[2][c].item<double>() - third[c]) < 1e-6);
  }
}

TEST_CASE("its gradient is the slope of its value") {
  for (const bool probabilities : {false, true}) {
    for (const double beta : {2.0, 1.5}) {
      const Problem p(8, 6, 4, probabilities, at::kDouble);
      CHECK(gradientChecks(
          [&](const Tensor& x) {
            return qualityFocalLoss(x, p.labels, p.quality, p.weight, beta, probabilities);
          },
          p.input));
    }
  }
}

TEST_CASE("bfloat16 logits equal the same values in float32") {
  const Problem p(9, 33, 20, false, at::kFloat);
  const Tensor narrow = leaf(p.input.to(at::kBFloat16)), wide = leaf(narrow.detach().to(at::kFloat));
  const Tensor a = qualityFocalLoss(narrow, p.labels, p.quality, p.weight);
  const Tensor b = qualityFocalLoss(wide, p.labels, p.quality, p.weight);
  CHECK((a.scalar_type() == at::kFloat));
  CHECK(sameBits(a, b));
  const Tensor slope = gradient(a, narrow);
  CHECK((slope.scalar_type() == at::kBFloat16));
  CHECK(sameBits(slope, gradient(b, wide).to(at::kBFloat16)));
}

TEST_CASE("rows of weight 0 are not read and get gradient 0") {
  Problem p(10, 12, 5, false, at::kFloat);
  p.weight.fill_(1);
  p.weight[3] = 0;
  const Tensor clean = qualityFocalLoss(p.input, p.labels, p.quality, p.weight);
  p.input[3].fill_(std::numeric_limits<float>::quiet_NaN());
  p.quality[3] = std::numeric_limits<float>::quiet_NaN();
  const Tensor input = leaf(p.input);
  const Tensor loss = qualityFocalLoss(input, p.labels, p.quality, p.weight);
  CHECK(sameBits(loss, clean));
  const Tensor slope = gradient(loss, input);
  CHECK(slope[3].abs().max().item<float>() == 0);
  CHECK(slope.isfinite().all().item<bool>());
}

TEST_CASE("no rows, and only skipped rows, cost 0 with gradient 0") {
  for (const int64_t rows : {0, 5}) {
    const Tensor input = leaf(at::ones({rows, 3}));
    const Tensor loss =
        qualityFocalLoss(input, at::zeros({rows}, at::kLong), at::zeros({rows}), at::zeros({rows}));
    CHECK(loss.item<float>() == 0);
    CHECK(loss.dim() == 0);
    CHECK(sameBits(gradient(loss, input), at::zeros({rows, 3})));
  }
}

TEST_CASE("logits of ±80 and ±1000 stay finite") {
  for (const double size : {80.0, 1000.0}) {
    const Tensor input = leaf(at::tensor({size, -size, -size, size}, at::kFloat).reshape({2, 2}));
    const Tensor labels = at::tensor({0, 0}, at::kLong);
    const Tensor loss = qualityFocalLoss(input, labels, at::tensor({0.3f, 0.9f}), at::ones({2}));
    CHECK(std::isfinite(loss.item<float>()));
    CHECK(gradient(loss, input).isfinite().all().item<bool>());
    const Tensor expected =
        composite(input.detach().to(at::kDouble), labels, at::tensor({0.3f, 0.9f}), at::ones({2}), 2, false);
    CHECK(near(loss, expected, 1e-6, 0));
  }
}

TEST_CASE("probabilities of 0 and 1 stay finite") {
  const Tensor input = leaf(at::tensor({0.f, 1.f, 1.f, 0.f}).reshape({2, 2}));
  const Tensor loss = qualityFocalLoss(input, at::tensor({0, 0}, at::kLong), at::tensor({0.3f, 0.9f}),
                                       at::ones({2}), 2, true);
  CHECK(std::isfinite(loss.item<float>()));
  CHECK(gradient(loss, input).isfinite().all().item<bool>());
}

TEST_CASE("a quality that is met exactly costs nothing and pulls nowhere") {
  const Tensor input = leaf(at::zeros({1, 1}));
  for (const double beta : {2.0, 1.0, 1.5}) {
    const Tensor loss =
        qualityFocalLoss(input, at::zeros({1}, at::kLong), at::full({1}, 0.5), at::ones({1}), beta);
    CHECK(loss.item<float>() == 0);
    CHECK(gradient(loss, input).item<float>() == 0);
  }
}

TEST_CASE("a NaN or an infinity in a counted row reaches the loss") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Problem p(11, 9, 4, false, at::kFloat);
    p.weight.fill_(1);
    p.input[4][2] = bad;
    const Tensor input = leaf(p.input);
    const Tensor loss = qualityFocalLoss(input, p.labels, p.quality, p.weight);
    CHECK_FALSE(std::isfinite(loss.item<float>()));
    CHECK_FALSE(gradient(loss, input)[4].isfinite().all().item<bool>());
  }
}

TEST_CASE("the number of threads changes no bit") {
  const Problem p(12, 3000, 80, false, at::kFloat);
  CHECK(sameOnAnyThreadCount([&] {
    const Tensor input = leaf(p.input);
    const Tensor loss = qualityFocalLoss(input, p.labels, p.quality, p.weight);
    return std::vector<Tensor>{loss.detach(), gradient(loss, input)};
  }));
}

TEST_CASE("strided logits count as their values") {
  hd::Random random(13, "quality focal loss test", 0, 0);
  const Problem p(13, 10, 6, false, at::kFloat);
  const Tensor input = leaf(p.input.t().contiguous());
  const Tensor loss = qualityFocalLoss(input.t(), p.labels, p.quality, p.weight);
  CHECK(sameBits(loss.detach(), qualityFocalLoss(p.input, p.labels, p.quality, p.weight)));
  CHECK(gradient(loss, input).sizes() == at::IntArrayRef({6, 10}));
}

TEST_CASE("wrong shapes and types are refused") {
  const Tensor input = at::zeros({4, 3}), labels = at::zeros({4}, at::kLong), row = at::ones({4});
  CHECK_THROWS_AS(qualityFocalLoss(input, at::zeros({5}, at::kLong), row, row), hd::Error);
  CHECK_THROWS_AS(qualityFocalLoss(input, labels, at::ones({3}), row), hd::Error);
  CHECK_THROWS_AS(qualityFocalLoss(input, labels, row, at::ones({4, 1})), hd::Error);
  CHECK_THROWS_AS(qualityFocalLoss(at::zeros({4}), labels, row, row), hd::Error);
  CHECK_THROWS_AS(qualityFocalLoss(at::zeros({4, 0}), labels, row, row), hd::Error);
  CHECK_THROWS_AS(qualityFocalLoss(input.to(at::kHalf), labels, row, row), hd::Error);
  CHECK_THROWS_AS(qualityFocalLoss(input, row, row, row), hd::Error);
  CHECK_THROWS_AS(qualityFocalLoss(input, labels, row, row, -1), hd::Error);
}

TEST_CASE("the focal loss equals its definition and its gradient") {
  for (const auto type : {at::kDouble, at::kFloat}) {
    for (const double alpha : {0.25, 0.6}) {
      for (const double gamma : {2.0, 1.3}) {
        for (const int64_t classes : {1, 5, 80}) {
          CAPTURE(alpha);
          CAPTURE(gamma);
          CAPTURE(classes);
          const Problem p(11, 60, classes, false, type);
          const Tensor ours = leaf(p.input), theirs = leaf(p.input);
          const Tensor hot = p.labels.unsqueeze(1).eq(at::arange(classes)).to(type);
          const Tensor probability = theirs.sigmoid();
          const Tensor pt = probability * hot + (1 - probability) * (1 - hot);
          const Tensor weights = alpha * hot + (1 - alpha) * (1 - hot);
          const Tensor expected = -(weights * (1 - pt).pow(gamma) * pt.log() * p.weight.unsqueeze(1)).sum();
          const Tensor actual = hd::ops::sigmoidFocalLoss(ours, p.labels, p.weight, alpha, gamma);
          const double rtol = type == at::kDouble ? 1e-9 : 2e-5;
          CHECK(near(actual, expected, rtol, 1e-6));
          CHECK(near(gradient(actual, ours), gradient(expected, theirs), rtol * 10, 1e-6));
        }
      }
    }
  }
}

TEST_CASE("a focal loss without balance is refused") {
  const Tensor logits = at::zeros({2, 3}), labels = at::zeros({2}, at::kLong), weight = at::ones({2});
  for (const double alpha : {0.0, 1.0, -1.0})
    CHECK_THROWS_AS(hd::ops::sigmoidFocalLoss(logits, labels, weight, alpha), hd::Error);
}

}  // namespace
