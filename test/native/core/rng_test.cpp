#include "core/rng.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <vector>

using hd::Random;

TEST_CASE("philox: known answers of the Random123 distribution (kat_vectors, philox4x32 10)") {
  using Block = std::array<uint32_t, 4>;
  CHECK(hd::philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(hd::philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(hd::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("hashName: FNV-1a") {
  static_assert(hd::hashName("") == 0xcbf29ce484222325ull);
  CHECK(hd::hashName("a") == 0xaf63dc4c8601ec8cull);
  CHECK(hd::hashName("foobar") == 0x85944171f73967e8ull);
}

TEST_CASE("random: draws are the blocks of the stated key and counter") {
  const uint64_t seed = 12345, position = 0x100000002ull;
  const uint64_t mixed = (seed * 0x9E3779B97F4A7C15ull) ^ hd::hashName("augment");
  Random random(seed, "augment", 3, position);
  for (uint32_t block = 0; block < 5; ++block) {
    const auto expected =
        hd::philox({block, 3, 2, 1}, {static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32)});
    for (const uint32_t word : expected) CHECK(random.bits() == word);
  }
}

TEST_CASE("random: frozen vectors (a change here makes every run unrepeatable)") {
  Random bits(1, "order", 2, 3);
  CHECK(bits.bits() == 0xa8c643acu);
  CHECK(bits.bits() == 0x69332611u);
  Random uniform(1, "init", 0, 0);
  CHECK(uniform.uniform() == 0x1.4ed2ap-2f);
  CHECK(uniform.uniform(-2, 6) == 0x1.05e718p+0f);
  CHECK(uniform.below(1000) == 667);
  Random normal(1, "init", 0, 1);
  CHECK(normal.normal() == doctest::Approx(0.517954).epsilon(1e-6));
  CHECK(normal.normal() == doctest::Approx(-0.3409882).epsilon(1e-6));
}

TEST_CASE("random: equal coordinates repeat, and each coordinate matters") {
  const auto first = [](uint64_t seed, const char* stream, uint64_t epoch, uint64_t position) {
    Random random(seed, stream, epoch, position);
    return uint64_t{random.bits()} << 32 | random.bits();
  };
  CHECK(first(1, "order", 2, 3) == first(1, "order", 2, 3));
  std::set<uint64_t> seen;
  for (uint64_t seed : {0ull, 1ull, 1ull << 32, ~0ull}) {
    for (const char* stream : {"order", "augment", "init", "dropout", "sampler", "synthetic"}) {
      for (uint64_t epoch : {0ull, 1ull, 299ull}) {
        for (uint64_t position : {0ull, 1ull, 118286ull, 1ull << 32, 1ull << 63})
          seen.insert(first(seed, stream, epoch, position));
      }
    }
  }
  CHECK(seen.size() == 4 * 6 * 3 * 5);
}

TEST_CASE("random: uniform stays in [0, 1), is exact in 24 bits and has the right moments") {
  Random random(9, "test", 0, 0);
  const int count = 100000;
  double sum = 0, squares = 0;
  std::vector<int> bins(10);
  for (int i = 0; i < count; ++i) {
    const float u = random.uniform();
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    REQUIRE(std::ldexp(u, 24) == std::floor(std::ldexp(u, 24)));
    sum += u;
    squares += static_cast<double>(u) * u;
    ++bins[static_cast<size_t>(u * 10)];
  }
  // Five standard errors: 1/sqrt(12 n) for the mean, sqrt(4/45 / n) for the second moment.
  CHECK(std::abs(sum / count - 0.5) < 5 * std::sqrt(1.0 / 12 / count));
  CHECK(std::abs(squares / count - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / count));
  for (const int bin : bins) CHECK(std::abs(bin - count / 10) < 5 * std::sqrt(count * 0.1 * 0.9));
}

TEST_CASE("random: uniform in a range stays in it") {
  Random random(10, "test", 0, 0);
  for (int i = 0; i < 10000; ++i) {
    const float value = random.uniform(-3.5f, 2.25f);
    REQUIRE(value >= -3.5f);
    REQUIRE(value <= 2.25f);
  }
  CHECK(random.uniform(4, 4) == 4);
}

TEST_CASE("random: below reaches every value and never its bound") {
  Random random(11, "test", 0, 0);
  for (const uint32_t bound : {1u, 2u, 3u, 7u, 10u}) {
    std::map<uint32_t, int> counts;
    const int draws = 5000 * static_cast<int>(bound);
    for (int i = 0; i < draws; ++i) ++counts[random.below(bound)];
    REQUIRE(counts.size() == bound);
    CHECK(counts.rbegin()->first == bound - 1);
    for (const auto& [value, count] : counts) CHECK(std::abs(count - 5000) < 5 * std::sqrt(5000.0) + 1);
  }
  for (int i = 0; i < 1000; ++i) REQUIRE(random.below(0xffffffffu) < 0xffffffffu);
}

TEST_CASE("random: chance has its probability and is certain at 0 and 1") {
  Random random(12, "test", 0, 0);
  int hits = 0;
  for (int i = 0; i < 40000; ++i) {
    REQUIRE_FALSE(random.chance(0));
    REQUIRE(random.chance(1));
    hits += random.chance(0.3f);
  }
  CHECK(std::abs(hits - 12000) < 5 * std::sqrt(40000 * 0.3 * 0.7));
}

TEST_CASE("random: normal has the moments of a standard normal and costs two draws a call") {
  Random random(13, "test", 0, 0);
  const int count = 100000;
  double sum = 0, squares = 0, fourth = 0;
  int beyondTwo = 0;
  for (int i = 0; i < count; ++i) {
    const double value = random.normal();
    REQUIRE(std::isfinite(value));
    sum += value;
    squares += value * value;
    fourth += value * value * value * value;
    beyondTwo += std::abs(value) > 2;
  }
  // Five standard errors: variances 1, 2 and 96 of x, x^2 and x^4.
  CHECK(std::abs(sum / count) < 5 / std::sqrt(count));
  CHECK(std::abs(squares / count - 1) < 5 * std::sqrt(2.0 / count));
  CHECK(std::abs(fourth / count - 3) < 5 * std::sqrt(96.0 / count));
  CHECK(std::abs(beyondTwo - 0.0455 * count) < 5 * std::sqrt(0.0455 * count));

  Random once(14, "test", 0, 0), twice(14, "test", 0, 0);
  once.normal();
  twice.bits();
  twice.bits();
  CHECK(once.bits() == twice.bits());
}
