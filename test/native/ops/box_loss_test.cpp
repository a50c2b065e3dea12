// Box losses and overlaps against composite expressions, central differences and hand-made pairs.
#include <limits>

#include "boxes_reference.h"
#include "core/error.h"
#include "ops/losses.h"

namespace {

using namespace reference;
namespace ops = hd::ops;

const std::vector<std::string> kLosses{"iou", "giou", "diou", "ciou", "ciou_detached", "bounded_iou"};
const std::vector<std::string> kOverlaps{"iou", "iof", "giou", "diou", "diou_released", "ciou"};

Tensor boxRow(std::initializer_list<double> values) {
  return at::tensor(at::ArrayRef<double>(values.begin(), values.size()), at::kDouble).reshape({-1, 4});
}

TEST_CASE("losses and their gradients equal the composite expressions") {
  hd::Random random(1, "box loss test", 0, 0);
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double rtol = type == at::kDouble ? 1e-10 : 1e-5, atol = type == at::kDouble ? 1e-11 : 2e-6;
    for (const std::string& kind : kLosses) {
      CAPTURE(kind);
      const double eps = kind == "bounded_iou" ? 1e-3 : 1e-6;
      const Tensor pred = boxes(random, 200, 20, type), target = boxes(random, 200, 20, type);
      const Tensor weight = weights(random, 200, 0.3, type);
      const Tensor ours = leaf(pred), theirs = leaf(pred);
      const Tensor a = ops::boxLoss(kind, ours, target, weight, eps);
      const Tensor b = (reference::boxLoss(kind, theirs, target, eps) * weight).sum();
      CHECK(near(a, b, rtol, atol));
      CHECK(near(gradient(a * 1.7, ours), gradient(b * 1.7, theirs), rtol, atol));

      const Tensor rows = ops::boxLossRows(kind, ours, target, eps);
      const Tensor expected = reference::boxLoss(kind, theirs, target, eps);
      CHECK(near(rows, expected, rtol, atol));
      CHECK(near(gradient((rows * weight).sum(), ours), gradient((expected * weight).sum(), theirs), rtol,
                 atol));
    }
  }
}

TEST_CASE("coinciding sides share the gradient as torch.max and torch.min do") {
  // Each row shares one or more sides with the target box.
  const Tensor target = boxRow({2, 3, 8, 9}).expand({5, 4}).contiguous();
  const Tensor pred = boxRow({2, 3, 8,  9,    // all
                              2, 4, 9,  10,   // left
                              1, 2, 8,  9,    // right and bottom
                              8, 3, 12, 9,    // touches: overlap of length 0
                              3, 3, 7,  9});  // top and bottom, inside
  for (const std::string kind : {"iou", "giou", "diou", "bounded_iou"}) {
    CAPTURE(kind);
    const Tensor ours = leaf(pred), theirs = leaf(pred);
    const Tensor a = ops::boxLossRows(kind, ours, target, 1e-6),
                 b = reference::boxLoss(kind, theirs, target, 1e-6);
    CHECK(near(a, b, 1e-12, 1e-12));
    CHECK(near(gradient(a.sum(), ours), gradient(b.sum(), theirs), 1e-9, 1e-9));
  }
}

TEST_CASE("gradients are the slopes of the values") {
  hd::Random random(2, "box loss test", 0, 0);
  for (const std::string& kind : kLosses) {
    if (kind == "ciou_detached") continue;  // not the slope, by design
    CAPTURE(kind);
    const Tensor pred = boxes(random, 12, 10), target = boxes(random, 12, 10),
                 weight = weights(random, 12, 0.2);
    CHECK(gradientChecks([&](const Tensor& x) { return ops::boxLoss(kind, x, target, weight); }, pred, 1e-5));
  }
}

TEST_CASE("ciou_detached has ciou's value and another gradient") {
  const Tensor target = boxRow({1, 1, 7, 8}), pred = leaf(boxRow({2, 3, 6, 9}));
  const Tensor a = ops::boxLossRows("ciou", pred, target),
               b = ops::boxLossRows("ciou_detached", pred, target);
  CHECK(sameBits(a.detach(), b.detach()));
  CHECK_FALSE(near(gradient(a.sum(), pred), gradient(b.sum(), pred), 1e-6, 1e-6));
}

