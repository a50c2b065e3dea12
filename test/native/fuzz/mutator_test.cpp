#include "mutator.h"

#include <doctest/doctest.h>

#include <set>

using fuzz::mutate;

namespace {

const std::vector<std::string> kTokens = {"<token>"};
const std::string kSample = "header: 12 values, 34 of them in rows of 5678 bytes; end";

std::string damaged(uint64_t index, uint64_t seed = 1, const std::string& sample = kSample) {
  hd::Random random(seed, "fuzz", 0, index);
  return mutate(sample, "OTHER", kTokens, random);
}

/// How many of a thousand damaged samples hold `piece`.
int holding(const std::string& piece) {
  int count = 0;
  for (uint64_t i = 0; i < 1000; ++i) count += damaged(i).find(piece) != std::string::npos;
  return count;
}

}  // namespace

TEST_CASE("the same seed and index give the same damage, others another") {
  CHECK(damaged(5) == damaged(5));
  std::set<std::string> all;
  for (uint64_t i = 0; i < 1000; ++i) all.insert(damaged(i));
  CHECK(all.size() > 800);
  int equal = 0;
  for (uint64_t i = 0; i < 100; ++i) equal += damaged(i, 1) == damaged(i, 2);
  CHECK(equal < 20);
}

TEST_CASE("every kind of damage happens") {
  CHECK(holding("<token>") > 30);
  CHECK(holding("OTHER") > 10);
  CHECK(holding("18446744073709551615") > 3);  // a decimal number at its extreme
  CHECK(holding("\xFF\xFF\xFF\xFF") > 2);      // a binary one
  int longer = 0, shorter = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    longer += damaged(i).size() > kSample.size() + 1000;
    shorter += damaged(i).size() < kSample.size() / 2;
  }
  CHECK(longer > 0);
  CHECK(shorter > 10);
}

TEST_CASE("numbers of either byte order reach the limits of their widths") {
  std::set<std::string> seen;
  for (uint64_t i = 0; i < 200000; ++i) seen.insert(damaged(i, 1, std::string(8, 'x')));
  CHECK(seen.contains(std::string("\xFF\xFF\xFF\x7Fxxxx")));
  CHECK(seen.contains(std::string("\x7F\xFF\xFF\xFFxxxx")));
  CHECK(seen.contains(std::string("xx\x80\0xxxx", 8)));
  CHECK(seen.contains(std::string("xxxxxxyx")));
}

TEST_CASE("an empty sample stays empty, and nothing grows without end") {
  CHECK(damaged(1, 1, "").empty());
  const std::string large(fuzz::kMaxInput, 'x');
  for (uint64_t i = 0; i < 300; ++i) REQUIRE(damaged(i, 1, large).size() <= fuzz::kMaxInput);
}
