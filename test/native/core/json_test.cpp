#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "core/rng.h"
#include "core/value.h"

using hd::parseJson;
using hd::printJson;
using hd::Value;

namespace {

/// The message of the HD_JSON error that `text` must raise.
std::string refusal(const std::string& text, size_t maxValues = 1 << 20) {
  try {
    parseJson(text, maxValues);
  } catch (const hd::Error& error) {
    CHECK(error.code() == "HD_JSON");
    return error.what();
  }
  FAIL("accepted: ", text);
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool same(const Value& a, const Value& b) {
  if (a.isNumber() && b.isNumber()) {
    return a.asNumber() == b.asNumber() && std::signbit(a.asNumber()) == std::signbit(b.asNumber());
  }
  if (a.isString() && b.isString()) return a.asString() == b.asString();
  if (a.isBool() && b.isBool()) return a.asBool() == b.asBool();
  if (a.isArray() && b.isArray()) {
    if (a.asArray().size() != b.asArray().size()) return false;
    for (size_t i = 0; i < a.asArray().size(); ++i) {
      if (!same(a.asArray()[i], b.asArray()[i])) return false;
    }
    return true;
  }
  if (a.isObject() && b.isObject()) {
    if (a.asObject().size() != b.asObject().size()) return false;
    for (size_t i = 0; i < a.asObject().size(); ++i) {
      if (a.asObject()[i].first != b.asObject()[i].first) return false;
      if (!same(a.asObject()[i].second, b.asObject()[i].second)) return false;
    }
    return true;
  }
  return a.isNull() && b.isNull();
}

std::string randomText(hd::Random& random) {
  static const char* const kPieces[] = {"a",    "\"", "\\", "/", "\n",           "\x01",
                                        "\x7f", "é",  "€",  "😀", "\xEF\xBF\xBF", " "};
  std::string out;
  for (uint32_t left = random.below(6); left > 0; --left) out += kPieces[random.below(12)];
  return out;
}

double randomNumber(hd::Random& random) {
  switch (random.below(4)) {
    case 0:
      return static_cast<double>(random.below(2000000)) - 1000000;
    case 1:
      return random.normal();
    case 2:
      return std::ldexp(double{random.uniform(-1, 1)}, static_cast<int>(random.below(2000)) - 1000);
    default:
      return -0.0;
  }
}

Value randomValue(hd::Random& random, int depth) {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return random.chance(0.5f);
    case 2:
      return randomText(random);
    case 3:
    case 4:
      return randomNumber(random);
    case 5: {
      Value out = Value::Array{};
      for (uint32_t left = random.below(5); left > 0; --left) out.push(randomValue(random, depth - 1));
      return out;
    }
    default: {
      Value out = Value::Object{};
      for (uint32_t left = random.below(5); left > 0; --left) {
        out.set(randomText(random), randomValue(random, depth - 1));
      }
      return out;
    }
  }
}

}  // namespace

TEST_CASE("json: every kind of value") {
  const Value value =
      parseJson(" {\"a\" : [1, -2.5e3, true, false, null, \"x\"], \"b\":{}, \"c\":[ ]}\r\n\t");
  const auto& list = value.at("a").asArray();
  REQUIRE(list.size() == 6);
  CHECK(list[0].asInt() == 1);
  CHECK(list[1].asNumber() == -2500);
  CHECK(list[2].asBool());
  CHECK_FALSE(list[3].asBool());
  CHECK(list[4].isNull());
  CHECK(list[5].asString() == "x");
  CHECK(value.at("b").asObject().empty());
  CHECK(value.at("c").asArray().empty());
  CHECK(printJson(value) == R"({"a":[1,-2500,true,false,null,"x"],"b":{},"c":[]})");
}

TEST_CASE("json: members keep their order") {
  CHECK(printJson(parseJson(R"({"z":1,"a":2,"m":3})")) == R"({"z":1,"a":2,"m":3})");
}

