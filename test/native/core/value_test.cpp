#include "core/value.h"

#include <doctest/doctest.h>

#include <limits>

#include "core/error.h"

using hd::Value;

namespace {

template <class Call>
std::string messageOf(Call call) {
  try {
    call();
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_INTERNAL");
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("value: each constructor gives its kind and no other") {
  const Value values[] = {{}, true, 1.5, "text", Value::Array{}, Value::Object{}};
  for (int kind = 0; kind < 6; ++kind) {
    CHECK(values[kind].isNull() == (kind == 0));
    CHECK(values[kind].isBool() == (kind == 1));
    CHECK(values[kind].isNumber() == (kind == 2));
    CHECK(values[kind].isString() == (kind == 3));
    CHECK(values[kind].isArray() == (kind == 4));
    CHECK(values[kind].isObject() == (kind == 5));
  }
  CHECK(Value(nullptr).isNull());
  CHECK(Value(7).asNumber() == 7);
  CHECK(Value(int64_t{-7}).asInt() == -7);
  CHECK(Value(uint64_t{7}).asInt() == 7);
  CHECK(Value(std::string("s")).asString() == "s");
}

TEST_CASE("value: typed access names what it expected") {
  const Value text = "text", number = 1.5;
  CHECK(messageOf([&] { text.asBool(); }) == "expected a boolean in native options");
  CHECK(messageOf([&] { text.asNumber(); }) == "expected a number in native options");
  CHECK(messageOf([&] { number.asString(); }) == "expected a string in native options");
  CHECK(messageOf([&] { number.asArray(); }) == "expected an array in native options");
  CHECK(messageOf([&] { number.asObject(); }) == "expected an object in native options");
  CHECK(messageOf([&] { text.asInt(); }) == "expected a number in native options");
}

TEST_CASE("value: integers are whole and within 2^53") {
  CHECK(Value(9007199254740992.0).asInt() == 9007199254740992);
  CHECK(Value(-9007199254740992.0).asInt() == -9007199254740992);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.5, -1.25, 9007199254740994.0, 1e300, infinity, -infinity,
                           std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(messageOf([&] { Value(bad).asInt(); }) == "expected an integer in native options");
  }
}

TEST_CASE("value: members are found, replaced in place and appended") {
  Value value;
  CHECK(value.find("a") == nullptr);
  value.set("a", 1).set("b", "x").set("a", 2);
  REQUIRE(value.asObject().size() == 2);
  CHECK(value.asObject()[0].first == "a");
  CHECK(value.at("a").asInt() == 2);
  CHECK(value.find("c") == nullptr);
  CHECK(Value(3).find("a") == nullptr);
  CHECK(messageOf([&] { value.at("c"); }) == "expected a member 'c' in native options");
  CHECK(messageOf([&] { Value(3).at("c"); }) == "expected a member 'c' in native options");
  CHECK(messageOf([&] { Value(3).set("c", 1); }) == "expected an object in native options");
}

TEST_CASE("value: push makes an array of null and refuses everything else") {
  Value value;
  value.push(1).push("two").push(Value{});
  REQUIRE(value.asArray().size() == 3);
  CHECK(value.asArray()[1].asString() == "two");
  CHECK(messageOf([] { Value("text").push(1); }) == "expected an array in native options");
}

TEST_CASE("value: optional members fall back when missing or null, and only then") {
  Value value;
  value.set("flag", true).set("rate", 0.5).set("count", 3).set("name", "gfl").set("none", nullptr);
  CHECK(value.get("flag", false));
  CHECK(value.get("rate", 1.0) == 0.5);
  CHECK(value.get("count", 0) == 3);
  CHECK(value.get("count", int64_t{0}) == 3);
  CHECK(value.get("name", "other") == "gfl");
  for (const char* absent : {"none", "missing"}) {
    CHECK(value.get(absent, true));
    CHECK(value.get(absent, 2.5) == 2.5);
    CHECK(value.get(absent, 4) == 4);
    CHECK(value.get(absent, int64_t{5}) == 5);
    CHECK(value.get(absent, "six") == "six");
    CHECK(value.numbers(absent).empty());
    CHECK(value.strings(absent).empty());
  }
  CHECK(messageOf([&] { value.get("name", 1.0); }) == "expected a number in native options");
  CHECK(messageOf([&] { value.get("rate", 1); }) == "expected an integer in native options");
  CHECK(messageOf([&] { value.get("count", "x"); }) == "expected a string in native options");
  CHECK(Value(3).get("flag", true));
}

TEST_CASE("value: a number that does not fit an int is refused rather than cut") {
  Value value;
  value.set("low", -2147483648.0).set("beyond", 2147483648.0).set("below", -2147483649.0);
  CHECK(value.get("low", 0) == std::numeric_limits<int>::min());
  CHECK(messageOf([&] { value.get("beyond", 0); }) == "expected a 32-bit integer in native options");
  CHECK(messageOf([&] { value.get("below", 0); }) == "expected a 32-bit integer in native options");
  CHECK(value.get("beyond", int64_t{0}) == 2147483648);
}

TEST_CASE("value: lists of numbers and strings check every element") {
  const Value value = hd::parseJson(R"({"n":[1,2.5],"s":["a","b"],"mixed":[1,"a"]})");
  CHECK(value.numbers("n") == std::vector<double>{1, 2.5});
  CHECK(value.strings("s") == std::vector<std::string>{"a", "b"});
  CHECK(messageOf([&] { value.numbers("mixed"); }) == "expected a number in native options");
  CHECK(messageOf([&] { value.strings("mixed"); }) == "expected a string in native options");
}
