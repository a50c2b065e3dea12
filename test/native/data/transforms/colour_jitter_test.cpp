#include <doctest/doctest.h>

#include <set>

#include "data/transforms/render.h"
#include "native/data/painted.h"
#include "native/data/transforms/steps.h"

using fixture::Bytes;
using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;
using namespace hd::data;

namespace {

// All three factors 1 and no light, but for what is given.
std::string only(const std::string& option, const std::string& more = "") {
  std::string out = "[{\"colourJitter\": {\"lighting\": " + std::string(more.empty() ? "0" : more);
  for (const char* name : {"brightness", "contrast", "saturation"}) {
    out += hd::concat(", \"", name, "\": ");
    out += option.starts_with(name) ? option.substr(option.find('[')) : "[1, 1]";
  }
  return out + "}}]";
}

Bytes recoloured(const std::string& json, const Bytes& pixels) {
  const int width = static_cast<int>(pixels.size() / 3);
  Bytes out = pixels;
  recolour(pipeline(json).plan(width, 1, draws(0)), {out.data(), width, 1});
  return out;
}

}  // namespace

TEST_CASE("colourJitter: each change is clamped and cut to whole numbers, as detectron2 does") {
  CHECK(recoloured(only("brightness: [1.3, 1.3]"), {11, 200, 0}) == Bytes{14, 255, 0});  // 14.3, 260, 0
  // The mean over pixels and channels is 40: 0.5 · 40 + 0.5 · x.
  CHECK(recoloured(only("contrast: [0.5, 0.5]"), {10, 20, 31, 49, 60, 70}) == Bytes{25, 30, 35, 44, 50, 55});
  CHECK(recoloured(only("contrast: [1.4, 1.4]"), {0, 20, 30, 40, 50, 100}) == Bytes{0, 12, 26, 40, 54, 124});
  // Grey of (200, 40, 90) is 93.54.
  CHECK(recoloured(only("saturation: [0.5, 0.5]"), {200, 40, 90}) == Bytes{146, 66, 91});
  // One after another: 1.3 · (11, 200, 0) = (14, 255, 0), whose mean is 89.67; 0.5 of the distance to it.
  const char* both =
      R"([{"colourJitter": {"brightness": [1.3, 1.3], "contrast": [0.5, 0.5], "saturation": [1, 1], "lighting": 0}}])";
  CHECK(recoloured(both, {11, 200, 0}) == Bytes{51, 172, 44});
}

TEST_CASE("colourJitter: light along the principal components") {
  double sum = 0, squares = 0;
  constexpr int kDraws = 4000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const Plan plan = pipeline(only("", "100")).plan(8, 8, draws(i));
    REQUIRE(plan.turns.size() == 1);
    const double red = plan.turns[0].map.rows[3];
    sum += red;
    squares += red * red;
  }
  // 100 · sqrt((0.5675 · 0.2175)² + (0.7192 · 0.0188)² + (0.4009 · 0.0045)²)
  CHECK(std::sqrt(squares / kDraws) == doctest::Approx(12.418).epsilon(0.04));
  CHECK(std::abs(sum / kDraws) < 0.6);
  CHECK(pipeline(only("")).plan(8, 8, draws(0)).keepsColours());
}

TEST_CASE("colourJitter: draws within the ranges, for a share of the pictures, in order or in any") {
  float least = 9, largest = 0;
  std::set<std::pair<float, float>> orders;
  int changed = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const Plan plan = pipeline(R"([{"colourJitter": {}}])").plan(8, 8, draws(i));
    REQUIRE(plan.turns.size() == 4);
    CHECK(plan.turns[1].contrast != 1);
    least = std::min(least, plan.turns[0].map.rows[0]);
    largest = std::max(largest, plan.turns[0].map.rows[0]);
    const Plan any =
        pipeline(R"([{"colourJitter": {"brightness": [2, 2], "contrast": [3, 3], "saturation": [1, 1],
                                       "randomOrder": true, "lighting": 0}}])")
            .plan(8, 8, draws(i));
    REQUIRE(any.turns.size() == 2);
    orders.insert({any.turns[0].contrast, any.turns[1].contrast});
    changed += !pipeline(R"([{"colourJitter": {"probability": 0.25}}])").plan(8, 8, draws(i)).keepsColours();
  }
  CHECK(least == doctest::Approx(0.6).epsilon(0.02));
  CHECK(largest == doctest::Approx(1.4).epsilon(0.02));
  CHECK(orders == std::set<std::pair<float, float>>{{1, 3}, {3, 1}});
  CHECK(changed == doctest::Approx(100).epsilon(0.25));
}

