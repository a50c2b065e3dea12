#include "engine/landscape.h"

#include <cmath>

#include "engine/memory.h"
#include "engine_fixture.h"
#include "nn/run_batch.h"

using namespace engine_fixture;
using hd::Detections;
using hd::nn::Mode;

namespace {

SessionOptions network(uint64_t seed, const char* member = nullptr, int64_t value = 0) {
  SessionOptions out = options();
  out.training = false;
  out.seed = seed;
  if (member != nullptr) out.model.set(member, value);
  return out;
}

/// An untrained network scores everything alike: everything is a detection.
hd::detectors::PostProcess everything() {
  hd::detectors::PostProcess out;
  out.scoreThreshold = 0;
  out.candidates = 20;
  return out;
}

void checkAlike(const std::vector<Detections>& a, const std::vector<Detections>& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].scores.size() == b[i].scores.size());
    REQUIRE(!a[i].scores.empty());
    for (size_t k = 0; k < a[i].scores.size(); ++k)
      CHECK(a[i].scores[k] == doctest::Approx(b[i].scores[k]).epsilon(1e-5));
  }
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

}  // namespace

TEST_CASE("a network's own features alone give its own detections") {
  const Scene scene;
  Session own(network(3)), other(network(4));
  const auto mixed =
      detectMixed(own.detector(), other.detector(), scene.batch, {{1, 0}, {0, 1}}, everything());
  REQUIRE(mixed.detections.size() == 2);
  checkAlike(mixed.detections[0], own.detect(scene.batch, everything()));
  bool differs = false;
  for (size_t i = 0; i < mixed.detections[0].size(); ++i)
    differs = differs || mixed.detections[0][i].scores != mixed.detections[1][i].scores;
  CHECK(differs);
}

TEST_CASE("a network mixed with itself: no differences, and only the sum of the shares counts") {
  const Scene scene;
  Session own(network(3)), twin(network(3));
  const auto mixed = detectMixed(own.detector(), twin.detector(), scene.batch,
                                 {{1, 0}, {0, 1}, {0.25, 0.75}, {2, -1}}, everything());
  for (size_t p = 1; p < 4; ++p) checkAlike(mixed.detections[p], mixed.detections[0]);
  for (const LevelError& level : mixed.errors) {
    CHECK(level.cls == 0);
    CHECK(level.reg == 0);
  }
}

TEST_CASE("the head sees the mixture: equal to running it on features that were mixed by hand") {
  const Scene scene;
  Session own(network(3)), other(network(4));
  const std::vector<std::string> neck{"neck.p3", "neck.p4", "neck.p5", "neck.p6", "neck.p7"};
  const auto mine = hd::nn::runBatch(own.graph(), scene.batch, neck, Mode::plan);
  const auto theirs = hd::nn::runBatch(other.graph(), scene.batch, neck, Mode::plan);
  std::map<std::string, Tensor> given;
  for (size_t l = 0; l < neck.size(); ++l)
    given[neck[l]] = (0.9 * mine[l] + 0.7 * theirs[l]).contiguous(at::MemoryFormat::ChannelsLast);
  const auto outputs = own.graph().run({}, own.detector().detectTaps(), Mode::plan, {}, given);
  const auto mixed = detectMixed(own.detector(), other.detector(), scene.batch, {{0.9, 0.7}}, everything());
  checkAlike(mixed.detections[0], own.detector().detect(outputs, scene.batch, everything()));
}

