// The published figures of a whole distillation step on the formula scene, term by term (reference of LD,
// §11, G9 and G13b), and what follows for batches (G9, G15e).
#include <array>
#include <cmath>
#include <map>

#include "distill/imitation_region.h"
#include "ops/losses.h"
#include "transfer_fixture.h"

namespace {

using hd::detectors::anchorRows;
using hd::detectors::GflOptions;
using transfer_fixture::DenseAssignment;
using transfer_fixture::Tensor;

/// Maps of student and teacher by tap, as the figures' formulas give them.
struct Scene {
  GflOptions options = fixture::options(4);
  hd::Batch batch;
  std::unique_ptr<DenseAssignment> assignment;
  std::map<std::string, Tensor> student, teacher;

  explicit Scene(int64_t images = 1, bool second = false) {
    options.jointScores = second;
    batch = fixture::batchOf(128, 128,
                             std::vector(static_cast<size_t>(images),
                                         fixture::image(128, 128, fixture::toyBoxes, fixture::toyLabels)));
    assignment = assignGfl(options, batch);
    const int64_t classes = second ? 5 : 4;
    const auto maps = fixture::formulaMaps(classes, images);
    for (int64_t level = 0; level < 5; ++level) {
      const auto l = static_cast<double>(level);
      const std::string name = hd::concat(".p", level + 3);
      const auto map = [&](int64_t channels, const auto& value) {
        return fixture::formulaMap(level, channels, images, value);
      };
      student["head.cls" + name] = maps.cls[static_cast<size_t>(level)];
      student["head.reg" + name] = maps.reg[static_cast<size_t>(level)];
      student["neck" + name] = map(256, [&](double m, double i, double j) {
                                 return std::sin(.05 * m + .3 * i + .2 * j + l);
                               }).requires_grad_();
      teacher["head.cls" + name] = map(classes, [&](double c, double i, double j) {
        return -1.5 + 1.8 * std::sin(.6 * c + .13 * i + .2 * j + .4 * l);
      });
      teacher["head.reg" + name] = map(68, [&](double k, double i, double j) {
        return 1.5 * std::cos(.33 * k + .17 * i - .11 * j + .8 * l);
      });
      teacher["neck" + name] = map(
          256, [&](double m, double i, double j) { return std::cos(.04 * m + .25 * i - .15 * j + .5 * l); });
      if (second)
        student["head.score" + name] = student["head.cls" + name].sigmoid() * (.6 + .3 * std::sin(l));
    }
  }

  std::vector<Tensor> levels(const char* kind, const std::string& members) const {
    const auto entry = hd::parseJson(hd::concat(R"({"transfer":")", kind, R"(",)", members, "}"));
    const auto transfer = hd::distill::transferRegistry().get(kind)(entry, {options, options.classes, {}});
    const auto pick = [](const std::map<std::string, Tensor>& maps, const std::vector<std::string>& taps) {
      std::vector<Tensor> out;
      for (const std::string& tap : taps) out.push_back(maps.at(tap));
      return out;
    };
    return transfer->levels(
        {batch, *assignment, pick(student, transfer->studentTaps()), pick(teacher, transfer->teacherTaps())},
        transfer->normalisers(batch, *assignment));
  }
  Tensor total(const char* kind, const std::string& members, double weight) const {
    return at::stack(levels(kind, members)).sum() * weight;
  }
  Tensor mainLd() const { return total("localization", R"("preset":"released")", 0.25); }
  Tensor valuableLd() const {
    return total("localization", R"("preset":"released","region":"valuable")", 0.25);
  }
  Tensor mainKd() const { return total("classification", R"("preset":"released")", 10); }
  Tensor imitation(const char* kind) const {
    return total("imitation", hd::concat(R"("preset":"released","kind":")", kind, "\""), 2);
  }

  /// The head's own terms, weighted: class, box, DFL.
  std::array<Tensor, 3> own() const {
    std::vector<Tensor> cls, reg;
    for (int level = 3; level < 8; ++level) {
      cls.push_back(student.at(hd::concat(options.jointScores ? "head.score.p" : "head.cls.p", level)));
      reg.push_back(student.at(hd::concat("head.reg.p", level)));
    }
    const auto sums = gflSums(options, cls, reg, *assignment);
    const auto scales = hd::detectors::gflScales(assignment->normalisers[0],
                                                 hd::detectors::confidenceSum(options, cls, *assignment));
    return {fixture::total(sums.cls) * scales.cls, fixture::total(sums.box) * (2 * scales.box),
            fixture::total(sums.dfl) * (0.25 * scales.dfl)};
  }