TEST_CASE("colourJitter without a clamp leaves the bytes, and the network what to do with them") {
  const std::string json =
      R"([{"colourJitter": {"brightness": [2, 2], "contrast": [0.5, 0.5], "saturation": [1, 1], "lighting": 0,
                            "clamp": false}}])";
  Bytes pixels = {10, 20, 30, 40, 50, 210};  // luma 18.15 and 65.25, mean 41.7
  const Plan plan = pipeline(json).plan(2, 1, draws(0));
  CHECK(plan.keepsColours());
  const auto colours = coloursBeyond(plan, {pixels.data(), 2, 1});
  std::vector<float> values(pixels.begin(), pixels.end());
  for (const ColourTurn& turn : colours) {
    CHECK(turn.contrast == 1);
    hd::recolourValues(turn, 2, values.data());
  }
  const float before[] = {10, 20, 30, 40, 50, 210};
  for (size_t i = 0; i < values.size();
       ++i)  // twice, then halfway to the mean luma of the picture as it came
    CHECK(values[i] == doctest::Approx(before[i] + 0.5 * 41.7));
}

TEST_CASE("colourJitter without a clamp blends with the picture as it came, whatever the order") {
  // CenterNet's, in floating point: its greys are taken once, before the first of the three.
  const float factors[] = {1.3f, 0.7f, 0.6f};  // brightness, contrast, saturation
  const std::vector<float> pixels = {10, 200, 30, 90, 50, 210};
  std::vector<float> greys;
  for (size_t i = 0; i < 6; i += 3)
    greys.push_back(0.299f * pixels[i] + 0.587f * pixels[i + 1] + 0.114f * pixels[i + 2]);
  std::set<std::vector<int>> expected, found;
  const auto rounded = [](const std::vector<float>& values) {
    std::vector<int> out;
    for (const float value : values) out.push_back(static_cast<int>(std::lround(value * 100)));
    return out;
  };
  for (std::vector<int> order :
       {std::vector{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
    std::vector<float> values = pixels;
    for (const int change : order) {
      for (size_t i = 0; i < values.size(); ++i) {
        const float grey = change == 1 ? (greys[0] + greys[1]) / 2 : change == 2 ? greys[i / 3] : 0;
        values[i] = values[i] * factors[change] + (1 - factors[change]) * grey;
      }
    }
    expected.insert(rounded(values));
  }
  for (uint64_t i = 0; i < 60; ++i) {
    Bytes bytes(pixels.begin(), pixels.end());
    const Plan plan = pipeline(R"([{"colourJitter": {"brightness": [1.3, 1.3], "contrast": [0.7, 0.7],
                                  "saturation": [0.6, 0.6], "lighting": 0, "randomOrder": true, "clamp": false}}])")
                          .plan(2, 1, draws(i));
    const auto colours = coloursBeyond(plan, {bytes.data(), 2, 1});
    REQUIRE(colours.size() == 1);
    std::vector<float> values = pixels;
    hd::recolourValues(colours[0], 2, values.data());
    found.insert(rounded(values));
  }
  CHECK(found == expected);
}

TEST_CASE("colourJitter: a warped picture has the mean of what is shown, and bare parts stay") {
  Bytes pixels(8 * 8 * 3, 100);
  for (size_t i = 0; i < 8 * 4 * 3; ++i) pixels[i] = 200;  // upper half
  Plan plan = pipeline(only("contrast: [0.5, 0.5]")).plan(8, 8, draws(0));
  plan.geometry.warp(Projection::moved(4, 0), 8, 8);
  Bytes out(8 * 8 * 3, 7);
  RenderScratch scratch;
  warpPicture({8, 8, {}, pixels.data(), nullptr}, plan, {out.data(), 8, 8}, scratch);
  CHECK(out[0] == 7);
  CHECK(out[5 * 3] == 175);
  CHECK(out[(7 * 8 + 5) * 3] == 125);
}

TEST_CASE("colourJitter refuses unusable options, and joining steps behind it without a clamp") {
  for (const char* options : {R"({"brightness": [1.4, 0.6]})", R"({"contrast": 1})", R"({"lighting": -1})",
                              R"({"saturation": [-1, 1]})", R"({"hue": 0.1})"}) {
    CAPTURE(options);
    CHECK(codeOf([&] { pipeline(hd::concat(R"([{"colourJitter": )", options, "}]")); }) ==
          "HD_DATA_TRANSFORM");
  }
  CHECK(codeOf([] { pipeline(R"([{"colourJitter": {"clamp": false}}, {"mixup": {}}])"); }) ==
        "HD_DATA_TRANSFORM");
  pipeline(R"([{"colourJitter": {}}, {"mixup": {}}, {"colourJitter": {"clamp": false}}])");
}
