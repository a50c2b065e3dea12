#include <doctest/doctest.h>

#include "native/data/picture_fixture.h"
#include "native/data/transforms/steps.h"

using fixture::codeOf;
using fixture::draws;
using fixture::pipeline;

TEST_CASE("flip mirrors the wanted share of pictures") {
  const auto flipped = [](const char* json) {
    const hd::data::Pipeline steps = pipeline(json);
    int count = 0;
    for (uint64_t i = 0; i < 2000; ++i) count += steps.plan(10, 10, draws(i)).geometry.flipped;
    return count;
  };
  CHECK(flipped(R"([{"flip": {"probability": 0}}])") == 0);
  CHECK(flipped(R"([{"flip": {"probability": 1}}])") == 2000);
  CHECK(flipped(R"([{"flip": {}}])") == doctest::Approx(1000).epsilon(0.1));
  CHECK(flipped(R"([{"flip": {"probability": 0.1}}])") == doctest::Approx(200).epsilon(0.25));
  CHECK(flipped(R"([{"flip": {"probability": 1}}, {"flip": {"probability": 1}}])") == 0);
}

TEST_CASE("flip refuses unusable options") {
  for (const char* json :
       {R"([{"flip": {"probability": -0.1}}])", R"([{"flip": {"p": 1}}])",
        R"([{"flip": {"keypointPairs": [[1]]}}])", R"([{"flip": {"keypointPairs": [[1, -2]]}}])",
        R"([{"flip": {"keypointPairs": [3]}}])"}) {
    CAPTURE(json);
    CHECK(codeOf([&] { pipeline(json); }) == "HD_DATA_TRANSFORM");
  }
}