TEST_CASE("differences are means over cells of scores and distributions") {
  const char* detector = "gfl";
  SUBCASE("one anchor a cell") {}
  SUBCASE("nine anchors a cell") {
    detector = "retinanet";
  }
  const auto of = [detector](uint64_t seed) {
    SessionOptions out = network(seed);
    out.model.set("detector", detector);
    return out;
  };
  const Scene scene;
  Session own(of(3)), other(of(4));
  const auto mixed = detectMixed(own.detector(), other.detector(), scene.batch, {}, everything());
  CHECK(mixed.detections.empty());
  REQUIRE(mixed.errors.size() == 5);
  const char* names[] = {"p3", "p4", "p5", "p6", "p7"};
  for (size_t l = 0; l < 5; ++l) {
    CHECK(mixed.errors[l].name == names[l]);
    const std::vector<std::string> taps{hd::concat("head.cls.", names[l]), hd::concat("head.reg.", names[l])};
    const auto a = hd::nn::runBatch(own.graph(), scene.batch, taps, Mode::plan);
    const auto b = hd::nn::runBatch(other.graph(), scene.batch, taps, Mode::plan);
    const auto rows = [](const Tensor& map) {
      return map.permute({0, 2, 3, 1}).contiguous().reshape({-1, map.size(1)});
    };
    const Tensor clsA = rows(a[0]), clsB = rows(b[0]), regA = rows(a[1]), regB = rows(b[1]);
    CHECK(mixed.errors[l].cells == clsA.size(0));
    double cls = 0, reg = 0;
    for (int64_t i = 0; i < clsA.size(0); ++i) {
      for (int64_t c = 0; c < clsA.size(1); ++c)
        cls += std::abs(sigmoid(clsA[i][c].item<double>()) - sigmoid(clsB[i][c].item<double>()));
      if (i >= 8) continue;  // element by element is slow; eight rows of boxes show the layout
      for (int64_t side = 0; side < regA.size(1) / 17; ++side) {
        double sums[2] = {0, 0};
        for (int64_t k = 0; k < 17; ++k) {
          sums[0] += std::exp(regA[i][17 * side + k].item<double>());
          sums[1] += std::exp(regB[i][17 * side + k].item<double>());
        }
        for (int64_t k = 0; k < 17; ++k)
          reg += std::abs(std::exp(regA[i][17 * side + k].item<double>()) / sums[0] -
                          std::exp(regB[i][17 * side + k].item<double>()) / sums[1]);
      }
    }
    CHECK(mixed.errors[l].cls == doctest::Approx(cls / static_cast<double>(clsA.numel())).epsilon(1e-4));
    if (clsA.size(0) <= 8)
      CHECK(mixed.errors[l].reg == doctest::Approx(reg / static_cast<double>(regA.numel())).epsilon(1e-4));
    // One cell a group: group norm, which RetinaNet does not have, leaves nothing of it.
    const bool normed = detector == std::string("gfl");
    CHECK((mixed.errors[l].reg > 0) == (!normed || clsA.size(0) > kImages));
  }
}

TEST_CASE("networks that do not match are refused") {
  const Scene scene;
  Session own(network(3));
  for (const auto& [member, value] :
       std::vector<std::pair<const char*, int64_t>>{{"neckChannels", 64}, {"classes", 3}, {"regMax", 8}}) {
    CAPTURE(member);
    Session other(network(4, member, value));
    CHECK(codeOf([&] {
            detectMixed(own.detector(), other.detector(), scene.batch, {{1, 0}}, everything());
          }) == "HD_USAGE");
  }
}

TEST_CASE("without memory it goes on with half as many images at once: the same detections and differences") {
  const Scene scene;
  Session whole(network(3)), halved(network(3)), other(network(4));
  const std::vector<MixPoint> points = {{1, 0}, {0.5, 0.5}};
  const auto expected = detectMixed(whole.detector(), other.detector(), scene.batch, points, everything());
  const auto take = [&](bool fault) {
    return detectMixedWithinMemory(halved, other.detector(), scene.batch, points, everything(), fault);
  };
  take(false);
  CHECK(halved.detectAtOnce() == 0);
  const auto found = take(true);
  CHECK(halved.detectAtOnce() == 2);
  REQUIRE(found.detections.size() == points.size());
  for (size_t p = 0; p < points.size(); ++p) checkAlike(found.detections[p], expected.detections[p]);
  REQUIRE(found.errors.size() == expected.errors.size());
  for (size_t l = 0; l < found.errors.size(); ++l) {
    CHECK(found.errors[l].name == expected.errors[l].name);
    CHECK(found.errors[l].cells == expected.errors[l].cells);
    CHECK(found.errors[l].cls == doctest::Approx(expected.errors[l].cls).epsilon(1e-4));
    CHECK(found.errors[l].reg == doctest::Approx(expected.errors[l].reg).epsilon(1e-4));
  }
  take(true);
  CHECK(halved.detectAtOnce() == 1);
  CHECK(codeOf([&] { take(true); }) == "HD_MEMORY");
}
