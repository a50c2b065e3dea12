#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <set>

#include "native/data/painted.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;
using namespace hd::data;

namespace {

Plan drawn(const std::string& options, uint64_t position) {
  return pipeline(hd::concat(R"([{"photometric": )", options, "}]")).plan(8, 8, draws(position));
}

std::array<float, 3> apply(const ColourMap& map, const std::array<float, 3>& v) {
  std::array<float, 3> out{};
  for (size_t row = 0; row < 3; ++row) {
    const float* m = &map.rows[row * 4];
    out[row] = m[0] * v[0] + m[1] * v[1] + m[2] * v[2] + m[3];
  }
  return out;
}

constexpr const char* kNothing =
    R"("brightness": 0, "contrast": [1, 1], "saturation": [1, 1], "hue": 0, "shuffleChannels": false)";

// `option` in place of the one of that name above.
std::string only(const std::string& option) {
  std::string out = "{\"probability\": 1";
  for (const char* neutral : {R"("brightness": 0)", R"("contrast": [1, 1])", R"("saturation": [1, 1])",
                              R"("hue": 0)", R"("shuffleChannels": false)"}) {
    const std::string text = neutral;
    const std::string name = text.substr(0, text.find(':'));
    out += ", " + (option.starts_with(name) ? option : text);
  }
  return out + "}";
}

}  // namespace

TEST_CASE("photometric: neutral options and probability 0 change nothing") {
  for (uint64_t i = 0; i < 50; ++i) {
    CHECK(drawn(hd::concat("{", kNothing, "}"), i).keepsColours());
    CHECK(drawn(R"({"probability": 0})", i).keepsColours());
  }
  CHECK_FALSE(drawn(R"({"probability": 1})", 0).keepsColours());
}

TEST_CASE("photometric: brightness shifts, contrast multiplies, in this order and within their ranges") {
  float least = 0, largest = 0, weakest = 9, strongest = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const auto shifted = apply(drawn(only(R"("brightness": 0.2)"), i).colour, {10, 20, 30});
    CHECK(shifted[1] - shifted[0] == doctest::Approx(10));
    least = std::min(least, shifted[0] - 10);
    largest = std::max(largest, shifted[0] - 10);
    const auto factor = apply(drawn(only(R"("contrast": [0.6, 1.4])"), i).colour, {0, 100, 10});
    CHECK(factor[0] == 0);
    CHECK(factor[2] == doctest::Approx(factor[1] / 10));
    weakest = std::min(weakest, factor[1] / 100);
    strongest = std::max(strongest, factor[1] / 100);
  }
  CHECK(least == doctest::Approx(-51).epsilon(0.03));
  CHECK(largest == doctest::Approx(51).epsilon(0.03));
  CHECK(weakest == doctest::Approx(0.6).epsilon(0.02));
  CHECK(strongest == doctest::Approx(1.4).epsilon(0.02));
  const Plan both = drawn(
      R"({"probability": 1, "brightness": 0.2, "contrast": [2, 2], "saturation": [1, 1], "hue": 0, "shuffleChannels": false})",
      5);
  const float shift = apply(drawn(only(R"("brightness": 0.2)"), 5).colour, {0, 0, 0})[0];
  CHECK(apply(both.colour, {10, 10, 10})[0] == doctest::Approx(2 * (10 + shift)));
}

TEST_CASE("photometric: saturation and hue are one turn, after the map before them") {
  float weakest = 9, strongest = 0, left = 0, right = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const Plan plan = drawn(only(R"("saturation": [0.5, 1.2])"), i);
    REQUIRE(plan.turns.size() == 1);
    CHECK(plan.turns[0].hue == 0);
    weakest = std::min(weakest, plan.turns[0].saturation);
    strongest = std::max(strongest, plan.turns[0].saturation);
    const Plan turned = drawn(only(R"("hue": 0.1)"), i);
    REQUIRE(turned.turns.size() == 1);
    CHECK(turned.turns[0].saturation == 1);
    left = std::min(left, turned.turns[0].hue);
    right = std::max(right, turned.turns[0].hue);
  }
  CHECK(weakest == doctest::Approx(0.5).epsilon(0.02));
  CHECK(strongest == doctest::Approx(1.2).epsilon(0.02));
  CHECK(left == doctest::Approx(-0.1).epsilon(0.03));
  CHECK(right == doctest::Approx(0.1).epsilon(0.03));
  const Plan all = drawn(R"({"probability": 1, "shuffleChannels": false})", 3);
  REQUIRE(all.turns.size() == 1);
  CHECK_FALSE(all.turns[0].map.identity());
  CHECK(all.colour.identity());
}

