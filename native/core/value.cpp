#include "core/value.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace hd {
namespace {

[[noreturn]] void wrongType(const char* expected) {
  throw Error("HD_INTERNAL", concat("expected ", expected, " in native options"));
}

}  // namespace

bool Value::asBool() const {
  if (!isBool()) wrongType("a boolean");
  return std::get<bool>(data_);
}

double Value::asNumber() const {
  if (!isNumber()) wrongType("a number");
  return std::get<double>(data_);
}

int64_t Value::asInt() const {
  const double number = asNumber();
  if (std::trunc(number) != number || std::abs(number) > 9007199254740992.0) wrongType("an integer");
  return static_cast<int64_t>(number);
}

const std::string& Value::asString() const {
  if (!isString()) wrongType("a string");
  return std::get<std::string>(data_);
}

const Value::Array& Value::asArray() const {
  if (!isArray()) wrongType("an array");
  return std::get<Array>(data_);
}

const Value::Object& Value::asObject() const {
  if (!isObject()) wrongType("an object");
  return std::get<Object>(data_);
}

const Value* Value::find(std::string_view key) const {
  if (!isObject()) return nullptr;
  for (const auto& [name, value] : std::get<Object>(data_)) {
    if (name == key) return &value;
  }
  return nullptr;
}

const Value& Value::at(std::string_view key) const {
  const Value* member = find(key);
  if (member == nullptr)
    throw Error("HD_INTERNAL", concat("expected a member '", key, "' in native options"));
  return *member;
}

bool Value::get(std::string_view key, bool fallback) const {
  const Value* member = find(key);
  return member == nullptr || member->isNull() ? fallback : member->asBool();
}

double Value::get(std::string_view key, double fallback) const {
  const Value* member = find(key);
  return member == nullptr || member->isNull() ? fallback : member->asNumber();
}

int64_t Value::get(std::string_view key, int64_t fallback) const {
  const Value* member = find(key);
  return member == nullptr || member->isNull() ? fallback : member->asInt();
}

int Value::get(std::string_view key, int fallback) const {
  const int64_t value = get(key, int64_t{fallback});
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max())
    wrongType("a 32-bit integer");
  return static_cast<int>(value);
}

std::string Value::get(std::string_view key, const char* fallback) const {
  const Value* member = find(key);
  return member == nullptr || member->isNull() ? fallback : member->asString();
}

std::vector<double> Value::numbers(std::string_view key) const {
  std::vector<double> out;
  const Value* member = find(key);
  if (member == nullptr || member->isNull()) return out;
  for (const Value& element : member->asArray()) out.push_back(element.asNumber());
  return out;
}

std::vector<std::string> Value::strings(std::string_view key) const {
  std::vector<std::string> out;
  const Value* member = find(key);
  if (member == nullptr || member->isNull()) return out;
  for (const Value& element : member->asArray()) out.push_back(element.asString());
  return out;
}

Value& Value::set(std::string key, Value value) {
  if (isNull()) data_ = Object{};
  if (!isObject()) wrongType("an object");
  auto& object = std::get<Object>(data_);
  for (auto& [name, existing] : object) {
    if (name == key) {
      existing = std::move(value);
      return *this;
    }
  }
  object.emplace_back(std::move(key), std::move(value));
  return *this;
}

Value& Value::push(Value value) {
  if (isNull()) data_ = Array{};
  if (!isArray()) wrongType("an array");
  std::get<Array>(data_).push_back(std::move(value));
  return *this;
}

}  // namespace hd
