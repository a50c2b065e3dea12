// formula.json: the hash, the bit mixer and worked values of the formula that every other reader relies on.
#include "formula.h"

#include <cstdio>

#include "core/rng.h"
#include "golden.h"

namespace {

std::string hex(uint64_t value) {
  char text[19];
  std::snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(value));
  return text;
}

// 15 printed digits hold a double to half a unit of the 15th; 9 digits hold a float exactly.
constexpr golden::Tolerance kFifteenDigits{1e-14, 0};

}  // namespace

GOLDEN("formula", file, check) {
  for (const auto& [text, expected] : file.at("hash_checks").asObject()) {
    check.equal(hex(hd::hashName(text)), expected.asString(), "hash of '" + text + "'");
  }
  check.equal(hex(golden::formulaBits(0, 0)), file.at("splitmix64_of_0").asString(), "splitmix64 of 0");
  for (const hd::Value& worked : file.at("worked").asArray()) {
    const std::string name = worked.at("hashed_name").asString();
    const auto index = static_cast<uint64_t>(worked.at("index").asInt());
    const uint64_t hash = hd::hashName(name);
    const double u = golden::formulaUniform(hash, index);
    check.equal(hex(hash), worked.at("h").asString(), name + " h");
    check.equal(hex(golden::formulaBits(hash, index)), worked.at("z").asString(), name + " z");
    check.equal(u, worked.at("u").asNumber(), name + " u");

    double value = 0;
    if (worked.at("kind").asString() == "input") {
      const double lo = worked.at("lo").asNumber(), hi = worked.at("hi").asNumber();
      value = lo + (hi - lo) * u;
    } else {
      value = golden::formulaParameter(worked.at("state_dict_name").asString(), golden::shapeOf(worked), u);
    }
    if (const hd::Value* expected = worked.find("value_float64")) {
      check.close(value, expected->asNumber(), kFifteenDigits, name + " float64");
    }
    check.equal(static_cast<float>(value), static_cast<float>(worked.at("value_float32").asNumber()),
                name + " float32");
  }
}
