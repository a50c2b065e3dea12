// Agreement of student and teacher against a row-by-row count.
#include "distill/agreement.h"

#include "native/distill/transfer_fixture.h"

using namespace transfer_fixture;
using hd::detectors::anchorRows;
using hd::distill::Agreement;
using hd::distill::measureAgreement;

namespace {

struct Maps {
  Batch batch = scene();
  std::unique_ptr<DenseAssignment> assignment;
  std::vector<Tensor> cls[2], reg[2];

  explicit Maps(const Family& own) : assignment(own.assign(batch)) {
    at::manual_seed(6);
    for (auto side : {0, 1}) {
      for (const auto& level : assignment->grid.levels()) {
        cls[side].push_back(at::randn({2, level.perCell * kClasses, level.height, level.width}));
        reg[side].push_back(at::randn({2, level.perCell * 4 * own.head.bins(), level.height, level.width}));
      }
    }
  }
};

}  // namespace

TEST_CASE("rows, classes, scores and sides are counted at assigned rows alone") {
  for (const std::string& name : kFamilies) {
    CAPTURE(name);
    const Family own = family(name);
    const Maps maps(own);
    const Agreement found =
        measureAgreement(*maps.assignment, kClasses, {}, maps.cls[0], maps.cls[1], maps.reg[0], maps.reg[1]);
    int64_t rows = 0, same = 0;
    double scores = 0;
    std::array<double, 4> sides{};
    for (size_t l = 0; l < maps.assignment->levels.size(); ++l) {
      const int64_t anchors = own.head.anchorsPerCell();
      const Tensor s = anchorRows(maps.cls[0][l], anchors), t = anchorRows(maps.cls[1][l], anchors);
      const Tensor rs = anchorRows(maps.reg[0][l], anchors), rt = anchorRows(maps.reg[1][l], anchors);
      const Tensor& labels = maps.assignment->levels[l].labels;
      for (int64_t row = 0; row < labels.numel(); ++row) {
        const auto label = labels[row].item<int64_t>();
        if (label < 0 || label >= kClasses) continue;
        ++rows;
        same += s[row].argmax().item<int64_t>() == t[row].argmax().item<int64_t>();
        scores += (s[row].sigmoid() - t[row].sigmoid()).abs().mean().item<double>();
        for (int64_t side = 0; side < 4; ++side) {
          const Tensor q = rs[row].reshape({4, -1})[side].log_softmax(0);
          const Tensor p = rt[row].reshape({4, -1})[side].log_softmax(0);
          sides[static_cast<size_t>(side)] += (p.exp() * (p - q)).sum().item<double>();
        }
      }
    }
    CHECK(rows > 0);
    CHECK(found.rows == rows);
    CHECK(found.sameClass == same);
    CHECK(found.scoreDifference == doctest::Approx(scores).epsilon(1e-5));
    for (size_t side = 0; side < 4; ++side)
      CHECK(found.sideDivergence[side] == doctest::Approx(sides[side]).epsilon(1e-4));
  }
}

TEST_CASE("a network agrees with itself") {
  const Family own = family("gfl");
  const Maps maps(own);
  const Agreement found =
      measureAgreement(*maps.assignment, kClasses, {}, maps.cls[0], maps.cls[0], maps.reg[0], maps.reg[0]);
  CHECK(found.sameClass == found.rows);
  CHECK(found.scoreDifference == 0);
  for (const double side : found.sideDivergence) CHECK(std::abs(side) < 1e-5);
}

TEST_CASE("classes are compared by what they stand for: mapped columns, and no spare one") {
  const Family own = family("gfl");
  const Maps maps(own);
  std::vector<Tensor> turned;
  for (const Tensor& map : maps.cls[1])
    turned.push_back(at::cat(
        {map.index_select(1, at::tensor({1, 2, 0}, at::kLong)), at::full_like(map.slice(1, 0, 1), 9)}, 1));
  const Agreement plain = measureAgreement(*maps.assignment, kClasses, {}, maps.cls[0], maps.cls[1], {}, {});
  const Agreement found =
      measureAgreement(*maps.assignment, kClasses, {2, 0, 1}, maps.cls[0], turned, {}, {});
  CHECK(found.sameClass == plain.sameClass);
  CHECK(found.scoreDifference == doctest::Approx(plain.scoreDifference));
}

TEST_CASE("what was not measured is left out, sums add up, and no row is no mean") {
  const Family own = family("gfl");
  const Maps maps(own);
  const Agreement sides = measureAgreement(*maps.assignment, kClasses, {}, {}, {}, maps.reg[0], maps.reg[1]);
  CHECK(sides.toValue().find("sameClass") == nullptr);
  CHECK(sides.toValue().at("sides").asArray().size() == 4);
  const Agreement classes =
      measureAgreement(*maps.assignment, kClasses, {}, maps.cls[0], maps.cls[1], {}, {});
  CHECK(classes.toValue().find("sides") == nullptr);
  Agreement twice = classes;
  twice.add(classes);
  CHECK(twice.rows == 2 * classes.rows);
  CHECK(twice.toValue().at("sameClass").asNumber() == classes.toValue().at("sameClass").asNumber());
  const hd::Value none = Agreement{}.toValue();
  CHECK(none.at("rows").asInt() == 0);
  CHECK(none.find("sides") == nullptr);
}
