#include "data/rle.h"

#include <doctest/doctest.h>

#include "core/rng.h"

using namespace hd::data;

TEST_CASE("run lengths survive packing, extremes included") {
  hd::Random random(1, "test", 0, 0);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint32_t> counts(random.below(20));
    for (uint32_t& run : counts) run = random.bits() >> random.below(32);
    const auto back = unpackRle(packRle(counts));
    REQUIRE(back.has_value());
    CHECK(*back == counts);
  }
  const std::vector<uint32_t> extremes{0, UINT32_MAX, 0, 0, UINT32_MAX, UINT32_MAX, 0};
  CHECK(unpackRle(packRle(extremes)) == extremes);
  CHECK(packRle({}).empty());
  CHECK(unpackRle("")->empty());
}

TEST_CASE("differences to the run before last start with the fourth run") {
  // By hand: 6, 1, 9 plain; then 1 − 1 = 0, 7 − 9 = −2, i.e. '0' + 30 with the sign bit set.
  CHECK(packRle(std::vector<uint32_t>{6, 1, 9, 1, 7}) == "6190N");
  CHECK(unpackRle("6190N") == std::vector<uint32_t>{6, 1, 9, 1, 7});
}

TEST_CASE("strings that are no masks are refused") {
  CHECK_FALSE(unpackRle("P").has_value());  // a group that goes on after the end
  CHECK_FALSE(unpackRle("/").has_value());  // below '0'
  CHECK_FALSE(unpackRle("6 1").has_value());
  CHECK_FALSE(unpackRle("\xFF").has_value());
  CHECK_FALSE(unpackRle("N").has_value());                         // a run of −2
  CHECK_FALSE(unpackRle(std::string(20, 'o') + "0").has_value());  // more than 32 bits
  CHECK_FALSE(unpackRle(packRle(std::vector<uint32_t>{1, 2, 3}) + "ooooooo0").has_value());
}

TEST_CASE("random text never breaks unpacking") {
  hd::Random random(2, "test", 0, 0);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random.below(30), '0');
    for (char& symbol : text) symbol = static_cast<char>('0' + random.below(64));
    const auto counts = unpackRle(text);
    if (counts) CHECK(unpackRle(packRle(*counts)) == *counts);
  }
}
