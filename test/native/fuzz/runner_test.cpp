#include "runner.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "core/error.h"

using fuzz::Outcome;
using fuzz::Target;

namespace {

/// A target that does `read` with everything.
Target doing(std::function<void(const std::string&, const std::string&)> read) {
  return {[] { return std::vector<fuzz::Sample>{{"sample"}}; }, {"a", "b"}, {"HD_DATA_"}, std::move(read)};
}

Outcome tried(std::function<void(const std::string&, const std::string&)> read, uint64_t count = 50) {
  return fuzz::run(doing(std::move(read)), 1, 0, count, {.seconds = 0.3, .bytes = size_t{256} << 20});
}

/// Fails from the first damaged input on, with the sample itself being read.
template <class Act>
auto onDamage(Act act) {
  return [act](const std::string& input, const std::string&) {
    if (input != "sample") act();
  };
}

}  // namespace

TEST_CASE("what is read and what is refused is counted by code") {
  const Outcome outcome = tried([](const std::string& input, const std::string&) {
    if (input.size() > 6) throw hd::Error("HD_DATA_LONG", "too long: shorten it");
    if (input.size() < 6) throw hd::Error("HD_DATA_SHORT", "too short: lengthen it");
  });
  CHECK_FALSE(outcome.failure);
  CHECK(outcome.inputs == 50);
  CHECK(outcome.refused.size() == 2);
  CHECK(outcome.accepted + outcome.refused.at("HD_DATA_LONG") + outcome.refused.at("HD_DATA_SHORT") == 50);
}

TEST_CASE(
    "an exception that is no error of ours, one without a sentence, and a code of another part are "
    "failures") {
  const auto what = [](auto act) {
    const Outcome outcome = tried(onDamage(act));
    REQUIRE(outcome.failure);
    CHECK(outcome.failure->index >= 1);
    CHECK(outcome.inputs == outcome.failure->index + 1);
    return outcome.failure->what;
  };
  CHECK(what([] { throw std::out_of_range("vector"); }) == "threw no hd::Error: vector");
  CHECK(what([] { throw 5; }) == "threw something that is no exception");
  CHECK(what([] { throw hd::Error("HD_INTERNAL", "a mistake"); }) == "threw HD_INTERNAL: a mistake");
  CHECK(what([] { throw hd::Error("HD_DATA_X", ""); }) == "threw HD_DATA_X without a sentence");
  CHECK(what([] { fuzz::promise(false, "a box without area"); }).ends_with("a box without area"));
}

TEST_CASE("a crash, an exit and a hang end the child alone and name the input") {
  const Outcome crash = tried(onDamage([] { std::raise(SIGKILL); }));
  REQUIRE(crash.failure);
  CHECK(crash.failure->what.starts_with("crashed: "));
  CHECK(crash.inputs == crash.failure->index);
  for (const int status : {0, 9}) {
    const Outcome end = tried(onDamage([status] { std::_Exit(status); }));
    REQUIRE(end.failure);
    CHECK(end.failure->what == "ended the process with status " + std::to_string(status));
  }
  const auto computing = [] {
    for (volatile int i = 0;; i = i + 1) {
    }
  };
  const auto waiting = [] { ::pause(); };
  for (const Outcome& hang : {tried(onDamage(computing)), tried(onDamage(waiting))}) {
    REQUIRE(hang.failure);
    CHECK(hang.failure->what == "took more than 0.3 s");
  }
}

#ifndef HD_SANITIZE
TEST_CASE("an allocation beyond the limit is a failure") {
  const Outcome outcome = tried(onDamage([] { std::vector<char> large(size_t{1} << 30); }));
  REQUIRE(outcome.failure);
  CHECK(outcome.failure->what == "threw no hd::Error: std::bad_alloc");
}
#endif

TEST_CASE("a failing input can be tried alone, and is the same in any process") {
  const auto fails = [](const std::string& input, const std::string&) {
    if (input.size() == 4) throw std::runtime_error(input);
  };
  const Outcome many = tried(fails, 5000);
  REQUIRE(many.failure);
  const Outcome alone = fuzz::run(doing(fails), 1, many.failure->index, 1);
  REQUIRE(alone.failure);
  CHECK(alone.inputs == 1);
  CHECK(alone.failure->index == many.failure->index);
  CHECK(alone.failure->what == many.failure->what);
  const Target target = doing(fails);
  CHECK(alone.failure->what.ends_with(fuzz::Inputs(target, 1).at(many.failure->index)));
}

TEST_CASE("the folder is kept from input to input and removed at the end") {
  const Outcome outcome = tried([](const std::string&, const std::string& folder) {
    const std::string file = folder + "/kept";
    if (!std::filesystem::exists(file)) {
      std::ofstream(file) << folder;
      throw hd::Error("HD_DATA_FIRST", "the first");
    }
    throw std::runtime_error(folder);
  });
  REQUIRE(outcome.failure);
  CHECK(outcome.failure->index == 1);
  const std::string folder = outcome.failure->what.substr(outcome.failure->what.find('/'));
  CHECK_FALSE(std::filesystem::exists(folder));
}
