#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "native/data/painted.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::PaintedDataset;
using fixture::pipeline;
using namespace hd::data;

namespace {

Scene pasted(const Dataset& dataset, const std::string& options, uint64_t position) {
  return pipeline(hd::concat(R"([{"copyPaste": )", options, "}]"))
      .scene(0, draws(position), {&dataset, nullptr});
}

}  // namespace

TEST_CASE("copyPaste: so many objects of another picture, each once") {
  const PaintedDataset dataset(12, 160, 120);
  std::set<size_t> numbers;
  for (uint64_t i = 0; i < 200; ++i) {
    const Scene scene = pasted(dataset, R"({"probability": 1, "objects": [1, 2], "maxCovered": 1})", i);
    REQUIRE(scene.layers.size() == 2);
    const Layer& over = scene.layers[1];
    CHECK(over.pasted);
    CHECK(std::set<int64_t>(over.objects.begin(), over.objects.end()).size() == over.objects.size());
    numbers.insert(over.objects.size());
  }
  CHECK(numbers == std::set<size_t>{1, 2});
  CHECK(pasted(dataset, R"({"probability": 1, "objects": [50, 100], "maxCovered": 1})", 0)
            .layers[1]
            .objects.size() == 3);
}

TEST_CASE("copyPaste: nothing is hidden beyond the share that is allowed") {
  const PaintedDataset dataset(12, 160, 120);
  for (const double share : {0.0, 0.3}) {
    size_t pastes = 0;
    for (uint64_t i = 0; i < 100; ++i) {
      const Scene scene = pasted(
          dataset, hd::concat(R"({"probability": 1, "objects": [3, 3], "maxCovered": )", share, "}"), i);
      if (scene.layers.size() == 1) continue;
      for (const int64_t object : scene.layers[1].objects) {
        ++pastes;
        const Annotation& over = dataset.annotations(scene.layers[1].image)[static_cast<size_t>(object)];
        for (const Annotation& under : dataset.annotations(0)) {
          const double across = std::min(over.x2, under.x2) - std::max(over.x1, under.x1);
          const double down = std::min(over.y2, under.y2) - std::max(over.y1, under.y1);
          const double hidden = std::max(0.0, across) * std::max(0.0, down);
          CHECK(hidden <= share * (under.x2 - under.x1) * (under.y2 - under.y1) + 1e-6);
        }
      }
    }
    CHECK(pastes > 30);
  }
}

TEST_CASE("copyPaste: pixels inside the polygons are the other picture's, all others stay") {
  const auto dataset = std::make_shared<PaintedDataset>(16, 160, 120);
  const std::string json = R"([{"copyPaste": {"probability": 1, "objects": [1, 3]}}])";
  int pastes = 0;
  for (const auto& picture : fixture::painted(dataset, json, 16)) {
    const Scene scene =
        Pipeline(hd::parseJson(json))
            .scene(picture.targets.image,
                   hd::Random(4, "augment", 0, static_cast<uint64_t>(picture.targets.position)),
                   {dataset.get(), nullptr});
    const Picture base = dataset->load(picture.targets.image, 0, 0);
    fixture::Bytes expected(base.pixels, base.pixels + 160 * 120 * 3);
    size_t objects = 3;
    if (scene.layers.size() > 1) {
      for (const int64_t object : scene.layers[1].objects) {
        const Annotation& a = dataset->annotations(scene.layers[1].image)[static_cast<size_t>(object)];
        const auto colour = PaintedDataset::colour(a.label);
        for (auto y = static_cast<int>(a.y1); y < static_cast<int>(a.y2); ++y) {
          for (auto x = static_cast<int>(a.x1); x < static_cast<int>(a.x2); ++x)
            std::copy(colour.begin(), colour.end(), expected.begin() + (y * 160 + x) * 3);
        }
        ++objects;
        ++pastes;
      }
    }
    CHECK(picture.targets.labels.size() == objects);
    bool equal = true;
    for (size_t y = 0; y < 120; ++y) {
      const auto row = picture.pixels.begin() + static_cast<int64_t>(y) * picture.width * 3;
      equal &= std::equal(row, row + 480, expected.begin() + static_cast<int64_t>(y) * 480);
    }
    CHECK(equal);
  }
  CHECK(pastes > 8);
}