  /// Frobenius norm over all levels of the gradient of `sum` with respect to the student's maps of a tap.
  double norm(const Tensor& sum, const std::string& tap) const {
    double squares = 0;
    for (int level = 3; level < 8; ++level) {
      const auto gradient = torch::autograd::grad({sum}, {student.at(hd::concat(tap, ".p", level))}, {},
                                                  /*retain_graph=*/true, /*create_graph=*/false,
                                                  /*allow_unused=*/true)[0];
      if (gradient.defined()) squares += std::pow(gradient.norm().item<double>(), 2);
    }
    return std::sqrt(squares);
  }
};

doctest::Approx published(double value) {
  return doctest::Approx(value).epsilon(1e-5);
}

double valueOf(const Tensor& term) {
  return term.item<double>();
}

}  // namespace

TEST_CASE("G9: each term of LDHead as published") {
  const Scene scene;
  CHECK(valueOf(scene.mainLd()) == published(.066266));
  CHECK(valueOf(scene.valuableLd()) == published(.123251));
  const auto levels = scene.levels("localization", R"("preset":"released","region":"valuable")");
  CHECK(valueOf(levels[0]) * 0.25 == published(.092415));
  CHECK(valueOf(levels[1]) * 0.25 == published(.030836));
  for (size_t l = 2; l < 5; ++l) CHECK(valueOf(levels[l]) == 0);
  CHECK(valueOf(scene.mainKd()) == published(.053667));
  CHECK(valueOf(scene.imitation("finegrained")) == published(2.275318));
  CHECK(valueOf(scene.imitation("inside-box")) == published(2.396139));  // "fitnet" of the published code
  CHECK(valueOf(scene.imitation("gibox")) == published(2.080837));
  CHECK(std::isfinite(valueOf(scene.imitation("decouple"))));  // which the published code cannot compute
}

TEST_CASE("G9: norms of the gradient of the published total") {
  const Scene scene;
  const auto [cls, box, dfl] = scene.own();
  const Tensor rest = cls + box + dfl + scene.mainLd() + scene.valuableLd() + scene.mainKd();
  const Tensor total = rest + scene.imitation("finegrained");
  CHECK(scene.norm(total, "head.cls") == doctest::Approx(.105073).epsilon(1e-4));
  CHECK(scene.norm(total, "head.reg") == doctest::Approx(.031794).epsilon(1e-4));
  CHECK(scene.norm(total, "neck") == doctest::Approx(.024974).epsilon(1e-4));
  CHECK(scene.norm(scene.imitation("inside-box"), "neck") == doctest::Approx(.025085).epsilon(1e-4));
  CHECK(scene.norm(scene.imitation("gibox"), "neck") == doctest::Approx(.090157).epsilon(1e-4));
}

TEST_CASE("G9: the same image twice doubles the released LD terms, and no term of preset robust") {
  const Scene once, twice(2);
  CHECK(valueOf(twice.mainLd()) == published(.132532));
  CHECK(valueOf(twice.valuableLd()) == published(.246502));
  CHECK(valueOf(twice.mainKd()) == published(.053667));
  CHECK(valueOf(twice.imitation("finegrained")) == published(2.275318));
  const std::string valuable =
      R"("region":"valuable","overlap":"released","weights":"overlap","positives":true)";
  for (const Scene* scene : {&once, &twice}) {
    CHECK(valueOf(scene->total("localization", R"("preset":"robust")", 0.25)) == published(.066266));
    CHECK(valueOf(scene->total("localization", valuable, 0.25)) == published(.123251));
  }
}

TEST_CASE("G9: each term of LDv2Head as published") {
  const Scene scene(1, true);
  const auto [cls, box, dfl] = scene.own();
  CHECK(valueOf(cls) == published(.331665));
  CHECK(valueOf(box) == published(1.713992));
  CHECK(valueOf(dfl) == published(.902014));
  CHECK(valueOf(scene.mainLd()) == published(.045339));
  CHECK(valueOf(scene.valuableLd()) == published(.123251));
  CHECK(valueOf(scene.mainKd()) == published(.069600));
  CHECK(valueOf(scene.imitation("gibox")) == published(2.049094));
}

