#include "data/formats/braces.h"

#include <doctest/doctest.h>

#include "../data_fixture.h"

using hd::data::expandBraces;
using hd::data::foldBraces;
using Names = std::vector<std::string>;

TEST_CASE("braces: numbers, up and down, with and without leading zeros") {
  CHECK(expandBraces("plain.tar") == Names{"plain.tar"});
  CHECK(expandBraces("a-{000..002}.tar") == Names{"a-000.tar", "a-001.tar", "a-002.tar"});
  CHECK(expandBraces("{8..11}") == Names{"8", "9", "10", "11"});
  CHECK(expandBraces("{08..11}") == Names{"08", "09", "10", "11"});
  CHECK(expandBraces("{2..0}") == Names{"2", "1", "0"});
  CHECK(expandBraces("{5..5}x") == Names{"5x"});
  CHECK(expandBraces("{9..0010}") == Names{"0009", "0010"});
}

TEST_CASE("braces: alternatives and combinations") {
  CHECK(expandBraces("{train,val}.tar") == Names{"train.tar", "val.tar"});
  CHECK(expandBraces("x{,2}") == Names{"x", "x2"});
  CHECK(expandBraces("{a,b}-{0..1}") == Names{"a-0", "a-1", "b-0", "b-1"});
}

TEST_CASE("braces: what is no group stays") {
  for (const char* name : {"{", "a}b", "{a}", "{}", "{1..}", "{..2}", "{a..c}", "{1..2", "{-1..2}",
                           "{1..2..3}", "{9999999999..99999999999}"}) {
    CHECK(expandBraces(name) == Names{name});
  }
  CHECK(expandBraces("{a}{1..2}") == Names{"{a}1", "{a}2"});
}

TEST_CASE("braces: no more than a million names") {
  for (const char* pattern : {"{0..1000000}", "{0..999}{0..999}{0..1}", "{999999999..0}"}) {
    CHECK(fixture::codeOf([&] { expandBraces(pattern); }) == "HD_DATA_SHARD");
  }
  CHECK(expandBraces("{0..999999}").size() == 1'000'000);
}

TEST_CASE("braces: folding names that count, and only those") {
  const auto folded = [](const std::string& pattern) { return foldBraces(expandBraces(pattern)); };
  for (const char* pattern :
       {"/d/train-{000..012}.tar", "{8..11}.tar", "a1-{98..102}-z9.tar", "x{0099..0100}"})
    CHECK(folded(pattern) == Names{pattern});
  for (const Names& names :
       {Names{}, Names{"a.tar"}, Names{"a.tar", "b.tar"}, Names{"a0.tar", "a2.tar"}, Names{"a1", "a0"},
        Names{"a0", "a1", "a1"}, Names{"a0b0", "a1b1"}, Names{"a9", "a10", "b11"}, Names{"a0", "a01"},
        Names{"a", "a1"}, Names{"a{0,1}0", "a{0,1}1"}})
    CHECK(foldBraces(names) == names);
}
