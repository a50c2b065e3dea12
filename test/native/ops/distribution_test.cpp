// Integral, distribution focal loss and GFL's fused regression loss against composite expressions.
#include <limits>

#include "boxes_reference.h"
#include "core/error.h"
#include "ops/losses.h"

namespace {

using namespace reference;
namespace ops = hd::ops;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// [N, 4·bins] → [N, 4]
Tensor expectation(const Tensor& logits) {
  const int64_t bins = logits.size(1) / 4;
  return (logits.reshape({-1, 4, bins}).softmax(2) * at::arange(bins, logits.options())).sum(2);
}

/// logits [M, bins], targets [M] → [M]
Tensor crossEntropyOfBins(const Tensor& logits, const Tensor& targets) {
  const Tensor left = targets.to(at::kLong), logs = logits.log_softmax(1);
  const Tensor atLeft = -logs.gather(1, left.unsqueeze(1)).squeeze(1);
  const Tensor atRight = -logs.gather(1, left.unsqueeze(1) + 1).squeeze(1);
  return atLeft * (left + 1 - targets) + atRight * (targets - left);
}

struct GflProblem {
  Tensor logits, centre, target, weight;
  int64_t bins;

  GflProblem(uint64_t seed, int64_t rows, int64_t binsIn, at::ScalarType type) : bins(binsIn) {
    hd::Random random(seed, "distribution test", 0, 0);
    logits = uniform(random, {rows, 4 * bins}, -3, 3, type);
    centre = uniform(random, {rows, 2}, 0, 40, type);
    // Some sides lie outside [0, n]: distances are clamped.
    const double reach = 1.1 * static_cast<double>(bins);
    target = at::cat({centre - uniform(random, {rows, 2}, -0.5, reach, type),
                      centre + uniform(random, {rows, 2}, 0.6, reach, type)},
                     1);
    weight = weights(random, rows, 0.4, type);
  }

  struct Expected {
    Tensor box, distribution, iou;
  };

  Expected composite(const Tensor& input, const std::string& kind, double eps) const {
    const Tensor distance = expectation(input);
    const Tensor box = at::cat({centre - distance.slice(1, 0, 2), centre + distance.slice(1, 2, 4)}, 1);
    const Tensor sides = at::cat({centre - target.slice(1, 0, 2), target.slice(1, 2, 4) - centre}, 1)
                             .clamp(0, static_cast<double>(bins) - 1.1);
    const Tensor entropy =
        crossEntropyOfBins(input.reshape({-1, bins}), sides.reshape({-1})).reshape({-1, 4}).sum(1);
    const Tensor iou = reference::boxLoss("iou", box.detach(), target, 1e-6).neg().exp();
    return {(reference::boxLoss(kind, box, target, eps) * weight).sum(), (entropy * weight).sum(),
            at::where(weight.eq(0), at::zeros_like(iou), iou)};
  }
};

TEST_CASE("integral equals softmax and expectation") {
  hd::Random random(1, "distribution test", 0, 0);
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double tolerance = type == at::kDouble ? 1e-11 : 3e-6;
    for (const int64_t bins : {2, 8, 17, 33}) {
      CAPTURE(bins);
      const Tensor logits = uniform(random, {50, 4 * bins}, -6, 6, type),
                   upper = uniform(random, {50, 4}, -1, 1, type);
      const Tensor ours = leaf(logits), theirs = leaf(logits);
      const Tensor a = ops::integral(ours), b = expectation(theirs);
      CHECK(near(a, b, tolerance, tolerance));
      CHECK(near(gradient((a * upper).sum(), ours), gradient((b * upper).sum(), theirs), tolerance * 3,
                 tolerance));
    }
  }
}

TEST_CASE("integral of known distributions") {
  const Tensor ramp = (at::arange(17, at::kDouble) * 0.1).repeat({1, 4});
  CHECK(ops::integral(ramp)[0][2].item<double>() == doctest::Approx(10.291445).epsilon(1e-7));
  CHECK(near(ops::integral(at::zeros({2, 68})), at::full({2, 4}, 8), 1e-6, 0));
  Tensor sharp = at::full({1, 68}, -80.f);
  for (int64_t side = 0; side < 4; ++side) sharp[0][side * 17 + 3 * side] = 80;
  CHECK(near(ops::integral(sharp), at::tensor({0.f, 3.f, 6.f, 9.f}).reshape({1, 4}), 1e-6, 1e-6));
}

