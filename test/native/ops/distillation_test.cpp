// Distillation by Kullback-Leibler divergence against its composite expression and its invariants.
#include <limits>

#include "core/error.h"
#include "ops/losses.h"
#include "reference.h"

namespace {

using namespace reference;
using hd::ops::klDistillation;

Tensor composite(const Tensor& student, const Tensor& teacher, const Tensor& weight, double temperature) {
  const Tensor p = (teacher / temperature).softmax(1), logs = (student / temperature).log_softmax(1);
  return ((at::xlogy(p, p) - p * logs).mean(1) * (temperature * temperature) * weight).sum();
}

TEST_CASE("equals the composite expression and its gradient") {
  hd::Random random(1, "distillation test", 0, 0);
  for (const auto type : {at::kDouble, at::kFloat}) {
    const double rtol = type == at::kDouble ? 1e-9 : 2e-5, atol = type == at::kDouble ? 1e-11 : 2e-6;
    for (const double temperature : {1.0, 2.0, 10.0}) {
      for (const int64_t bins : {1, 4, 17, 68, 1203}) {
        CAPTURE(temperature);
        CAPTURE(bins);
        const Tensor student = uniform(random, {30, bins}, -4, 4, type),
                     teacher = uniform(random, {30, bins}, -4, 4, type);
        const Tensor weight = weights(random, 30, 0.3, type);
        const Tensor ours = leaf(student), theirs = leaf(student);
        const Tensor a = klDistillation(ours, teacher, weight, temperature);
        const Tensor b = composite(theirs, teacher, weight, temperature);
        CHECK(near(a, b, rtol, atol));
        if (bins == 1) CHECK(a.item<double>() == 0);
        CHECK(near(gradient(a * 0.25, ours), gradient(b * 0.25, theirs), rtol, atol));
      }
    }
  }
}

TEST_CASE(
    "on a whole map of 22 400 anchors in fp32 it is within 1e-6 of the composite in fp64, its slopes within "
    "2e-6") {
  hd::Random random(5, "distillation test", 0, 0);
  const int64_t shapes[][2] = {{89'600, 17}, {22'400, 80}};
  for (const auto& [rows, bins] : shapes) {
    CAPTURE(bins);
    const Tensor student = uniform(random, {rows, bins}, -3, 3, at::kFloat),
                 teacher = uniform(random, {rows, bins}, -3, 3, at::kFloat);
    const Tensor weight = weights(random, rows, 0.3, at::kFloat);
    const Tensor ours = leaf(student), theirs = leaf(student.to(at::kDouble));
    const Tensor a = klDistillation(ours, teacher, weight, 10);
    const Tensor b = composite(theirs, teacher.to(at::kDouble), weight.to(at::kDouble), 10);
    CHECK(near(a.to(at::kDouble), b, 1e-6, 0));
    const Tensor exact = gradient(b, theirs);
    const Tensor error = (gradient(a, ours).to(at::kDouble) - exact).abs().max();
    CHECK(error.item<double>() < 2e-6 * exact.abs().max().item<double>());
  }
}

TEST_CASE("published values") {
  const Tensor k = at::arange(17, at::kDouble).unsqueeze(0), one = at::ones({1}, at::kDouble);
  const auto loss = [&](const Tensor& s, const Tensor& t, double temperature) {
    return klDistillation(s, t, one, temperature).item<double>();
  };
  CHECK(loss(k * 0.3, (16 - k) * 0.5, 1) == doctest::Approx(.234184).epsilon(1e-5));
  CHECK(loss(k * 0.3, (16 - k) * 0.5, 2) == doctest::Approx(.349561).epsilon(1e-5));
  CHECK(loss(k * 0.3, (16 - k) * 0.5, 10) == doctest::Approx(.445973).epsilon(1e-5));
  CHECK(loss(k * 0, k, 1) == doctest::Approx(.105445).epsilon(1e-5));
  CHECK(loss(k * 0, k, 2) == doctest::Approx(.266270).epsilon(1e-5));
  CHECK(loss(k * 0, k, 10) == doctest::Approx(.658343).epsilon(1e-5));
  const Tensor s = at::tensor({2.0, 0.0, -1.0}, at::kDouble).unsqueeze(0),
               t = at::tensor({1.0, 1.0, -2.0}, at::kDouble).unsqueeze(0);
  CHECK(loss(s, t, 2) == doctest::Approx(.153692).epsilon(1e-5));
}

TEST_CASE("published value and gradient of two weighted rows") {
  // The first two pairs above with weights .5 and .25, over 4, times the loss weight .25, T 10.
  const Tensor k = at::arange(17, at::kDouble);
  const Tensor student = leaf(at::stack({k * 0.3, k * 0})), teacher = at::stack({(16 - k) * 0.5, k});
  const Tensor loss = klDistillation(student, teacher, at::tensor({.5, .25}, at::kDouble), 10) * (0.25 / 4);
  CHECK(loss.item<double>() == doctest::Approx(.02422325).epsilon(1e-6));
  const Tensor slopes = gradient(loss, student);
  const double first[] = {-.00072426, -.00062227, -.00052323}, second[] = {.00032460, .00030187};
  for (int64_t bin = 0; bin < 3; ++bin) CHECK(std::abs(slopes[0][bin].item<double>() - first[bin]) < 6e-9);
  for (int64_t bin = 0; bin < 2; ++bin) CHECK(std::abs(slopes[1][bin].item<double>() - second[bin]) < 6e-9);
  CHECK(slopes.sum(1).abs().max().item<double>() < 1e-15);
}

TEST_CASE("the gradient is the slope of the value") {
  hd::Random random(2, "distillation test", 0, 0);
  const Tensor teacher = uniform(random, {4, 9}, -3, 3), weight = weights(random, 4, 0.3);
  for (const double temperature : {1.0, 10.0}) {
    CHECK(gradientChecks([&](const Tensor& x) { return klDistillation(x, teacher, weight, temperature); },
                         uniform(random, {4, 9}, -3, 3)));
  }
}

TEST_CASE(
    "invariants: no loss between equals, none below 0, shifts do not matter, slopes of a row sum to 0") {
  hd::Random random(3, "distillation test", 0, 0);
  const Tensor student = leaf(uniform(random, {20, 17}, -5, 5)), teacher = uniform(random, {20, 17}, -5, 5);
  const Tensor one = at::ones({20}, at::kDouble);
  CHECK(klDistillation(student, student.detach(), one, 10).item<double>() == 0);
  for (int64_t row = 0; row < 20; ++row) {
    const Tensor only = one * 0;
    only[row] = 1;
    CHECK(klDistillation(student, teacher, only, 10).item<double>() >= 0);
  }
  const Tensor loss = klDistillation(student, teacher, one, 10);
  CHECK(near(klDistillation(student + 3, teacher - 5, one, 10), loss, 1e-9, 0));
  CHECK(near(gradient(loss, student).sum(1), at::zeros({20}, at::kDouble), 0, 1e-12));
  const Tensor same = klDistillation(student, student.detach(), one, 10);
  CHECK(gradient(same, student).abs().max().item<double>() == 0);
}

TEST_CASE("a graph that is walked several times gives the same gradient each time") {
  hd::Random random(4, "distillation test", 0, 0);
  const Tensor student = leaf(uniform(random, {30, 17}, -4, 4, at::kFloat));
  const Tensor teacher = uniform(random, {30, 17}, -4, 4, at::kFloat),
               weight = weights(random, 30, 0.3, at::kFloat);
  const Tensor loss = klDistillation(student, teacher, weight, 10) * 0.25;
  const auto walk = [&](bool keep) { return torch::autograd::grad({loss}, {student}, {}, keep)[0]; };
  const Tensor first = walk(true), second = walk(true), last = walk(false);
  CHECK(at::equal(first, second));
  CHECK(at::equal(first, last));
  CHECK(near(first, gradient(klDistillation(student, teacher, weight, 10), student) * 0.25, 1e-6, 1e-9));
}

TEST_CASE("the teacher gets no gradient") {
  const Tensor student = leaf(at::zeros({1, 3})), teacher = leaf(at::ones({1, 3}));
  const auto slopes = gradients(klDistillation(student, teacher, at::ones({1}), 2), {student, teacher});
  CHECK(slopes[0].defined());
  CHECK_FALSE(slopes[1].defined());
}

TEST_CASE("logits of ±80 at temperature 1: probabilities underflow, the loss does not break") {
  const Tensor student = leaf(at::tensor({80.f, -80.f, 0.f, -80.f, 80.f, 0.f}).reshape({2, 3}));
  const Tensor teacher = at::tensor({-80.f, 80.f, 0.f, -80.f, 80.f, 0.f}).reshape({2, 3});
  const Tensor loss = klDistillation(student, teacher, at::ones({2}), 1);
  CHECK(loss.item<float>() == doctest::Approx(160.0 / 3));
  CHECK(gradient(loss, student).isfinite().all().item<bool>());
}

TEST_CASE("skipped rows, empty inputs and NaN") {
  hd::Random random(4, "distillation test", 0, 0);
  Tensor student = uniform(random, {5, 6}, -1, 1, at::kFloat);
  const Tensor teacher = uniform(random, {5, 6}, -1, 1, at::kFloat);
  Tensor weight = at::ones({5});
  student[2].fill_(std::numeric_limits<float>::quiet_NaN());
  CHECK(klDistillation(student, teacher, weight, 2).isnan().item<bool>());
  weight[2] = 0;
  const Tensor input = leaf(student);
  const Tensor loss = klDistillation(input, teacher, weight, 2);
  CHECK(loss.isfinite().item<bool>());
  CHECK(gradient(loss, input)[2].abs().max().item<float>() == 0);
  const Tensor none = leaf(at::zeros({0, 6}));
  const Tensor nothing = klDistillation(none, at::zeros({0, 6}), at::zeros({0}), 2);
  CHECK(nothing.item<float>() == 0);
  CHECK(gradient(nothing, none).sizes() == at::IntArrayRef({0, 6}));
}

TEST_CASE("bfloat16 logits, and any number of threads") {
  hd::Random random(5, "distillation test", 0, 0);
  const Tensor student = uniform(random, {5000, 17}, -3, 3, at::kFloat),
               teacher = uniform(random, {5000, 17}, -3, 3, at::kFloat);
  const Tensor weight = weights(random, 5000, 0.3, at::kFloat);
  const Tensor narrow = student.to(at::kBFloat16), narrowTeacher = teacher.to(at::kBFloat16);
  CHECK(sameBits(klDistillation(narrow, narrowTeacher, weight, 10),
                 klDistillation(narrow.to(at::kFloat), narrowTeacher.to(at::kFloat), weight, 10)));
  CHECK(sameOnAnyThreadCount([&] {
    const Tensor input = leaf(student);
    const Tensor loss = klDistillation(input, teacher, weight, 10);
    return std::vector<Tensor>{loss.detach(), gradient(loss, input)};
  }));
}

TEST_CASE("wrong shapes and temperatures are refused") {
  const Tensor rows = at::zeros({3, 5}), weight = at::ones({3});
  CHECK_THROWS_AS(klDistillation(rows, at::zeros({3, 4}), weight, 1), hd::Error);
  CHECK_THROWS_AS(klDistillation(rows, rows, at::ones({5}), 1), hd::Error);
  CHECK_THROWS_AS(klDistillation(rows, rows, weight, 0), hd::Error);
  CHECK_THROWS_AS(klDistillation(rows, rows, weight, -2), hd::Error);
  CHECK_THROWS_AS(klDistillation(rows, rows, weight, std::numeric_limits<double>::quiet_NaN()), hd::Error);
}

}  // namespace
