#include "eval/json_fields.h"

#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/value.h"

namespace hd::eval {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr size_t kMaxDepth = 32;  // COCO files need five

std::string describe(element value) {
  switch (value.type()) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "a boolean";
    case element_type::NULL_VALUE:
      return "null";
    default:
      return concat(simdjson::minify(value));
  }
}

/// The parser says only that the text is wrong; the slower one of core/ says where.
std::string describeSyntaxError(std::string_view text, simdjson::error_code code) {
  try {
    parseJson(text);
  } catch (const Error& error) {
    return error.what();
  }
  return simdjson::error_message(code);
}

}  // namespace

std::string JsonPlace::text() const {
  const std::string before = parent_ == nullptr ? "" : parent_->text();
  if (isIndex_) return concat(before, "[", index_, "]");
  if (name_.empty()) return before;
  return before.empty() ? std::string(name_) : concat(before, ".", name_);
}

JsonFile::JsonFile(const std::string& path) : path_(path) {
  std::error_code ignored;
  const bool readable = std::filesystem::is_regular_file(path, ignored);
  if (!readable || simdjson::padded_string::load(path).get(bytes_) != simdjson::SUCCESS) {
    throw Error("HD_DATA_FILE",
                concat("expected a readable JSON file but received ", path, "; check the path"), path);
  }
  simdjson::error_code code = parser_.allocate(bytes_.size(), kMaxDepth);
  if (code == simdjson::SUCCESS) code = parser_.parse(bytes_).get(root_);
  if (code != simdjson::SUCCESS) {
    throw Error("HD_DATA_JSON",
                concat("expected JSON in ", path, " but received a syntax error: ",
                       describeSyntaxError(bytes_, code), "; write the file again"),
                path);
  }
}

void JsonFile::fail(const char* code, const std::string& what, const JsonPlace& place,
                    const std::string& received, const char* cure) const {
  const std::string where = place.text();
  throw Error(code,
              concat("expected ", what, " for ", where.empty() ? "the file" : where, " of ", path_,
                     " but received ", received, "; ", cure),
              path_);
}

void JsonFile::wrongType(const std::string& what, element value, const JsonPlace& place) const {
  fail("HD_DATA_FIELD", what, place, describe(value));
}

simdjson::dom::array JsonFile::array(element value, const JsonPlace& place) const {
  simdjson::dom::array array;
  if (value.get(array) != simdjson::SUCCESS) wrongType("an array", value, place);
  return array;
}

simdjson::dom::object JsonFile::object(element value, const JsonPlace& place) const {
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) wrongType("an object", value, place);
  return object;
}

double JsonFile::number(element value, const JsonPlace& place) const {
  double number;
  if (value.get(number) != simdjson::SUCCESS || !std::isfinite(number)) wrongType("a number", value, place);
  return number;
}

double JsonFile::nonNegative(element value, const JsonPlace& place) const {
  const double number = this->number(value, place);
  if (number < 0) wrongType("a number of at least 0", value, place);
  return number;
}

int64_t JsonFile::integer(element value, const JsonPlace& place) const {
  int64_t integer;
  if (value.get(integer) == simdjson::SUCCESS) return integer;
  double number;
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (value.get(number) != simdjson::SUCCESS || std::trunc(number) != number || std::abs(number) > kExact) {
    wrongType("an integer", value, place);
  }
  return static_cast<int64_t>(number);
}

uint32_t JsonFile::count(element value, const JsonPlace& place) const {
  const int64_t integer = this->integer(value, place);
  if (integer < 0 || integer > UINT32_MAX) wrongType("an integer from 0 to 4294967295", value, place);
  return static_cast<uint32_t>(integer);
}

bool JsonFile::flag(element value, const JsonPlace& place) const {
  bool flag;
  if (value.get(flag) == simdjson::SUCCESS) return flag;
  int64_t integer;
  if (value.get(integer) != simdjson::SUCCESS || integer < 0 || integer > 1)
    wrongType("0 or 1", value, place);
  return integer == 1;
}

std::string_view JsonFile::text(element value, const JsonPlace& place) const {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) wrongType("a string", value, place);
  return text;
}

std::vector<double> JsonFile::numbers(element value, const JsonPlace& place) const {
  const simdjson::dom::array elements = array(value, place);
  std::vector<double> numbers;
  numbers.reserve(elements.size());
  size_t i = 0;
  for (const element each : elements) numbers.push_back(number(each, JsonPlace(&place, i++)));
  return numbers;
}

}  // namespace hd::eval