TEST_CASE("photometric: channels take all six orders") {
  std::set<std::array<float, 3>> orders;
  for (uint64_t i = 0; i < 200; ++i) {
    const Plan plan = drawn(only(R"("shuffleChannels": true)"), i);
    orders.insert(apply(plan.colour, {1, 2, 3}));
    CHECK(plan.turns.empty());
  }
  CHECK(orders.size() == 6);
  for (std::array<float, 3> order : orders) {
    std::sort(order.begin(), order.end());
    CHECK(order == std::array<float, 3>{1, 2, 3});
  }
}

TEST_CASE("photometric: each part happens to its share of the pictures, by itself") {
  int turns = 0, shifts = 0, both = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Plan plan = drawn(
        R"({"probability": 0.5, "contrast": [1, 1], "saturation": [1, 1], "shuffleChannels": false})", i);
    const bool turned = !plan.turns.empty();
    const bool shifted = !(turned ? plan.turns[0].map : plan.colour).identity();
    turns += turned;
    shifts += shifted;
    both += turned && shifted;
  }
  CHECK(turns == doctest::Approx(1000).epsilon(0.08));
  CHECK(shifts == doctest::Approx(1000).epsilon(0.08));
  CHECK(both == doctest::Approx(500).epsilon(0.12));
}

TEST_CASE("photometric: what another step did before comes first") {
  const Plan plan = pipeline(R"([{"colour": {}}, {"photometric": {"probability": 1}}, {"colour": {}}])")
                        .plan(8, 8, draws(1));
  REQUIRE(plan.turns.size() == 1);
  CHECK_FALSE(plan.turns[0].map.identity());
  CHECK_FALSE(plan.colour.identity());
}

TEST_CASE("photometric without a clamp draws the same, for floating point in the network") {
  for (uint64_t i = 0; i < 100; ++i) {
    const char* options = R"({"probability": 0.7, "contrast": [0.6, 1.4], "shuffleChannels": false)";
    const Plan bytes = drawn(hd::concat(options, "}"), i);
    const Plan open = drawn(hd::concat(options, R"(, "clamp": false})"), i);
    CHECK(open.keepsColours());
    REQUIRE(open.beyond.size() == 1);
    const bool turns = !bytes.turns.empty();
    CHECK(open.beyond[0].map == (turns ? bytes.turns[0].map : bytes.colour));
    CHECK(open.beyond[0].saturation == (turns ? bytes.turns[0].saturation : 1));
    CHECK(open.beyond[0].hue == (turns ? bytes.turns[0].hue : 0));
  }
  const Plan after = pipeline(R"([{"photometric": {"clamp": false}}, {"colour": {}}, {"photometric": {}}])")
                         .plan(8, 8, draws(1));
  CHECK(after.keepsColours());  // what comes behind has no bytes to change any more
  CHECK(after.beyond.size() >= 3);
  CHECK(codeOf([] { pipeline(R"([{"photometric": {"clamp": false}}, {"mosaic": {"size": 64}}])"); }) ==
        "HD_DATA_TRANSFORM");
}

TEST_CASE("photometric without a clamp reaches the targets, and the bytes stay") {
  const auto dataset = std::make_shared<fixture::PaintedDataset>(8, 160, 120);
  const auto plain = fixture::painted(dataset, "[]", 8);
  const auto open = fixture::painted(dataset, R"([{"photometric": {"clamp": false}}])", 8);
  for (size_t i = 0; i < 8; ++i) {
    CHECK(open[i].pixels == plain[i].pixels);
    CHECK(plain[i].targets.colours.empty());
    CHECK_FALSE(open[i].targets.colours.empty());
  }
}

TEST_CASE("photometric refuses unusable options") {
  for (const char* options : {R"({"hue": 0.6})", R"({"contrast": [1.5, 0.5]})", R"({"contrast": 1})",
                              R"({"saturation": [-1, 1]})", R"({"brightness": 2})", R"({"gamma": 1})"}) {
    CAPTURE(options);
    CHECK(codeOf([&] { drawn(options, 0); }) == "HD_DATA_TRANSFORM");
  }
}