TEST_CASE("json: escapes") {
  CHECK(parseJson(R"("\"\\\/\b\f\n\r\t")").asString() == "\"\\/\b\f\n\r\t");
  CHECK(parseJson(R"("\u0041\u00e9\u20AC\ud83d\ude00")").asString() == "Aé€😀");
  CHECK(parseJson(R"("\u0000x")").asString() == std::string("\0x", 2));
  CHECK(printJson(std::string("a\"\\\n\x1f\0", 6)) == R"("a\"\\\u000a\u001f\u0000")");
  CHECK(contains(refusal(R"("\x41")"), "unknown escape at byte 3"));
  CHECK(contains(refusal(R"("\u12 x")"), "bad \\u escape"));
  CHECK(contains(refusal(R"("\u12)"), "cut-off"));
  CHECK(contains(refusal(R"("\u+123")"), "bad \\u escape"));
  for (const char* lone :
       {R"("\ud800")", R"("\ud800x")", R"("\ud800\u0041")", R"("\udc00")", R"("\ude00\ud83d")"}) {
    CHECK(contains(refusal(lone), "lone surrogate"));
  }
}

TEST_CASE("json: strings must be UTF-8 without control characters") {
  for (const char* valid : {"\x7f", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                            "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CHECK(parseJson('"' + std::string(valid) + '"').asString() == valid);
  }
  for (const char* invalid :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2 ", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    CHECK(contains(refusal('"' + std::string(invalid) + '"'), "invalid UTF-8"));
  }
  CHECK(contains(refusal("\"a\nb\""), "control character"));
  CHECK(contains(refusal(std::string("\"\0\"", 3)), "control character"));
}

TEST_CASE("json: numbers") {
  CHECK(parseJson("0").asNumber() == 0);
  CHECK(std::signbit(parseJson("-0").asNumber()));
  CHECK(parseJson("1E+2").asNumber() == 100);
  CHECK(parseJson("0.5e-1").asNumber() == 0.05);
  CHECK(parseJson("9007199254740992").asInt() == 9007199254740992);
  CHECK(parseJson("1.7976931348623157e308").asNumber() == std::numeric_limits<double>::max());
  CHECK(parseJson("5e-324").asNumber() == std::numeric_limits<double>::denorm_min());
  for (const char* bad : {"01", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "0x10", "1_0", "--1", "NaN",
                          "Infinity", "-inf", "nan"}) {
    refusal(bad);
  }
  CHECK(contains(refusal("1e400"), "range of a double"));
  CHECK(contains(refusal("[-1e999999999999]"), "range of a double"));
}

TEST_CASE("json: whole numbers print without an exponent, others shortest") {
  CHECK(printJson(100000) == "100000");
  CHECK(printJson(int64_t{9007199254740992}) == "9007199254740992");
  CHECK(printJson(-3000000000.0) == "-3000000000");
  CHECK(printJson(0.1) == "0.1");
  CHECK(printJson(1e300) == "1e+300");
  CHECK(printJson(-0.0) == "-0");
  CHECK(printJson(std::numeric_limits<double>::quiet_NaN()) == "null");
  CHECK(printJson(-std::numeric_limits<double>::infinity()) == "null");
}

TEST_CASE("json: what the grammar forbids is refused with an offset") {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "[",
                          "]",
                          "}",
                          "[1",
                          "[1,",
                          "[1,]",
                          "[,1]",
                          "[1 2]",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\":1,}",
                          "{a:1}",
                          "{'a':1}",
                          "{1:2}",
                          "{\"a\":1 \"b\":2}",
                          "tru",
                          "truex",
                          "nul",
                          "True",
                          "\"",
                          "\"a",
                          "\"\\",
                          "1 1",
                          "[] []",
                          "// x\n1",
                          "1//",
                          "\xEF\xBB\xBF"
                          "1",
                          "[1}",
                          "{\"a\":1]"}) {
    CHECK(contains(refusal(bad), "at byte "));
  }
  CHECK(contains(refusal(std::string("1\0", 2)), "end of the document at byte 1"));
}

TEST_CASE("json: duplicate keys are refused by name, at any size") {
  CHECK(contains(refusal(R"({"a":1,"b":2,"a":3})"), "duplicate key 'a'"));
  CHECK(contains(refusal(R"({"a":1,"\u0061":3})"), "duplicate key 'a'"));
  CHECK(contains(refusal(R"([{"x":{"":1,"":2}}])"), "duplicate key ''"));
  CHECK(parseJson(R"({"a":{"a":1},"A":2})").asObject().size() == 2);

  std::string large = "{";
  for (int i = 0; i < 100000; ++i)
    large += "\"layer" + std::to_string(i * 7919 % 100000) + "\":" + std::to_string(i) + ",";
  CHECK(parseJson(large + "\"last\":0}").asObject().size() == 100001);
  CHECK(contains(refusal(large + "\"layer77\":0}"), "duplicate key 'layer77'"));
}

TEST_CASE("json: depth and the number of values are bounded") {
  const auto nested = [](int levels) {
    return std::string(static_cast<size_t>(levels), '[') + std::string(static_cast<size_t>(levels), ']');
  };
  CHECK(parseJson(nested(65)).isArray());  // the innermost stands 64 levels below the root
  CHECK(contains(refusal(nested(66)), "deeper than 64"));
  CHECK(contains(refusal(std::string(1000000, '[')), "deeper than 64"));
  std::string objects;
  for (int i = 0; i < 70; ++i) objects += "{\"a\":";
  CHECK(contains(refusal(objects), "deeper than 64"));

  CHECK(parseJson("[1,2,3]", 4).asArray().size() == 3);
  CHECK(contains(refusal("[1,2,3]", 3), "too many values"));
}

TEST_CASE("json: random values survive a round trip") {
  for (uint64_t i = 0; i < 2000; ++i) {
    hd::Random random(5, "json", 0, i);
    const Value value = randomValue(random, 4);
    const std::string text = printJson(value);
    const Value again = parseJson(text);
    REQUIRE(same(value, again));
    REQUIRE(printJson(again) == text);
  }
}

TEST_CASE("json: doubles read back equal whatever their bits") {
  hd::Random random(6, "json", 0, 0);
  for (int i = 0; i < 5000; ++i) {
    const uint64_t bits = uint64_t{random.bits()} << 32 | random.bits();
    double number = 0;
    static_assert(sizeof number == sizeof bits);
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isfinite(number)) continue;
    REQUIRE(parseJson(printJson(number)).asNumber() == number);
    REQUIRE(std::strtod(printJson(number).c_str(), nullptr) == number);
  }
}

TEST_CASE("json: mutated texts parse or are refused, never more") {
  int accepted = 0, refused = 0;
  for (uint64_t i = 0; i < 5000; ++i) {
    hd::Random random(7, "json", 0, i);
    std::string text = printJson(randomValue(random, 4));
    for (uint32_t edits = 1 + random.below(3); edits > 0 && !text.empty(); --edits) {
      const size_t at = random.below(static_cast<uint32_t>(text.size()));
      switch (random.below(4)) {
        case 0:
          text[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          text.erase(at, 1 + random.below(4));
          break;
        case 2:
          text.insert(at, 1, "[]{},:\"\\0e-.u"[random.below(13)]);
          break;
        default:
          text.resize(at);
          break;
      }
    }
    try {
      const std::string printed = printJson(parseJson(text));
      REQUIRE(printJson(parseJson(printed)) == printed);
      ++accepted;
    } catch (const hd::Error& error) {
      REQUIRE(error.code() == "HD_JSON");
      ++refused;
    }
  }
  CHECK(accepted > 100);
  CHECK(refused > 1000);
}
