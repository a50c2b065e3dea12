#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "native/data/painted.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::PaintedDataset;
using fixture::pipeline;
using namespace hd::data;

TEST_CASE("mixup: one layer over another, with a share within its range") {
  const PaintedDataset dataset(12, 160, 120);
  float least = 1, largest = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    const Scene scene = pipeline(R"([{"mixup": {"probability": 1, "ratio": [0.3, 0.8]}}])")
                            .scene(2, draws(i), {&dataset, nullptr});
    REQUIRE(scene.layers.size() == 2);
    CHECK(scene.upper == 1);
    CHECK(scene.layers[0].image == 2);
    CHECK(scene.width() == 160);
    least = std::min(least, scene.share);
    largest = std::max(largest, scene.share);
  }
  CHECK(least == doctest::Approx(0.3).epsilon(0.02));
  CHECK(largest == doctest::Approx(0.8).epsilon(0.02));
}

TEST_CASE("mixup: pixels are the weighted mean of both pictures, objects those of both") {
  const auto dataset = std::make_shared<PaintedDataset>(4, 96, 64);
  const std::string json = R"([{"mixup": {"probability": 1, "ratio": [0.25, 0.25]}}])";
  const auto mixed = fixture::painted(dataset, json, 4);
  for (const auto& picture : mixed) {
    CHECK(picture.targets.labels.size() == 6);
    CHECK(picture.targets.keypoints.size() == 6);
    CHECK(picture.targets.polygons.size() == 6);
    const Scene scene =
        hd::data::Pipeline(hd::parseJson(json))
            .scene(picture.targets.image,
                   hd::Random(4, "augment", 0, static_cast<uint64_t>(picture.targets.position)),
                   {dataset.get(), nullptr});
    const Picture lower = dataset->load(scene.layers[0].image, 0, 0),
                  upper = dataset->load(scene.layers[1].image, 0, 0);
    double largest = 0;
    for (size_t y = 0; y < 64; ++y) {
      for (size_t i = 0; i < 96 * 3; ++i) {
        const double expected = 0.25 * lower.pixels[y * 288 + i] + 0.75 * upper.pixels[y * 288 + i];
        const double found = picture.pixels[y * static_cast<size_t>(picture.width) * 3 + i];
        largest = std::max(largest, std::abs(found - expected));
      }
    }
    CHECK(largest <= 1);
  }
}

TEST_CASE("mixup: after a mosaic both sheets are mosaics, and later steps move both") {
  const PaintedDataset dataset(12, 160, 120);
  const Scene scene =
      pipeline(R"([{"mosaic": {"size": 128}}, {"mixup": {"probability": 1}}, {"flip": {"probability": 1}}])")
          .scene(0, draws(1), {&dataset, nullptr});
  CHECK(scene.layers.size() == 8);
  CHECK(scene.upper == 4);
  for (const Layer& layer : scene.layers) {
    CHECK(layer.plan.geometry.flipped);
    CHECK(layer.plan.geometry.width == 128);
  }
}

TEST_CASE("mixup: a larger picture is scaled down to fit, a smaller one lies inside") {
  class TwoSizes : public PaintedDataset {
   public:
    TwoSizes() : PaintedDataset(2, 100, 50) {
      widths_[1] = 400;
      heights_[1] = 100;
      trainable_ = {1};
    }
  };
  const TwoSizes dataset;
  for (uint64_t i = 0; i < 40; ++i) {
    const Scene scene =
        pipeline(R"([{"mixup": {"probability": 1}}])").scene(0, draws(i), {&dataset, nullptr});
    const Projection map = scene.layers[1].plan.geometry.toCanvas();
    CHECK(map.mapX(400, 0) - map.mapX(0, 0) == doctest::Approx(100));
    CHECK(map.mapY(0, 0) >= -1e-9);
    CHECK(map.mapY(0, 100) <= 50 + 1e-9);
  }
}

TEST_CASE("mixup refuses unusable options") {
  for (const char* options : {R"({"ratio": [0.6, 0.4]})", R"({"ratio": 0.5})", R"({"ratio": [0, 2]})",
                              R"({"probability": -1})", R"({"alpha": 32})"}) {
    CAPTURE(options);
    CHECK(codeOf([&] { pipeline(hd::concat(R"([{"mixup": )", options, "}]")); }) == "HD_DATA_TRANSFORM");
  }
}
