// Classification as a transfer against its definition, for every dense head; class maps, one class, counts.
#include "distill/region.h"
#include "native/distill/transfer_fixture.h"

using namespace transfer_fixture;
using hd::detectors::anchorRows;

namespace {

Tensor softmaxDivergence(const Tensor& student, const Tensor& teacher, double temperature) {
  const Tensor q = (student / temperature).log_softmax(1), p = (teacher / temperature).log_softmax(1);
  return (p.exp() * (p - q)).mean(1) * temperature * temperature;
}

Tensor binaryDivergence(const Tensor& student, const Tensor& teacher, double temperature) {
  const Tensor s = student / temperature, t = teacher / temperature, p = t.sigmoid();
  const Tensor each =
      p * (at::log_sigmoid(t) - at::log_sigmoid(s)) + (1 - p) * (at::log_sigmoid(-t) - at::log_sigmoid(-s));
  return each.mean(1) * temperature * temperature;
}

Tensor assigned(const DenseAssignment& assignment, size_t l) {
  const Tensor& labels = assignment.levels[l].labels;
  return labels.ge(0).logical_and(labels.lt(kClasses)).to(at::kDouble);
}

}  // namespace

TEST_CASE("each level is the mean over its assigned rows, softmax or binary") {
  for (const std::string& name : kFamilies) {
    for (const bool binary : {false, true}) {
      CAPTURE(name);
      CAPTURE(binary);
      const Family own = family(name);
      const auto kd = transfer(own, "classification", binary ? R"("kind":"binary")" : "");
      const Case c(own, *kd);
      const auto levels = c.levels(*kd);
      for (size_t l = 0; l < levels.size(); ++l) {
        const int64_t anchors = own.head.anchorsPerCell();
        const Tensor student = anchorRows(c.student[l], anchors).to(at::kDouble),
                     teacher = anchorRows(c.teacher[l], anchors).to(at::kDouble);
        const Tensor each =
            binary ? binaryDivergence(student, teacher, 2) : softmaxDivergence(student, teacher, 2);
        const Tensor mask = assigned(*c.assignment, l);
        const double count = std::max(mask.sum().item<double>(), 1.0);
        CHECK(levels[l].item<double>() ==
              doctest::Approx((each * mask).sum().item<double>() / count).epsilon(1e-4));
      }
    }
  }
}

TEST_CASE("a class map reads the teacher's columns in the student's order") {
  const Family own = family("gfl");
  const auto mapped = transfer(own, "classification", "", {2, 0, 1});
  const auto plain = transfer(own, "classification");
  Case c(own, *mapped);
  const double value = c.total(*mapped).item<double>();
  for (Tensor& map : c.teacher) map = map.index_select(1, at::tensor({2, 0, 1}, at::kLong));
  CHECK(c.total(*plain).item<double>() == doctest::Approx(value).epsilon(1e-6));
}

/// The maps with a spare column behind the classes, as GFL v2's published heads have.
std::vector<Tensor> withSpare(const std::vector<Tensor>& maps) {
  std::vector<Tensor> out;
  for (const Tensor& map : maps) out.push_back(at::cat({map, at::full_like(map.slice(1, 0, 1), -3.5)}, 1));
  return out;
}