TEST_CASE("copyPaste: boxes of what is partly hidden go around what is left of it") {
  const auto dataset = std::make_shared<PaintedDataset>(48, 160, 120);
  const std::string json =
      R"([{"copyPaste": {"probability": 1, "objects": [3, 3], "maxCovered": 1, "minVisible": 0.2}}])";
  int moved = 0, dropped = 0;
  for (const auto& picture : fixture::painted(dataset, json, 48)) {
    const Scene scene =
        Pipeline(hd::parseJson(json))
            .scene(picture.targets.image,
                   hd::Random(4, "augment", 0, static_cast<uint64_t>(picture.targets.position)),
                   {dataset.get(), nullptr});
    std::vector<Annotation> objects;  // from back to front
    for (const Annotation& a : dataset->annotations(picture.targets.image)) objects.push_back(a);
    for (const int64_t object : scene.layers.at(1).objects)
      objects.push_back(dataset->annotations(scene.layers[1].image)[static_cast<size_t>(object)]);
    size_t kept = 0;
    for (size_t i = 0; i < objects.size(); ++i) {
      const Annotation& a = objects[i];
      std::array<float, 4> left = {1e9f, 1e9f, -1, -1};
      double visible = 0;
      for (float y = a.y1; y < a.y2; ++y) {
        for (float x = a.x1; x < a.x2; ++x) {
          const bool hidden = std::any_of(objects.begin() + static_cast<int64_t>(i) + 1, objects.end(),
                                          [&](const Annotation& over) {
                                            return x >= over.x1 && x < over.x2 && y >= over.y1 && y < over.y2;
                                          });
          if (hidden) continue;
          ++visible;
          left = {std::min(left[0], x), std::min(left[1], y), std::max(left[2], x + 1),
                  std::max(left[3], y + 1)};
        }
      }
      if (visible < 0.1 * a.area) {  // surely: one that is hidden bit by bit may go earlier
        ++dropped;
        continue;
      }
      if (kept >= picture.targets.labels.size() || picture.targets.labels[kept] != a.label) continue;
      const float* box = &picture.targets.boxes[4 * kept++];
      if (visible < 0.2 * a.area) continue;
      CHECK(std::array{box[0], box[1], box[2], box[3]} == left);
      moved += left != std::array{a.x1, a.y1, a.x2, a.y2};
    }
    CHECK(kept == picture.targets.labels.size());
  }
  CHECK(moved > 3);
  CHECK(dropped > 0);
}

TEST_CASE("copyPaste: small objects and objects without polygons are left out") {
  const PaintedDataset plain(4, 160, 120, false);
  CHECK(pasted(plain, R"({"probability": 1, "maxCovered": 1})", 0).layers.size() == 1);
  const PaintedDataset dataset(4, 160, 120);
  CHECK(pasted(dataset, R"({"probability": 1, "maxCovered": 1, "minSide": 100})", 0).layers.size() == 1);
  CHECK(pasted(dataset, R"({"probability": 0})", 0).layers.size() == 1);
}

TEST_CASE("copyPaste: a data set without polygons is refused when the run starts") {
  const auto plain = std::make_shared<PaintedDataset>(4, 160, 120, false);
  CHECK(codeOf([&] { Loader(plain, fixture::options(R"({"augment": [{"copyPaste": {}}]})")); }) ==
        "HD_DATA_TRANSFORM");
  Loader(plain, fixture::options(R"({"augment": [{"mixup": {}}]})"));
}

TEST_CASE("copyPaste refuses unusable options") {
  for (const char* options :
       {R"({"objects": [5, 1]})", R"({"objects": [0, 1]})", R"({"objects": 3})", R"({"maxCovered": 2})",
        R"({"minSide": -1})", R"({"minVisible": 2})", R"({"blend": true})"}) {
    CAPTURE(options);
    CHECK(codeOf([&] { pipeline(hd::concat(R"([{"copyPaste": )", options, "}]")); }) == "HD_DATA_TRANSFORM");
  }
}
