// Decoding of dense distribution maps against a plain double-precision reference.
#include "detectors/distribution_decoder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "core/error.h"
#include "core/rng.h"

using namespace hd::detectors;

namespace {

constexpr int64_t bins = 17;

/// Of a single view.
hd::Detections decodeDistributions(const std::vector<LevelMaps>& levels, int64_t classes, int64_t bins,
                                   const hd::ImageTargets& image, const PostProcess& options) {
  return hd::detectors::decodeDistributions({{levels, &image}}, classes, bins, options);
}

struct Maps {
  std::vector<std::vector<float>> cls, reg;
  std::vector<LevelMaps> levels;
};

/// Random maps of these sizes; class logits lie mostly below 0.
Maps randomMaps(uint64_t seed, const std::vector<std::array<int64_t, 3>>& strideHeightWidth,
                int64_t classes) {
  hd::Random random(seed, "decoder test", 0, 0);
  Maps maps;
  for (const auto& [stride, height, width] : strideHeightWidth) {
    auto& cls = maps.cls.emplace_back(static_cast<size_t>(height * width * classes));
    auto& reg = maps.reg.emplace_back(static_cast<size_t>(height * width * 4 * bins));
    for (float& v : cls) v = random.uniform(-5, 1);
    for (float& v : reg) v = random.uniform(-3, 3);
    maps.levels.push_back({stride, height, width, cls.data(), reg.data()});
  }
  return maps;
}

hd::ImageTargets imageOf(int width, int height) {
  hd::ImageTargets image;
  image.width = width;
  image.height = height;
  return image;
}

/// The definition, step by step, in double where it does not decide an order.
hd::Detections reference(const Maps& maps, int64_t classes, const hd::ImageTargets& image,
                         const PostProcess& options) {
  struct Candidate {
    float score;
    int64_t label, place;
    std::array<double, 4> box;
  };
  std::vector<Candidate> candidates;
  int64_t place = 0;
  for (const LevelMaps& level : maps.levels) {
    std::vector<std::pair<float, int64_t>> best;
    for (int64_t cell = 0; cell < level.height * level.width; ++cell) {
      const float* logits = level.classLogits + cell * classes;
      best.emplace_back(*std::max_element(logits, logits + classes), cell);
    }
    std::stable_sort(best.begin(), best.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    best.resize(std::min<size_t>(best.size(), static_cast<size_t>(options.candidates)));
    for (const auto& [logit, cell] : best) {
      std::array<double, 4> box{};
      for (int side = 0; side < 4; ++side) {
        const float* logits = level.sideLogits + (cell * 4 + side) * bins;
        double sum = 0, moment = 0;
        for (int64_t i = 0; i < bins; ++i) {
          sum += std::exp(static_cast<double>(logits[i]));
          moment += std::exp(static_cast<double>(logits[i])) * static_cast<double>(i);
        }
        const double centre =
            static_cast<double>((side % 2 == 0 ? cell % level.width : cell / level.width) * level.stride);
        const double distance = moment / sum * static_cast<double>(level.stride);
        box[side] = std::clamp(side < 2 ? centre - distance : centre + distance, 0.0,
                               static_cast<double>(side % 2 == 0 ? image.width : image.height));
      }
      for (int64_t c = 0; c < classes; ++c) {
        const float score = 1.0f / (1.0f + std::exp(-level.classLogits[cell * classes + c]));
        if (score > options.scoreThreshold) candidates.push_back({score, c, place + cell, box});
      }
    }
    place += level.height * level.width;
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::make_tuple(-a.score, a.label, a.place) < std::make_tuple(-b.score, b.label, b.place);
  });
  std::vector<Candidate> keep;
  for (const Candidate& a : candidates) {
    const bool free = std::none_of(keep.begin(), keep.end(), [&](const Candidate& b) {
      if (a.label != b.label) return false;
      const double width = std::max(0.0, std::min(a.box[2], b.box[2]) - std::max(a.box[0], b.box[0]));
      const double height = std::max(0.0, std::min(a.box[3], b.box[3]) - std::max(a.box[1], b.box[1]));
      const double overlap = width * height;
      return overlap / ((a.box[2] - a.box[0]) * (a.box[3] - a.box[1]) +
                        (b.box[2] - b.box[0]) * (b.box[3] - b.box[1]) - overlap) >
             options.iouThreshold;
    });
    if (free) keep.push_back(a);
  }
  keep.resize(std::min<size_t>(keep.size(), static_cast<size_t>(options.maxDetections)));
  hd::Detections out;
  for (const Candidate& k : keep) {
    for (const double side : k.box) out.boxes.push_back(static_cast<float>(side));
    out.scores.push_back(k.score);
    out.labels.push_back(static_cast<int32_t>(k.label));
  }
  return out;
}

}  // namespace

