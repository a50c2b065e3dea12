// A JSON-like value: how options travel from JavaScript into native config structs and results travel back.
// Objects keep insertion order and hold unique keys. Numbers are doubles (exact up to 2^53).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hd {

class Value {
 public:
  using Array = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object = std::vector<Member>;

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(int value) : data_(static_cast<double>(value)) {}
  Value(int64_t value) : data_(static_cast<double>(value)) {}
  Value(uint64_t value) : data_(static_cast<double>(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}

  bool isNull() const { return std::holds_alternative<std::monostate>(data_); }
  bool isBool() const { return std::holds_alternative<bool>(data_); }
  bool isNumber() const { return std::holds_alternative<double>(data_); }
  bool isString() const { return std::holds_alternative<std::string>(data_); }
  bool isArray() const { return std::holds_alternative<Array>(data_); }
  bool isObject() const { return std::holds_alternative<Object>(data_); }

  // Typed access; each throws HD_INTERNAL naming what was expected when the type differs.
  bool asBool() const;
  double asNumber() const;
  int64_t asInt() const;  ///< also throws when the number is not integral or beyond 2^53
  const std::string& asString() const;
  const Array& asArray() const;
  const Object& asObject() const;

  /// The member called `key`, or nullptr when this is no object or has none.
  const Value* find(std::string_view key) const;
  /// The member called `key`; throws HD_INTERNAL naming the key when it is missing.
  const Value& at(std::string_view key) const;

  // Optional members: the fallback stands for a missing or null member.
  bool get(std::string_view key, bool fallback) const;
  double get(std::string_view key, double fallback) const;
  int64_t get(std::string_view key, int64_t fallback) const;
  int get(std::string_view key, int fallback) const;  ///< also throws when the number does not fit an int
  std::string get(std::string_view key, const char* fallback) const;
  std::vector<double> numbers(std::string_view key) const;       ///< empty when missing
  std::vector<std::string> strings(std::string_view key) const;  ///< empty when missing

  /// Appends or replaces a member; turns null into an empty object first.
  Value& set(std::string key, Value value);
  /// Appends an element; turns null into an empty array first.
  Value& push(Value value);

 private:
  std::variant<std::monostate, bool, double, std::string, Array, Object> data_;
};

/// Strict JSON (RFC 8259, UTF-8, no duplicate keys, depth ≤ 64, at most `maxValues` values, which bounds the
/// memory that a hostile text can take to about 150 bytes a value). Throws `HD_JSON` with the byte offset.
/// For small documents (file headers, states); annotation files go through simdjson in data/.
Value parseJson(std::string_view text, size_t maxValues = size_t{1} << 24);
/// Compact JSON; whole numbers up to 2^53 print without an exponent, other doubles with the shortest digits
/// that read back equal; NaN and infinities print as null.
std::string printJson(const Value& value);

}  // namespace hd
