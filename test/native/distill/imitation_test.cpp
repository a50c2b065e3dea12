// Feature imitation as a transfer: each kind against its definition, adapters, images without objects.
#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "distill/imitation_region.h"
#include "distill/transfer.h"
#include "native/detectors/gfl_fixture.h"

namespace {

using namespace hd::distill;
using hd::Batch;
using hd::concat;
using torch::Tensor;

constexpr int64_t kChannels = 8, kClasses = 3, kBins = 17;

hd::detectors::GflOptions head() {
  hd::detectors::GflOptions options;
  options.classes = kClasses;
  return options;
}

Batch scene(bool empty = false) {
  Batch batch;
  batch.count = 2;
  batch.height = batch.width = 128;
  batch.images.push_back(empty ? fixture::image(128, 128, {}, {})
                               : fixture::image(128, 128, {20, 24, 86, 70, 61, 38, 124, 119}, {1, 0}));
  batch.images.push_back(empty ? fixture::image(96, 128, {}, {})
                               : fixture::image(96, 128, {10, 10, 40, 44}, {2}));
  return batch;
}

struct Case {
  Batch batch;
  std::unique_ptr<hd::detectors::GflAssignment> assignment;
  std::vector<Tensor> student, teacher;

  explicit Case(const Transfer& transfer, bool empty = false, int64_t studentChannels = kChannels)
      : batch(scene(empty)), assignment(assignGfl(head(), batch)) {
    at::manual_seed(4);
    for (const std::string& tap : transfer.studentTaps())
      student.push_back(map(tap, studentChannels).requires_grad_());
    for (const std::string& tap : transfer.teacherTaps()) teacher.push_back(map(tap, kChannels));
  }

  Tensor map(const std::string& tap, int64_t neck) const {
    const auto& level = assignment->grid.levels()[static_cast<size_t>(tap.back() - '3')];
    const int64_t channels = tap.rfind("neck", 0) == 0       ? neck
                             : tap.rfind("head.cls", 0) == 0 ? kClasses
                                                             : 4 * kBins;
    return at::randn({batch.count, channels, level.height, level.width})
        .contiguous(at::MemoryFormat::ChannelsLast);
  }

  std::vector<Tensor> levels(const Transfer& transfer) const {
    return transfer.levels({batch, *assignment, student, teacher}, transfer.normalisers(batch, *assignment));
  }
};

std::unique_ptr<Transfer> make(const std::string& kind, const char* preset = "robust",
                               HeadShape shape = {head(), kClasses, {}, kChannels, kChannels}) {
  return transferRegistry().get("imitation")(
      hd::parseJson(concat(R"({"kind":")", kind, R"(","name":"im","preset":")", preset, R"("})")), shape);
}

/// Mean of the squared difference over the rows of a mask; 0 for none.
double meanOver(const Tensor& student, const Tensor& teacher, const Tensor& mask) {
  const Tensor rows = (anchorRows(student) - anchorRows(teacher)).square().mean(1);
  const double count = mask.sum().item<double>();
  return count == 0 ? 0 : (rows * mask).sum().item<double>() / count;
}

}  // namespace

TEST_CASE("each kind is the mean over its region") {
  for (const char* kind : {"fitnets", "inside-box", "finegrained", "decouple"}) {
    CAPTURE(kind);
    const auto transfer = make(kind);
    const Case c(*transfer);
    const std::string name = kind;
    const auto masks = name == "fitnets"       ? wholeMap(*c.assignment)
                       : name == "finegrained" ? nearBestAnchors(head(), c.batch, *c.assignment)
                                               : insideBoxes(head(), c.batch, *c.assignment);
    const auto values = c.levels(*transfer);
    for (size_t l = 0; l < values.size(); ++l) {
      double expected = meanOver(c.student[l], c.teacher[l], masks[l]);
      if (name == "decouple") {
        const Tensor rest = c.assignment->levels[l].labels.ge(0).logical_and(masks[l].eq(0)).to(at::kFloat);
        expected += 2 * meanOver(c.student[l], c.teacher[l], rest);
      }
      CHECK(values[l].item<double>() == doctest::Approx(expected).epsilon(1e-5));
    }
  }
}