TEST_CASE("decoding equals the step-by-step reference on random maps") {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const int64_t classes = 1 + static_cast<int64_t>(seed % 4) * 6;
    const Maps maps = randomMaps(seed, {{8, 9, 12}, {16, 5, 6}, {32, 3, 3}}, classes);
    const hd::ImageTargets image = imageOf(90, 68);
    for (const PostProcess& options : {PostProcess{0.05, 1000, 0.6, 100}, PostProcess{0.3, 7, 0.4, 20},
                                       PostProcess{0.0, 3, 1.0, 1000}, PostProcess{1.0, 10, 0.5, 10}}) {
      const auto actual = decodeDistributions(maps.levels, classes, bins, image, options);
      const auto expected = reference(maps, classes, image, options);
      CHECK(actual.labels == expected.labels);
      CHECK(actual.scores == expected.scores);
      REQUIRE(actual.boxes.size() == expected.boxes.size());
      for (size_t i = 0; i < expected.boxes.size(); ++i)
        CHECK(std::abs(actual.boxes[i] - expected.boxes[i]) < 1e-3f);
    }
  }
}

TEST_CASE("expectations of distributions") {
  std::vector<float> logits(bins);
  for (int64_t k = 0; k < bins; ++k) logits[k] = 0.1f * static_cast<float>(k);
  CHECK(expectedDistance(logits.data(), bins) == doctest::Approx(10.291445).epsilon(1e-6));
  for (int64_t k = 0; k < bins; ++k) logits[k] = -0.02f * static_cast<float>((k - 5) * (k - 5));
  CHECK(expectedDistance(logits.data(), bins) == doctest::Approx(6.110210).epsilon(1e-6));
  std::fill(logits.begin(), logits.end(), 700.0f);  // far beyond what exp can hold
  CHECK(expectedDistance(logits.data(), bins) == doctest::Approx(8).epsilon(1e-6));
}

TEST_CASE("equal scores: the lowest location takes part first, the lower class comes first") {
  // Every logit is equal; boxes are points two cells apart, so nothing overlaps.
  constexpr int64_t classes = 3, cells = 16;
  std::vector<float> cls(cells * classes, 0.0f), reg(cells * 4 * bins, 0.0f);
  for (int64_t row = 0; row < cells * 4; ++row) reg[row * bins] = 50;  // distance 0
  const std::vector<LevelMaps> levels{{8, 4, 4, cls.data(), reg.data()}};
  const auto out = decodeDistributions(levels, classes, bins, imageOf(100, 100), {0.1, 5, 0.6, 100});
  CHECK(out.labels == std::vector<int32_t>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2});
  for (int64_t i = 0; i < 5; ++i) {
    CHECK(out.boxes[4 * i] == doctest::Approx(8 * (i % 4)));
    CHECK(out.boxes[4 * i + 1] == doctest::Approx(8 * (i / 4)));
  }
}

TEST_CASE("flip, offset and scale are undone") {
  hd::ImageTargets image = imageOf(200, 100);
  image.scaleX = 0.5f;
  image.scaleY = 2.0f;
  image.offsetX = -30;
  image.offsetY = 7;
  const std::array<float, 4> original{100, 11, 260, 40};
  const auto toCanvas = [&](bool flip) {
    std::array<float, 4> box{original[0] * 0.5f - 30, original[1] * 2 + 7, original[2] * 0.5f - 30,
                             original[3] * 2 + 7};
    if (flip) {
      const float left = box[0];
      box[0] = 200 - box[2];
      box[2] = 200 - left;
    }
    return box;
  };
  for (const bool flip : {false, true}) {
    image.flipped = flip;
    auto box = toCanvas(flip);
    toOriginal(image, box.data());
    for (int i = 0; i < 4; ++i) CHECK(box[i] == doctest::Approx(original[i]));
  }
}

