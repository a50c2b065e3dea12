// Typed access to a parsed JSON file whose errors name the file and the element, for instance
//   expected a number for annotations[12].bbox[2] but received a string; correct the file
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hd::eval {

/// Where an element stands: a chain of names and indices that costs nothing until an error prints it.
class JsonPlace {
 public:
  JsonPlace() = default;
  JsonPlace(const JsonPlace* parent, std::string_view name) : parent_(parent), name_(name) {}
  JsonPlace(const JsonPlace* parent, size_t index) : parent_(parent), index_(index), isIndex_(true) {}
  std::string text() const;

 private:
  const JsonPlace* parent_ = nullptr;
  std::string_view name_;
  size_t index_ = 0;
  bool isIndex_ = false;
};

/// A parsed file. Elements live as long as it does.
class JsonFile {
 public:
  /// Throws HD_DATA_FILE when it cannot be read, HD_DATA_JSON (with the byte offset) when it is no JSON or
  /// nested deeper than 32 levels.
  explicit JsonFile(const std::string& path);

  simdjson::dom::element root() const { return root_; }

  // Each throws HD_DATA_FIELD naming `place` unless the element is of the type and, where given, in the
  // range.
  simdjson::dom::array array(simdjson::dom::element element, const JsonPlace& place) const;
  simdjson::dom::object object(simdjson::dom::element element, const JsonPlace& place) const;
  double number(simdjson::dom::element element, const JsonPlace& place) const;
  double nonNegative(simdjson::dom::element element, const JsonPlace& place) const;
  int64_t integer(simdjson::dom::element element, const JsonPlace& place) const;  ///< 3 or 3.0
  uint32_t count(simdjson::dom::element element, const JsonPlace& place) const;  ///< integer in 0 … 2^32 − 1
  bool flag(simdjson::dom::element element, const JsonPlace& place) const;       ///< 0, 1, false, true
  std::string_view text(simdjson::dom::element element, const JsonPlace& place) const;
  std::vector<double> numbers(simdjson::dom::element element, const JsonPlace& place) const;

  /// Throws Error{code, "expected <what> for <place> but received <received>; <cure>", file}.
  [[noreturn]] void fail(const char* code, const std::string& what, const JsonPlace& place,
                         const std::string& received, const char* cure = "correct the file") const;

 private:
  [[noreturn]] void wrongType(const std::string& what, simdjson::dom::element element,
                              const JsonPlace& place) const;

  std::string path_;
  simdjson::padded_string bytes_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace hd::eval