TEST_CASE("a spare column counts only where both sides have one and classes are not mapped") {
  const Family own = family("gflv2");
  for (const std::vector<int64_t>& map : {std::vector<int64_t>{}, std::vector<int64_t>{2, 0, 1}}) {
    for (const char* kind : {"softmax", "binary"}) {
      CAPTURE(kind);
      CAPTURE(map.size());
      const auto kd = transfer(own, "classification", hd::concat(R"("kind":")", kind, '"'), map);
      Case c(own, *kd);
      const double plain = c.total(*kd).item<double>();
      const auto student = c.student, teacher = c.teacher;
      c.teacher = withSpare(teacher);
      CHECK(c.total(*kd).item<double>() == doctest::Approx(plain).epsilon(1e-6));
      c.student = withSpare(student);
      c.teacher = teacher;
      CHECK(c.total(*kd).item<double>() == doctest::Approx(plain).epsilon(1e-6));
      c.teacher = withSpare(teacher);
      const double both = c.total(*kd).item<double>();
      if (map.empty())
        CHECK(std::abs(both - plain) > 1e-4);
      else
        CHECK(both == doctest::Approx(plain).epsilon(1e-6));
    }
  }
}

TEST_CASE("rows of the valuable region count alike in every preset, unless their weights are asked for") {
  for (const std::string& name : kFamilies) {
    for (const char* preset : {"robust", "released", "paper"}) {
      CAPTURE(name);
      CAPTURE(preset);
      const Family own = family(name);
      const auto members = hd::concat(R"("region":"valuable","preset":")", preset, '"');
      const auto kd = transfer(own, "classification", members);
      const Case c(own, *kd);
      const auto region = hd::distill::RegionOptions::from(hd::parseJson("{" + members + "}"), own.head);
      const auto rows = hd::distill::valuableRows(region, own.head, c.batch, *c.assignment);
      const auto levels = c.levels(*kd);
      double found = 0;
      for (size_t l = 0; l < levels.size(); ++l) {
        const int64_t anchors = own.head.anchorsPerCell();
        const Tensor each = softmaxDivergence(anchorRows(c.student[l], anchors).to(at::kDouble),
                                              anchorRows(c.teacher[l], anchors).to(at::kDouble), 2);
        const Tensor mask = rows[l].ne(0).to(at::kDouble);
        const double count = mask.sum().item<double>();
        found += count;
        CHECK(levels[l].item<double>() ==
              doctest::Approx((each * mask).sum().item<double>() / std::max(count, 1.0)).epsilon(1e-4));
      }
      CHECK(found > 0);
    }
  }
  const Family own = family("gfl");
  const auto weighed =
      transfer(own, "classification", R"("region":"valuable","preset":"released","weights":"overlap")");
  const auto alike = transfer(own, "classification", R"("region":"valuable","preset":"released")");
  const Case c(own, *weighed);
  CHECK(c.total(*weighed).item<double>() < 0.9 * c.total(*alike).item<double>());
}

TEST_CASE("a softmax over one class has nothing to say; the binary form has") {
  hd::detectors::DenseHead head;
  head.family = "gfl";
  head.classes = 1;
  const Batch batch = fixture::batchOf(128, 128, {fixture::image(128, 128, {20, 24, 86, 90}, {0})});
  hd::detectors::GflOptions options;
  static_cast<hd::detectors::DenseHead&>(options) = head;
  const auto assignment = assignGfl(options, batch);
  at::manual_seed(1);
  std::vector<Tensor> student, teacher;
  for (const auto& level : assignment->grid.levels()) {
    student.push_back(at::randn({1, 1, level.height, level.width}));
    teacher.push_back(at::randn({1, 1, level.height, level.width}));
  }
  const auto value = [&](const char* kind) {
    const auto kd = hd::distill::transferRegistry().get("classification")(
        hd::parseJson(hd::concat(R"({"kind":")", kind, R"("})")), {head, 1, {}});
    return at::stack(kd->levels({batch, *assignment, student, teacher}, kd->normalisers(batch, *assignment)))
        .sum()
        .item<double>();
  };
  CHECK(std::abs(value("softmax")) < 1e-6);
  CHECK(value("binary") > 0.01);
}

TEST_CASE("adding a constant to all classes changes the binary form, not the softmax") {
  const Family own = family("atss");
  for (const bool binary : {false, true}) {
    const auto kd = transfer(own, "classification", binary ? R"("kind":"binary")" : "");
    Case c(own, *kd);
    const double before = c.total(*kd).item<double>();
    for (Tensor& map : c.teacher) map = map + 2;
    const double after = c.total(*kd).item<double>();
    if (binary)
      CHECK(std::abs(after - before) > 1e-2);
    else
      CHECK(after == doctest::Approx(before).epsilon(1e-4));
  }
}

TEST_CASE("counts are the rows of the levels, then the micro-batch; released divides by its own") {
  for (const std::string& name : kFamilies) {
    CAPTURE(name);
    const Family own = family(name);
    for (const char* preset : {"robust", "released"}) {
      const auto kd = transfer(own, "classification", hd::concat(R"("preset":")", preset, '"'));
      const Case c(own, *kd);
      const auto sums = kd->normalisers(c.batch, *c.assignment);
      REQUIRE(sums.size() == kd->normaliserCount());
      for (size_t l = 0; l + 1 < sums.size(); ++l)
        CHECK(sums[l] == assigned(*c.assignment, l).sum().item<double>());
      CHECK(sums.back() == 1);
      // Twice the rows elsewhere in the global batch: half the share of this one, unless released.
      std::vector<double> doubled = sums;
      for (double& sum : doubled) sum *= 2;
      const auto share = [&](const std::vector<double>& given) {
        return at::stack(kd->levels({c.batch, *c.assignment, c.student, c.teacher}, given))
            .sum()
            .item<double>();
      };
      CHECK(share(doubled) == doctest::Approx(share(sums) / 2).epsilon(1e-5));
    }
  }
}

TEST_CASE("rows that a cache must keep are those with a weight") {
  for (const std::string& name : kFamilies) {
    for (const char* region : {"main", "valuable"}) {
      CAPTURE(name);
      CAPTURE(region);
      const Family own = family(name);
      const auto kd = transfer(own, "classification", hd::concat(R"("region":")", region, '"'));
      Case c(own, *kd);
      const double before = c.total(*kd).item<double>();
      const auto kept = kd->teacherRows(c.batch, *c.assignment);
      REQUIRE(kept.size() == c.teacher.size());
      for (size_t l = 0; l < kept.size(); ++l) {
        const auto& level = c.assignment->grid.levels()[l];
        const Tensor mask = kept[l].to(at::kFloat).reshape({2, level.height, level.width, level.perCell, 1});
        const Tensor rows = c.teacher[l]
                                .permute({0, 2, 3, 1})
                                .reshape({2, level.height, level.width, level.perCell, kClasses});
        c.teacher[l] = (rows * mask).flatten(3).permute({0, 3, 1, 2});
      }
      CHECK(c.total(*kd).item<double>() == doctest::Approx(before).epsilon(1e-6));
    }
  }
}