TEST_CASE("published pairs") {  // three pairs with overlap, without, and of different shape
  const Tensor a = boxRow({0, 0, 10, 10, 0, 0, 10, 10, 2, 3, 6, 9});
  const Tensor b = boxRow({5, 5, 15, 15, 20, 0, 30, 10, 1, 1, 7, 8});
  const auto expect = [&](const std::string& kind, std::initializer_list<double> values) {
    CAPTURE(kind);
    const Tensor expected = at::tensor(at::ArrayRef<double>(values.begin(), values.size()), at::kDouble);
    CHECK(near(ops::boxIouAligned(kind, a, b), expected, 0, 1e-6));
    CHECK(near(ops::boxIouMatrix(kind, a, b).diagonal(), expected, 0, 1e-6));
  };
  expect("iou", {0.142857, 0, 0.434783});
  expect("giou", {-0.079365, -0.333333, 0.393116});
  expect("diou", {0.031746, -0.4, 0.412283});
  expect("diou_released", {0.138889, -0.4, 0.810833});
  CHECK(ops::boxLossRows("ciou", a, b)[2].item<double>() == doctest::Approx(0.587778).epsilon(1e-5));
  CHECK(ops::boxLossRows("diou", a, b)[2].item<double>() == doctest::Approx(0.587717).epsilon(1e-5));
}

TEST_CASE("overlaps follow from the losses") {
  hd::Random random(3, "box loss test", 0, 0);
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double tolerance = type == at::kDouble ? 1e-9 : 1e-5;
    const Tensor a = boxes(random, 30, 20, type), b = boxes(random, 17, 20, type);
    const Tensor rows = a.unsqueeze(1).expand({30, 17, 4}), columns = b.unsqueeze(0).expand({30, 17, 4});
    CHECK(near(ops::boxIouMatrix("iou", a, b, 1e-12),
               reference::boxLoss("iou", rows, columns, 1e-12).neg().exp(), 1e-4, 2e-12));
    for (const std::string kind : {"giou", "diou", "ciou"}) {
      CAPTURE(kind);
      CHECK(near(ops::boxIouMatrix(kind, a, b, 1e-12), 1 - reference::boxLoss(kind, rows, columns, 1e-12), 0,
                 tolerance));
    }
    const BoxColumns p(rows), t(columns);
    const Tensor common = (at::minimum(p.x2, t.x2) - at::maximum(p.x1, t.x1)).clamp_min(0) *
                          (at::minimum(p.y2, t.y2) - at::maximum(p.y1, t.y1)).clamp_min(0);
    CHECK(near(ops::boxIouMatrix("iof", a, b), common / p.area, tolerance, tolerance));
  }
}

TEST_CASE("properties of overlaps") {
  hd::Random random(4, "box loss test", 0, 0);
  const Tensor a = boxes(random, 40, 20), b = boxes(random, 25, 20);
  for (const std::string& kind : kOverlaps) {
    CAPTURE(kind);
    const Tensor matrix = ops::boxIouMatrix(kind, a, b);
    CHECK(matrix.sizes() == at::IntArrayRef({40, 25}));
    CHECK(near(ops::boxIouMatrix(kind, a, a).diagonal(), at::ones({40}, at::kDouble), 0, 1e-9));
    CHECK(matrix.max().item<double>() <= 1 + 1e-12);
    CHECK(near(ops::boxIouAligned(kind, a.slice(0, 0, 25), b), matrix.diagonal(), 1e-14, 1e-14));
    const bool symmetric = kind != "iof" && kind != "diou_released";
    CHECK(near(matrix, ops::boxIouMatrix(kind, b, a).t(), 1e-12, 1e-12) == symmetric);
    // Moving or scaling both boxes changes nothing.
    CHECK(near(ops::boxIouMatrix(kind, a * 3 + 100, b * 3 + 100), matrix, 0, 1e-9));
  }
}

TEST_CASE("identical boxes cost nothing, CIoU included") {
  const Tensor box = at::tensor({1.5f, 2.5f, 7.25f, 8.f}).reshape({1, 4});
  for (const std::string& kind : kLosses) {
    CAPTURE(kind);
    const Tensor pred = leaf(box);
    const Tensor loss = ops::boxLossRows(kind, pred, box);
    CHECK(std::abs(loss.item<float>()) < 1e-5f);
    CHECK(gradient(loss.sum(), pred).isfinite().all().item<bool>());
  }
}

TEST_CASE("degenerate and inverted boxes give finite results") {
  const Tensor a = boxRow({3, 3, 3, 3, 5, 5, 1, 1, 0, 0, 0, 4, 1e-20, 1e-20, 2e-20, 2e-20});
  const Tensor b = boxRow({3, 3, 3, 3, 0, 0, 4, 4, 0, 0, 0, 4, 0, 0, 1, 1});
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (const std::string& kind : kLosses) {
      CAPTURE(kind);
      const Tensor pred = leaf(a.to(type));
      const Tensor loss = ops::boxLoss(kind, pred, b.to(type), at::ones({4}), 1e-3);
      CHECK(loss.isfinite().item<bool>());
      CHECK(gradient(loss, pred).isfinite().all().item<bool>());
    }
    for (const std::string kind : {"iou", "iof", "giou", "diou", "diou_released"}) {
      CHECK(ops::boxIouMatrix(kind, a.to(type), b.to(type)).isfinite().all().item<bool>());
    }
  }
}