TEST_CASE("G13b: divergence of one cell by side, and of all sides as one distribution") {
  const Scene scene;
  const auto cell = [](const std::map<std::string, Tensor>& maps) {
    return anchorRows(maps.at("head.reg.p3"))[0].to(at::kDouble);
  };
  const Tensor s = cell(scene.student), t = cell(scene.teacher);
  const double sides[] = {.004640, .029082, .060672, .085642};
  for (int64_t side = 0; side < 4; ++side) {
    Tensor only = at::zeros({4}, at::kDouble);
    only[side] = 1;
    const Tensor loss = hd::ops::klDistillation(s.reshape({4, 17}), t.reshape({4, 17}), only, 10);
    CHECK(std::abs(valueOf(loss) - sides[side]) < 1e-6);
  }
  const Tensor together =
      hd::ops::klDistillation(s.reshape({1, 68}), t.reshape({1, 68}), at::ones({1}, at::kDouble), 10);
  CHECK(std::abs(valueOf(together) - .011435) < 1e-6);
}

TEST_CASE("G13b: the general instances of the first level, in their order") {
  const Scene scene;
  const auto rows = [](const std::map<std::string, Tensor>& maps, const char* tap) {
    return anchorRows(maps.at(tap)).detach();
  };
  for (const bool flattened : {false, true}) {
    hd::distill::InstanceOptions instances;
    instances.flattened = flattened;
    const auto chosen = generalInstances(
        instances, rows(scene.student, "head.cls.p3").sigmoid(), rows(scene.teacher, "head.cls.p3").sigmoid(),
        rows(scene.student, "head.reg.p3"), rows(scene.teacher, "head.reg.p3"),
        scene.assignment->levels[0].labels, scene.assignment->grid.levels()[0]);
    CHECK(chosen.at(0) == std::vector<int64_t>{2, 8, 160, 86, 14, 122, 175, 246});
  }
}

TEST_CASE("G15e: the order of the images changes no term, except general instances as released") {
  const std::vector<std::array<std::string, 2>> entries{{"localization", ""},
                                                        {"localization", R"("region":"valuable")"},
                                                        {"classification", R"("region":"valuable")"},
                                                        {"classification", R"("kind":"binary")"},
                                                        {"imitation", R"("kind":"fitnets")"},
                                                        {"imitation", R"("kind":"inside-box")"},
                                                        {"imitation", R"("kind":"finegrained")"},
                                                        {"imitation", R"("kind":"decouple")"},
                                                        {"imitation", R"("kind":"gibox")"}};
  for (const auto& [kind, members] : entries) {
    for (const char* preset : {"robust", "paper", "released"}) {
      const bool instances = members.find("gibox") != std::string::npos;
      if (instances && preset == std::string("released")) continue;
      CAPTURE(kind);
      CAPTURE(members);
      CAPTURE(preset);
      Scene scene(3);
      // Three images that differ in objects and maps.
      scene.batch.images[1] = fixture::image(128, 128, {20, 24, 86, 70}, {3});
      scene.batch.images[2] = fixture::image(96, 128, {10, 10, 60, 74, 5, 50, 90, 120}, {0, 2});
      const Tensor spread = at::tensor({1.0, 0.7, 1.4}).reshape({3, 1, 1, 1});
      Scene turned(3);
      const std::vector<int64_t> order{2, 0, 1};
      for (size_t i = 0; i < 3; ++i)
        turned.batch.images[i] = scene.batch.images[static_cast<size_t>(order[i])];
      for (auto* maps : {&scene.student, &scene.teacher}) {
        auto& other = maps == &scene.student ? turned.student : turned.teacher;
        for (auto& [tap, map] : *maps) {
          map = (map.detach() * spread).contiguous(at::MemoryFormat::ChannelsLast);
          other[tap] = map.index_select(0, at::tensor(order)).contiguous(at::MemoryFormat::ChannelsLast);
        }
      }
      scene.assignment = assignGfl(scene.options, scene.batch);
      turned.assignment = assignGfl(turned.options, turned.batch);
      const std::string entry =
          hd::concat(R"("preset":")", preset, "\"", members.empty() ? "" : ",", members);
      const double before = valueOf(scene.total(kind.c_str(), entry, 1));
      CHECK(before > 0);
      CHECK(valueOf(turned.total(kind.c_str(), entry, 1)) == doctest::Approx(before).epsilon(1e-5));
    }
  }
}