TEST_CASE("general instances weigh every image alike") {
  const auto transfer = make("gibox");
  const Case c(*transfer);
  const auto values = c.levels(*transfer);
  for (size_t l = 0; l < values.size(); ++l) {
    const auto lists =
        generalInstances({}, anchorRows(c.student[5 + l]).sigmoid(), anchorRows(c.teacher[5 + l]).sigmoid(),
                         anchorRows(c.student[10 + l]), anchorRows(c.teacher[10 + l]),
                         c.assignment->levels[l].labels, c.assignment->grid.levels()[l]);
    double expected = 0;
    for (const auto& rows : lists) {
      Tensor mask = at::zeros({anchorRows(c.student[l]).size(0)});
      for (const int64_t row : rows) mask[row] = 1;
      expected += meanOver(c.student[l], c.teacher[l], mask) / 2;
    }
    CHECK(values[l].item<double>() == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("as released, a level without assigned anchors costs nothing") {
  for (const char* kind : {"fitnets", "inside-box", "finegrained", "gibox"}) {
    CAPTURE(kind);
    const auto released = make(kind, "released"), robust = make(kind);
    const Case c(*released), same(*robust);
    const auto values = c.levels(*released), all = same.levels(*robust);
    for (size_t l = 0; l < values.size(); ++l) {
      const bool assigned = c.assignment->levels[l]
                                .labels.lt(kClasses)
                                .logical_and(c.assignment->levels[l].labels.ge(0))
                                .any()
                                .item<bool>();
      CHECK((values[l].item<double>() > 0) == assigned);
    }
    CHECK(all[3].item<double>() >= 0);
  }
}

TEST_CASE("a learned 1×1 convolution stands between different channels, and only there") {
  for (const char* kind : {"fitnets", "gibox"}) {
    hd::nn::ParameterStore parameters(7);
    const auto transfer = make(kind, "robust", {head(), kClasses, {}, 4, kChannels, &parameters});
    REQUIRE(parameters.all().size() == 2);
    CHECK(parameters.all()[0].name == "distill.im.adapter.weight");
    CHECK(parameters.all()[0].master.sizes() == at::IntArrayRef({kChannels, 4, 1, 1}));
    parameters.setWorking(at::kFloat);
    const Case c(*transfer, false, 4);
    const Tensor loss = at::stack(c.levels(*transfer)).sum();
    torch::autograd::backward({loss}, {});
    CHECK(parameters.all()[0].working.grad().abs().max().item<double>() > 0);
    CHECK(parameters.all()[1].working.grad().abs().max().item<double>() > 0);
    CHECK(c.student[0].grad().abs().max().item<double>() > 0);
  }
  hd::nn::ParameterStore parameters(7);
  make("fitnets", "robust", {head(), kClasses, {}, kChannels, kChannels, &parameters});
  CHECK(parameters.all().empty());
}

TEST_CASE("images without objects cost nothing inside boxes and stay finite elsewhere") {
  for (const char* kind : {"inside-box", "finegrained"}) {
    const auto transfer = make(kind);
    const Case c(*transfer, true);
    for (const Tensor& level : c.levels(*transfer)) CHECK(level.item<double>() == 0);
  }
  for (const char* kind : {"fitnets", "decouple", "gibox"}) {
    const auto transfer = make(kind);
    const Case c(*transfer, true);
    for (const Tensor& level : c.levels(*transfer)) {
      CHECK(std::isfinite(level.item<double>()));
      CHECK(level.item<double>() > 0);
    }
  }
}

TEST_CASE("an unknown kind is refused by its name") {
  try {
    make("fitnet");
    FAIL("nothing was thrown");
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_RECIPE_VALUE");
    CHECK(std::string(error.what()).find("fitnets, inside-box, finegrained, decouple, gibox") !=
          std::string::npos);
  }
}

TEST_CASE("general instances are chosen among the classes that both sides know") {
  const auto plain = make("gibox"),
             mapped = make("gibox", "robust", {head(), kClasses, {2, 0, 1}, kChannels, kChannels});
  Case c(*plain);
  const size_t levels = head().strides.size();
  const auto valueOf = [&](const Transfer& transfer) {
    return at::stack(c.levels(transfer)).sum().item<double>();
  };
  const double one = valueOf(*plain), other = valueOf(*mapped);
  CHECK(one != doctest::Approx(other));
  for (size_t l = levels; l < 2 * levels; ++l) {
    Tensor& map = c.teacher[l];
    map = at::cat({map, at::full_like(map.slice(1, 0, 1), 9)}, 1);
  }
  CHECK(valueOf(*plain) == doctest::Approx(one));
  CHECK(valueOf(*mapped) == doctest::Approx(other));
}
