#include <doctest/doctest.h>

#include <cstdlib>

#include "runner.h"

// HDTRAIN_FUZZ_INPUTS (1000): how many inputs of each target; `npm run fuzz` tries many more, under
// sanitizers.
TEST_CASE("no damaged file does more than throw its error") {
  const char* chosen = std::getenv("HDTRAIN_FUZZ_INPUTS");
  const uint64_t count = chosen == nullptr ? 1000 : std::strtoull(chosen, nullptr, 10);
  for (const std::string& name : fuzz::targetNames()) {
    CAPTURE(name);
    const fuzz::Outcome outcome = fuzz::run(fuzz::makeTarget(name), 1, 0, count);
    if (outcome.failure) {
      FAIL_CHECK(name, " input ", outcome.failure->index, " ", outcome.failure->what,
                 "; again: fuzz --target ", name, " --first ", outcome.failure->index, " --count 1");
      continue;
    }
    CHECK(outcome.inputs == count);
    // Mild enough to reach the reader, harsh enough to be refused.
    CHECK(outcome.accepted * 100 > count);
    CHECK(outcome.accepted * 100 < 95 * count);
  }
}

TEST_CASE("every sample of every target is read as it is") {
  for (const std::string& name : fuzz::targetNames()) {
    CAPTURE(name);
    const fuzz::Target target = fuzz::makeTarget(name);
    const size_t samples = fuzz::Inputs(target, 1).samples();
    const fuzz::Outcome outcome = fuzz::run(target, 1, 0, samples);
    for (const auto& [code, inputs] : outcome.refused) FAIL_CHECK(inputs, " refused with ", code);
    CHECK_FALSE(outcome.failure);
    CHECK(outcome.accepted == samples);
  }
}

TEST_CASE("readers of everything that comes from outside are targets") {
  const std::vector<std::string> expected = {"bmp",         "coco",          "detect", "jpeg", "lists",
                                             "lvis",        "picture_entry", "png",    "pth",  "results",
                                             "safetensors", "samples",       "tar",    "voc",  "yolo"};
  CHECK(fuzz::targetNames() == expected);
}
