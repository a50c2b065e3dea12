// Localization as a transfer against its definition, for every dense head; presets, regions, invariants.
#include "distill/region.h"
#include "native/distill/transfer_fixture.h"

using namespace transfer_fixture;
using hd::detectors::anchorRows;

namespace {

/// T² · mean over bins of p ln(p/q), row by row, in double.
Tensor divergence(const Tensor& student, const Tensor& teacher, double temperature) {
  const Tensor q = (student.to(at::kDouble) / temperature).log_softmax(-1);
  const Tensor p = (teacher.to(at::kDouble) / temperature).log_softmax(-1);
  return (p.exp() * (p - q)).mean(-1) * temperature * temperature;
}

}  // namespace

TEST_CASE("main: the student's surest class weighs each side's divergence, over 4 and the images") {
  for (const std::string& name : kFamilies) {
    for (const bool together : {false, true}) {
      CAPTURE(name);
      CAPTURE(together);
      const Family own = family(name);
      const auto ld = transfer(own, "localization",
                               together ? R"("sides":"together","temperature":5)" : R"("temperature":5)");
      const Case c(own, *ld);
      const int64_t anchors = own.head.anchorsPerCell(), width = own.head.bins() * (together ? 4 : 1);
      const auto levels = c.levels(*ld);
      for (size_t l = 0; l < levels.size(); ++l) {
        const Tensor& labels = c.assignment->levels[l].labels;
        const Tensor positive = labels.ge(0).logical_and(labels.lt(kClasses)).to(at::kDouble);
        Tensor scores = anchorRows(c.student[levels.size() + l], anchors).detach().to(at::kDouble);
        if (name != "gflv2") scores = scores.sigmoid();
        const Tensor weights = scores.amax({1}) * positive;
        const Tensor each = divergence(anchorRows(c.student[l], anchors).reshape({-1, width}),
                                       anchorRows(c.teacher[l], anchors).reshape({-1, width}), 5)
                                .reshape({weights.numel(), -1})
                                .sum(1);
        const double expected = (each * weights).sum().item<double>() / (4 * 2);
        CHECK(levels[l].item<double>() == doctest::Approx(expected).epsilon(1e-4));
      }
    }
  }
}