TEST_CASE("integral stays between 0 and n and follows a shift of logits nowhere") {
  hd::Random random(2, "distribution test", 0, 0);
  const Tensor logits = uniform(random, {100, 68}, -90, 90, at::kFloat);
  const Tensor distances = ops::integral(logits);
  CHECK(distances.min().item<float>() >= 0);
  CHECK(distances.max().item<float>() <= 16.00001f);
  CHECK(near(ops::integral(logits.to(at::kDouble) + 7), distances, 1e-4, 1e-4));
}

TEST_CASE("distribution focal loss equals cross entropy of both bins") {
  hd::Random random(3, "distribution test", 0, 0);
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double rtol = type == at::kDouble ? 1e-10 : 2e-6, atol = type == at::kDouble ? 1e-12 : 1e-6;
    for (const int64_t bins : {2, 8, 17}) {
      CAPTURE(bins);
      const Tensor logits = uniform(random, {60, bins}, -6, 6, type), weight = weights(random, 60, 0.3, type);
      Tensor targets = uniform(random, {60}, 0, static_cast<double>(bins) - 1.1, type);
      targets[0] = 0;  // whole numbers are the left bin alone
      targets[1] = static_cast<double>(bins - 2);
      const Tensor ours = leaf(logits), theirs = leaf(logits);
      const Tensor a = ops::distributionFocalLoss(ours, targets, weight);
      const Tensor b = (crossEntropyOfBins(theirs, targets) * weight).sum();
      CHECK(near(a, b, rtol, atol));
      CHECK(near(gradient(a * 0.3, ours), gradient(b * 0.3, theirs), rtol * 5, atol));
    }
  }
}

TEST_CASE("published values of the distribution focal loss") {
  const Tensor k = at::arange(17, at::kDouble), one = at::ones({1}, at::kDouble);
  const auto loss = [&](const Tensor& logits, double target) {
    return ops::distributionFocalLoss(logits.unsqueeze(0), at::full({1}, target, at::kDouble), one)
        .item<double>();
  };
  CHECK(loss(k * 0.1, 3.25) == doctest::Approx(3.425439).epsilon(1e-6));
  CHECK(loss((k - 5).pow(2) * -0.02, 15.9) == doctest::Approx(4.748691).epsilon(1e-6));
  CHECK(loss(at::zeros({17}, at::kDouble), 7.5) == doctest::Approx(std::log(17.0)).epsilon(1e-9));
}

TEST_CASE("four sides that share a weight equal single distributions") {
  hd::Random random(4, "distribution test", 0, 0);
  const Tensor logits = uniform(random, {20, 68}, -3, 3, at::kFloat),
               targets = uniform(random, {20, 4}, 0, 15.9, at::kFloat);
  const Tensor weight = weights(random, 20, 0.4, at::kFloat);
  const Tensor grouped = leaf(logits), single = leaf(logits.reshape({80, 17}));
  const Tensor a = ops::distributionFocalLoss(grouped, targets, weight);
  const Tensor b = ops::distributionFocalLoss(single, targets.reshape({80}), weight.repeat_interleave(4));
  CHECK(sameBits(a.detach(), b.detach()));
  CHECK(sameBits(gradient(a, grouped).reshape({80, 17}), gradient(b, single)));
}

TEST_CASE("gradients are slopes") {
  hd::Random random(5, "distribution test", 0, 0);
  const Tensor logits = uniform(random, {3, 20}, -2, 2), targets = uniform(random, {3, 4}, 0, 3.9);
  const Tensor weight = weights(random, 3, 0.3), upper = uniform(random, {3, 4}, -1, 1);
  CHECK(gradientChecks([&](const Tensor& x) { return ops::distributionFocalLoss(x, targets, weight); },
                       logits));
  CHECK(gradientChecks([&](const Tensor& x) { return (ops::integral(x) * upper).sum(); }, logits));
  const GflProblem p(6, 4, 5, at::kDouble);
  for (const std::string kind : {"iou", "giou", "diou", "ciou", "bounded_iou"}) {
    CAPTURE(kind);
    CHECK(gradientChecks(
        [&](const Tensor& x) {
          const auto loss = ops::gflBoxLoss(x, p.centre, p.target, p.weight, kind);
          return loss.boxSum * 2 + loss.dflSum * 0.25;
        },
        p.logits, 1e-5));
  }
}