TEST_CASE("rows of weight 0 are not read; a NaN elsewhere shows") {
  hd::Random random(5, "box loss test", 0, 0);
  for (const std::string& kind : kLosses) {
    CAPTURE(kind);
    Tensor pred = boxes(random, 6, 10, at::kFloat);
    const Tensor target = boxes(random, 6, 10, at::kFloat);
    Tensor weight = at::ones({6});
    weight[2] = 0;
    pred[2][1] = std::numeric_limits<float>::quiet_NaN();
    const Tensor input = leaf(pred);
    const Tensor loss = ops::boxLoss(kind, input, target, weight);
    CHECK(loss.isfinite().item<bool>());
    CHECK(gradient(loss, input)[2].abs().max().item<float>() == 0);
    for (int64_t side = 0; side < 4; ++side) {
      CAPTURE(side);
      Tensor bad = boxes(random, 6, 10, at::kFloat);
      bad[4][side] = std::numeric_limits<float>::quiet_NaN();
      CHECK(ops::boxLoss(kind, bad, target, weight).isnan().item<bool>());
    }
  }
}

TEST_CASE("empty inputs") {
  const Tensor none = leaf(at::zeros({0, 4}));
  for (const std::string& kind : kLosses) {
    const Tensor loss = ops::boxLoss(kind, none, at::zeros({0, 4}), at::zeros({0}));
    CHECK(loss.item<float>() == 0);
    CHECK(gradient(loss, none).sizes() == at::IntArrayRef({0, 4}));
    CHECK(ops::boxLossRows(kind, none, at::zeros({0, 4})).sizes() == at::IntArrayRef({0}));
  }
  CHECK(ops::boxIouMatrix("iou", at::zeros({0, 4}), at::zeros({3, 4})).sizes() == at::IntArrayRef({0, 3}));
  CHECK(ops::boxIouMatrix("iou", at::zeros({3, 4}), at::zeros({0, 4})).sizes() == at::IntArrayRef({3, 0}));
  CHECK(ops::boxIouAligned("iou", at::zeros({0, 4}), at::zeros({0, 4})).sizes() == at::IntArrayRef({0}));
}

TEST_CASE("overlaps carry no gradient") {
  const Tensor a = leaf(boxRow({0, 0, 1, 1}));
  CHECK_FALSE(ops::boxIouMatrix("iou", a, a).requires_grad());
  CHECK_FALSE(ops::boxIouAligned("iou", a, a).requires_grad());
}

TEST_CASE("the number of threads changes no bit") {
  hd::Random random(6, "box loss test", 0, 0);
  const Tensor pred = boxes(random, 3000, 20, at::kFloat), target = boxes(random, 3000, 20, at::kFloat);
  const Tensor weight = weights(random, 3000, 0.2, at::kFloat);
  CHECK(sameOnAnyThreadCount([&] {
    const Tensor input = leaf(pred);
    const Tensor loss = ops::boxLoss("ciou", input, target, weight);
    return std::vector<Tensor>{loss.detach(), gradient(loss, input),
                               ops::boxIouMatrix("giou", pred.slice(0, 0, 300), target)};
  }));
}

TEST_CASE("wrong kinds and shapes are refused") {
  const Tensor four = at::zeros({2, 4}), row = at::ones({2});
  CHECK_THROWS_AS(ops::boxLoss("eiou", four, four, row), hd::Error);
  CHECK_THROWS_AS(ops::boxIouMatrix("area", four, four), hd::Error);
  CHECK_THROWS_AS(ops::boxLoss("iou", at::zeros({2, 5}), at::zeros({2, 5}), row), hd::Error);
  CHECK_THROWS_AS(ops::boxLoss("iou", four, at::zeros({3, 4}), row), hd::Error);
  CHECK_THROWS_AS(ops::boxLoss("iou", four, four, at::ones({3})), hd::Error);
  CHECK_THROWS_AS(ops::boxLossRows("iou", four, at::zeros({1, 4})), hd::Error);
  CHECK_THROWS_AS(ops::boxIouMatrix("iou", at::zeros({4}), four), hd::Error);
  CHECK_THROWS_AS(ops::boxIouAligned("iou", four, at::zeros({3, 4})), hd::Error);
}

}  // namespace
