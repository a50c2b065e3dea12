#include "ops/nms_bench.h"

#include <doctest/doctest.h>

using hd::Value;

TEST_CASE("the suppression bench reports what it timed and repeats itself") {
  const Value options = Value::Object{{"candidates", 2000}, {"classes", 4}, {"repeats", 3}, {"seed", 5}};
  const Value first = hd::ops::benchNms(options), second = hd::ops::benchNms(options);
  CHECK(first.at("candidates").asInt() == 2000);
  CHECK(first.at("classes").asInt() == 4);
  CHECK(first.at("milliseconds").asNumber() > 0);
  CHECK(first.at("kept").asInt() > 0);
  CHECK(first.at("kept").asInt() < 2000);
  CHECK(first.at("kept").asInt() == second.at("kept").asInt());
}

TEST_CASE("a stricter threshold keeps fewer") {
  const auto kept = [](double threshold) {
    return hd::ops::benchNms(
               Value::Object{{"candidates", 2000}, {"classes", 4}, {"repeats", 1}, {"threshold", threshold}})
        .at("kept")
        .asInt();
  };
  CHECK(kept(0.2) < kept(0.6));
  CHECK(kept(1.0) == 2000);
  CHECK(hd::ops::benchNms(Value::Object{{"candidates", 0}}).at("kept").asInt() == 0);
}