TEST_CASE("the fused loss equals softmax, integral, decoding, box loss and DFL") {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double rtol = type == at::kDouble ? 1e-9 : 2e-5, atol = type == at::kDouble ? 1e-11 : 5e-6;
    for (const std::string kind : {"iou", "giou", "diou", "ciou", "ciou_detached", "bounded_iou"}) {
      for (const int64_t bins : {8, 17}) {
        CAPTURE(kind);
        CAPTURE(bins);
        const GflProblem p(7, 150, bins, type);
        const Tensor ours = leaf(p.logits), theirs = leaf(p.logits);
        const auto a = ops::gflBoxLoss(ours, p.centre, p.target, p.weight, kind);
        const auto b = p.composite(theirs, kind, 1e-6);
        CHECK(near(a.boxSum, b.box, rtol, atol));
        CHECK(near(a.dflSum, b.distribution, rtol, atol));
        CHECK(near(a.iou, b.iou, rtol, 2e-6));
        CHECK_FALSE(a.iou.requires_grad());
        const Tensor total = a.boxSum * 2 + a.dflSum * 0.25, expected = b.box * 2 + b.distribution * 0.25;
        CHECK(near(gradient(total, ours), gradient(expected, theirs), rtol, atol));
      }
    }
  }
}

TEST_CASE("either sum of the fused loss can be used alone") {
  const GflProblem p(8, 30, 17, at::kDouble);
  for (const bool box : {true, false}) {
    const Tensor ours = leaf(p.logits), theirs = leaf(p.logits);
    const auto a = ops::gflBoxLoss(ours, p.centre, p.target, p.weight);
    const auto b = p.composite(theirs, "giou", 1e-6);
    CHECK(near(gradient(box ? a.boxSum : a.dflSum, ours), gradient(box ? b.box : b.distribution, theirs),
               1e-9, 1e-11));
  }
}

TEST_CASE("rows of weight 0 are not read and get gradient 0") {
  GflProblem p(9, 10, 17, at::kFloat);
  p.weight.fill_(0.5);
  p.weight[4] = 0;
  p.logits[4].fill_(kNan);
  p.target[4].fill_(kNan);
  const Tensor input = leaf(p.logits);
  const auto loss = ops::gflBoxLoss(input, p.centre, p.target, p.weight);
  CHECK(loss.boxSum.isfinite().item<bool>());
  CHECK(loss.dflSum.isfinite().item<bool>());
  CHECK(loss.iou[4].item<float>() == 0);
  const Tensor slope = gradient(loss.boxSum + loss.dflSum, input);
  CHECK(slope.isfinite().all().item<bool>());
  CHECK(slope[4].abs().max().item<float>() == 0);
  CHECK(slope[5].abs().max().item<float>() > 0);
}

TEST_CASE("a NaN in a counted row reaches the sums") {
  const GflProblem clean(10, 6, 17, at::kFloat);
  const auto sums = [](const GflProblem& p) {
    const auto loss = ops::gflBoxLoss(p.logits, p.centre, p.target, at::ones({6}));
    return std::pair(loss.boxSum.isnan().item<bool>(), loss.dflSum.isnan().item<bool>());
  };
  CHECK(sums(clean) == std::pair(false, false));
  for (int64_t column = 0; column < 4; ++column) {
    GflProblem p(10, 6, 17, at::kFloat);
    p.target[3][column] = kNan;
    CHECK(sums(p) == std::pair(true, true));
  }
  GflProblem p(10, 6, 17, at::kFloat);
  p.logits[3][40] = kNan;
  CHECK(sums(p) == std::pair(true, true));
  CHECK(ops::integral(p.logits)[3][2].isnan().item<bool>());
}

TEST_CASE("logits of ±80 stay finite") {
  GflProblem p(11, 20, 17, at::kFloat);
  hd::Random random(11, "signs", 0, 0);
  const Tensor input = leaf(uniform(random, {20, 68}, -1, 1, at::kFloat).sign() * 80);
  const auto loss = ops::gflBoxLoss(input, p.centre, p.target, p.weight, "ciou");
  const Tensor total = loss.boxSum + loss.dflSum;
  CHECK(total.isfinite().item<bool>());
  CHECK(gradient(total, input).isfinite().all().item<bool>());
}