namespace {

/// The maps of a network that sees everything mirrored, for centres in the middle of their cells.
Maps mirrored(const Maps& maps, int64_t classes) {
  Maps out;
  for (size_t l = 0; l < maps.levels.size(); ++l) {
    const LevelMaps& level = maps.levels[l];
    auto& cls = out.cls.emplace_back();
    auto& reg = out.reg.emplace_back();
    for (int64_t cell = 0; cell < level.height * level.width; ++cell) {
      const int64_t row = cell / level.width, from = row * level.width + level.width - 1 - cell % level.width;
      cls.insert(cls.end(), maps.cls[l].begin() + from * classes, maps.cls[l].begin() + (from + 1) * classes);
      for (const int64_t side : {2, 1, 0, 3}) {  // left and right change places
        const auto start = maps.reg[l].begin() + (from * 4 + side) * bins;
        reg.insert(reg.end(), start, start + bins);
      }
    }
    out.levels.push_back(level);
    out.levels.back().classLogits = cls.data();
    out.levels.back().sideLogits = reg.data();
  }
  return out;
}

Maps centredMaps(uint64_t seed, int64_t classes) {
  Maps maps = randomMaps(seed, {{8, 6, 8}, {16, 3, 4}}, classes);
  for (LevelMaps& level : maps.levels) level.offset = 0.5;
  return maps;
}

}  // namespace

TEST_CASE("two views of a picture: one that says the same adds nothing") {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const Maps maps = centredMaps(seed, 3), other = mirrored(maps, 3);
    const hd::ImageTargets upright = imageOf(64, 48);
    hd::ImageTargets flipped = upright;
    flipped.flipped = true;
    const PostProcess options{0.05, 1000, 0.6, 1000};
    const auto once = decodeDistributions(maps.levels, 3, bins, upright, options);
    const auto twice =
        decodeDistributions({{maps.levels, &upright}, {other.levels, &flipped}}, 3, bins, options);
    CHECK(twice.labels == once.labels);
    CHECK(twice.scores == once.scores);
    REQUIRE(twice.boxes.size() == once.boxes.size());
    for (size_t i = 0; i < once.boxes.size(); ++i)
      CHECK(twice.boxes[i] == doctest::Approx(once.boxes[i]).epsilon(1e-4));
  }
}

TEST_CASE("two views of a picture: candidates of both go into one suppression, whichever comes first") {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const Maps one = centredMaps(seed, 3), other = centredMaps(seed + 100, 3);
    const hd::ImageTargets upright = imageOf(64, 48);
    hd::ImageTargets flipped = upright;
    flipped.flipped = true;
    const auto both = [&](const Maps& a, const Maps& b, const PostProcess& options) {
      return decodeDistributions({{a.levels, &upright}, {b.levels, &flipped}}, 3, bins, options);
    };
    const PostProcess all{0.05, 1000, 1.0, 10'000}, usual{0.05, 1000, 0.6, 100};
    CHECK(both(one, other, all).size() ==
          decodeDistributions(one.levels, 3, bins, upright, all).size() +
              decodeDistributions(other.levels, 3, bins, flipped, all).size());
    // The mirrored picture is seen the other way round, and has the mirrored boxes.
    const auto found = both(one, other, usual), mirror = both(other, one, usual);
    CHECK(found.labels == mirror.labels);
    CHECK(found.scores == mirror.scores);
    REQUIRE(found.boxes.size() == mirror.boxes.size());
    for (size_t i = 0; i < found.boxes.size(); i += 4) {
      CHECK(found.boxes[i] == doctest::Approx(64 - mirror.boxes[i + 2]).epsilon(1e-4));
      CHECK(found.boxes[i + 1] == doctest::Approx(mirror.boxes[i + 1]).epsilon(1e-4));
      CHECK(found.boxes[i + 2] == doctest::Approx(64 - mirror.boxes[i]).epsilon(1e-4));
    }
  }
}