TEST_CASE("valuable: each kind of weight is what it says, over 16 and the images") {
  for (const std::string& name : kFamilies) {
    for (const char* weights : {"mask", "overlap", "confidence"}) {
      CAPTURE(name);
      CAPTURE(weights);
      const Family own = family(name);
      const auto ld =
          transfer(own, "localization", hd::concat(R"("region":"valuable","weights":")", weights, '"'));
      const Case c(own, *ld);
      const auto region = hd::distill::RegionOptions::from(
          hd::parseJson(hd::concat(R"({"region":"valuable","weights":")", weights, R"("})")), own.head);
      const auto rows = valuableRows(region, own.head, c.batch, *c.assignment);
      const int64_t anchors = own.head.anchorsPerCell(), bins = own.head.bins();
      const auto levels = c.levels(*ld);
      double sum = 0, expected = 0;
      for (size_t l = 0; l < levels.size(); ++l) {
        Tensor weight = rows[l].to(at::kDouble);
        if (std::string(weights) == "confidence") {
          Tensor scores = anchorRows(c.student[levels.size() + l], anchors).detach().to(at::kDouble);
          if (name != "gflv2") scores = scores.sigmoid();
          weight = weight * scores.amax({1});
        }
        const Tensor each = divergence(anchorRows(c.student[l], anchors).reshape({-1, bins}),
                                       anchorRows(c.teacher[l], anchors).reshape({-1, bins}), 10)
                                .reshape({weight.numel(), 4})
                                .sum(1);
        sum += levels[l].item<double>();
        expected += (each * weight).sum().item<double>() / (16 * 2);
      }
      CHECK(expected > 0);
      CHECK(sum == doctest::Approx(expected).epsilon(1e-4));
    }
  }
}

TEST_CASE("equal pictures more often change nothing in preset robust, and multiply in preset released") {
  for (const std::string& name : kFamilies) {
    for (const char* region : {"main", "valuable"}) {
      CAPTURE(name);
      CAPTURE(region);
      const Family own = family(name);
      for (const char* preset : {"robust", "paper", "released"}) {
        CAPTURE(preset);
        const auto ld = transfer(own, "localization",
                                 hd::concat(R"("region":")", region, R"(","preset":")", preset, '"'));
        const double once = Case(own, *ld).total(*ld).item<double>();
        const double thrice = Case(own, *ld, false, 3).total(*ld).item<double>();
        const double factor = std::string(preset) == "released" ? 3 : 1;
        CHECK(once > 0);
        CHECK(thrice == doctest::Approx(factor * once).epsilon(1e-4));
      }
    }
  }
}

TEST_CASE("a constant added to all bins of a side is no difference; the gradient of a side sums to 0") {
  const Family own = family("gfl");
  const auto ld = transfer(own, "localization");
  Case c(own, *ld);
  const double before = c.total(*ld).item<double>();
  for (Tensor& map : c.teacher) map = map + 3;
  const Tensor after = c.total(*ld);
  CHECK(after.item<double>() == doctest::Approx(before).epsilon(1e-4));
  const auto gradients = torch::autograd::grad({after}, {c.student[0]});
  const Tensor sides = anchorRows(gradients[0]).reshape({-1, 17}).sum(1).abs();
  CHECK(sides.max().item<float>() < 1e-6);
}

TEST_CASE("nothing is learned from scores, padding, or rows outside the region") {
  for (const std::string& name : kFamilies) {
    CAPTURE(name);
    const Family own = family(name);
    const auto ld = transfer(own, "localization");
    const Case c(own, *ld);
    std::vector<Tensor> inputs = c.student;
    const auto gradients =
        torch::autograd::grad({c.total(*ld)}, inputs, {}, {}, false, /*allow_unused=*/true);
    const size_t levels = own.head.strides.size();
    for (size_t l = 0; l < levels; ++l) {
      CHECK(!gradients[levels + l].defined());  // scores weigh; they are constants
      const Tensor& labels = c.assignment->levels[l].labels;
      const Tensor outside = labels.lt(0).logical_or(labels.ge(kClasses));
      const Tensor rows = anchorRows(gradients[l], own.head.anchorsPerCell()).abs().amax({1});
      CHECK((rows * outside).max().item<float>() == 0);
    }
  }
}

TEST_CASE("without objects every term is 0, and so is its gradient") {
  for (const std::string& name : kFamilies) {
    for (const char* region : {"main", "valuable"}) {
      CAPTURE(name);
      const Family own = family(name);
      const auto ld = transfer(own, "localization", hd::concat(R"("region":")", region, '"'));
      const Case c(own, *ld, true);
      const Tensor total = c.total(*ld);
      CHECK(total.item<double>() == 0);
      const Tensor gradient = torch::autograd::grad({total}, {c.student[0]})[0];
      CHECK(gradient.abs().max().item<float>() == 0);
    }
  }
}

TEST_CASE("members out of range are refused by name") {
  const Family own = family("gfl");
  for (const char* wrong :
       {R"("temperature":0)", R"("temperature":-1)", R"("region":"all")", R"("sides":"one")",
        R"("preset":"best")", R"("weights":"iou")", R"("overlap":"giou")", R"("gamma":2)"}) {
    CAPTURE(wrong);
    try {
      transfer(own, "localization", wrong);
      CHECK(false);
    } catch (const hd::Error& error) {
      CHECK(std::string(error.code()) == "HD_RECIPE_VALUE");
      CHECK(std::string(error.where()).rfind("distill.", 0) == 0);
    }
  }
}