TEST_CASE("no rows, and only skipped rows, cost 0") {
  for (const int64_t rows : {0, 3}) {
    const Tensor input = leaf(at::ones({rows, 68}));
    const auto loss = ops::gflBoxLoss(input, at::zeros({rows, 2}), at::zeros({rows, 4}), at::zeros({rows}));
    CHECK(loss.boxSum.item<float>() == 0);
    CHECK(loss.dflSum.item<float>() == 0);
    CHECK(loss.iou.sizes() == at::IntArrayRef({rows}));
    CHECK(sameBits(gradient(loss.boxSum + loss.dflSum, input), at::zeros({rows, 68})));
    CHECK(ops::distributionFocalLoss(input, at::zeros({rows, 4}), at::zeros({rows})).item<float>() == 0);
    CHECK(ops::integral(input).sizes() == at::IntArrayRef({rows, 4}));
  }
}

TEST_CASE("targets outside the bins are read safely") {
  const Tensor logits = at::zeros({5, 17}, at::kDouble), one = at::ones({5}, at::kDouble);
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor targets = at::tensor({-3.0, 16.0, 1e30, infinity, -infinity}, at::kDouble);
  const Tensor input = leaf(logits);
  const Tensor loss = ops::distributionFocalLoss(input, targets, one);
  CHECK(gradient(loss, input).sizes() == logits.sizes());
  // 16 is the last bin itself: all of its share is there.
  CHECK(ops::distributionFocalLoss(logits.slice(0, 1, 2), targets.slice(0, 1, 2), one.slice(0, 1, 2))
            .item<double>() == doctest::Approx(std::log(17.0)));
}

TEST_CASE("bfloat16 logits equal the same values in float32") {
  const GflProblem p(12, 25, 17, at::kFloat);
  const Tensor narrow = leaf(p.logits.to(at::kBFloat16)), wide = leaf(narrow.detach().to(at::kFloat));
  const auto a = ops::gflBoxLoss(narrow, p.centre, p.target, p.weight),
             b = ops::gflBoxLoss(wide, p.centre, p.target, p.weight);
  CHECK(sameBits(a.boxSum.detach(), b.boxSum.detach()));
  CHECK(sameBits(a.dflSum.detach(), b.dflSum.detach()));
  CHECK(sameBits(a.iou, b.iou));
  CHECK(
      sameBits(gradient(a.boxSum + a.dflSum, narrow), gradient(b.boxSum + b.dflSum, wide).to(at::kBFloat16)));
  CHECK(sameBits(ops::integral(narrow).detach(), ops::integral(wide).detach()));
}

TEST_CASE("the number of threads changes no bit") {
  const GflProblem p(13, 4000, 17, at::kFloat);
  CHECK(sameOnAnyThreadCount([&] {
    const Tensor input = leaf(p.logits);
    const auto loss = ops::gflBoxLoss(input, p.centre, p.target, p.weight);
    return std::vector<Tensor>{
        loss.boxSum.detach(),
        loss.dflSum.detach(),
        loss.iou,
        gradient(loss.boxSum + loss.dflSum, input),
        ops::integral(p.logits),
        ops::distributionFocalLoss(p.logits, ops::integral(p.logits).clamp(0, 15.9), p.weight)};
  }));
}

TEST_CASE("wrong shapes are refused") {
  const Tensor logits = at::zeros({3, 68}), centre = at::zeros({3, 2}), boxes = at::zeros({3, 4}),
               weight = at::ones({3});
  CHECK_THROWS_AS(ops::integral(at::zeros({3, 66})), hd::Error);
  CHECK_THROWS_AS(ops::integral(at::zeros({3, 4})), hd::Error);
  CHECK_THROWS_AS(ops::distributionFocalLoss(logits, at::zeros({3, 3}), weight), hd::Error);
  CHECK_THROWS_AS(ops::distributionFocalLoss(logits, boxes, at::ones({12})), hd::Error);
  CHECK_THROWS_AS(ops::distributionFocalLoss(at::zeros({3, 1}), at::zeros({3}), weight), hd::Error);
  CHECK_THROWS_AS(ops::gflBoxLoss(logits, boxes, boxes, weight), hd::Error);
  CHECK_THROWS_AS(ops::gflBoxLoss(logits, centre, centre, weight), hd::Error);
  CHECK_THROWS_AS(ops::gflBoxLoss(logits, centre, boxes, at::ones({4})), hd::Error);
  CHECK_THROWS_AS(ops::gflBoxLoss(logits, centre, boxes, weight, "l1"), hd::Error);
}

}  // namespace