TEST_CASE("not a number anywhere yields fewer candidates, not a crash") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Maps maps = randomMaps(1, {{8, 6, 6}}, 2);
  const auto before = decodeDistributions(maps.levels, 2, bins, imageOf(48, 48), {0.0, 1000, 1.0, 1000});
  CHECK(before.size() == 72);
  maps.cls[0][5] = nan;                  // one class of one location
  maps.reg[0][4 * bins * 20 + 3] = nan;  // one side of another location
  const auto after = decodeDistributions(maps.levels, 2, bins, imageOf(48, 48), {0.0, 1000, 1.0, 1000});
  CHECK(after.size() == 69);
  std::fill(maps.cls[0].begin(), maps.cls[0].end(), nan);
  CHECK(decodeDistributions(maps.levels, 2, bins, imageOf(48, 48), {0.0, 1000, 1.0, 1000}).size() == 0);
  CHECK(decodeDistributions({}, 2, bins, imageOf(48, 48), {}).size() == 0);
}

TEST_CASE("centerness multiplies scores, plays no part in the threshold, and ranks the candidates") {
  std::vector<float> cls(4, -1.0f), reg(4 * 4 * bins, 0.0f), centerness{3, -3, 0, 2};
  cls[1] = 2;  // sure of the class, not central
  LevelMaps level{16, 2, 2, cls.data(), reg.data()};
  level.centerness = centerness.data();
  PostProcess options;
  options.scoreThreshold = 0.2;
  options.iouThreshold = 1;
  const auto sigmoid = [](float z) { return 1 / (1 + std::exp(-z)); };
  const auto all = decodeDistributions({level}, 1, bins, imageOf(640, 640), options);
  REQUIRE(all.size() == 4);
  const std::vector<float> expected{sigmoid(-1) * sigmoid(3), sigmoid(-1) * sigmoid(2),
                                    sigmoid(-1) * sigmoid(0), sigmoid(2) * sigmoid(-3)};
  for (size_t d = 0; d < 4; ++d) CHECK(all.scores[d] == doctest::Approx(expected[d]));
  options.scoreThreshold = 0.3;  // σ(−1) is 0.27: only the class score of the second cell is above
  CHECK(decodeDistributions({level}, 1, bins, imageOf(640, 640), options).size() == 1);
  options.candidates = 2;  // both places go to cells that are below the threshold themselves
  CHECK(decodeDistributions({level}, 1, bins, imageOf(640, 640), options).size() == 0);
  centerness[0] = std::numeric_limits<float>::quiet_NaN();
  options.scoreThreshold = 0.2;
  options.candidates = 10;
  CHECK(decodeDistributions({level}, 1, bins, imageOf(640, 640), options).size() == 3);
}

TEST_CASE("several anchors a cell share its centre, and an offset moves it") {
  // One cell, three anchors, each with another distance: logits that put all weight on one bin.
  std::vector<float> cls{2, 1, 0}, reg(3 * 4 * bins, -50.0f);
  for (int64_t anchor = 0; anchor < 3; ++anchor) {
    for (int64_t side = 0; side < 4; ++side)
      reg[static_cast<size_t>((anchor * 4 + side) * bins + anchor + 1)] = 50;
  }
  LevelMaps level{8, 1, 1, cls.data(), reg.data()};
  level.anchors = 3;
  level.offset = 6.5;
  PostProcess options;
  options.iouThreshold = 1;
  const auto found = decodeDistributions({level}, 1, bins, imageOf(200, 200), options);
  REQUIRE(found.size() == 3);
  for (int64_t d = 0; d < 3; ++d) {
    const float reach = 8 * static_cast<float>(d + 1);
    CHECK(found.boxes[static_cast<size_t>(4 * d)] == doctest::Approx(52 - reach));
    CHECK(found.boxes[static_cast<size_t>(4 * d + 3)] == doctest::Approx(52 + reach));
  }
}
