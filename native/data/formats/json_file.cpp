#include "data/formats/json_file.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/text_file.h"

namespace hd::data {
namespace {

constexpr int64_t maxFileBytes = 0xFFFFFFFFll - 4096;  // simdjson's positions have 32 bits

constexpr size_t walkAhead = size_t{8} << 20;

}  // namespace

std::string Place::text() const {
  return concat(list, "[", index, "]", *field == '\0' ? "" : ".", field);
}

void JsonFile::parse(const std::function<void(simdjson::ondemand::document&)>& read) {
  parse(readTextFile(path_, maxFileBytes, simdjson::SIMDJSON_PADDING), read);
}

void JsonFile::parse(std::string text, const std::function<void(simdjson::ondemand::document&)>& read) {
  text_ = std::move(text);
  text_.reserve(text_.size() + simdjson::SIMDJSON_PADDING);
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  try {
    if (const auto error = parser.iterate(text_.data(), text_.size(), text_.capacity()).get(document)) {
      failSyntax(error, startOffset(error));
    }
    read(document);
    // A location after the whole value: something follows it.
    if (document.current_location().error() == simdjson::SUCCESS)
      throw simdjson::simdjson_error(simdjson::TAPE_ERROR);
  } catch (const simdjson::simdjson_error& failure) {
    const char* at = nullptr;
    const bool known =
        failure.error() != simdjson::INCOMPLETE_ARRAY_OR_OBJECT &&  // its place is the end of the file
        document.current_location().get(at) == simdjson::SUCCESS;
    failSyntax(failure.error(), known ? static_cast<size_t>(at - text_.data()) : text_.size());
  }
}

std::vector<JsonPiece> JsonFile::nextPieces(size_t count) {
  std::vector<JsonPiece> out;
  try {
    if (!walk_) {
      pages_ = std::make_unique<io::PagedFile>(path_);
      walk_.emplace(std::string_view());
    }
    while (out.size() < count) {
      if (walk_->position() + walkAhead / 2 > fetched_) fetchMore();
      const JsonPieces before = *walk_;
      const auto piece = walk_->next();
      if (walk_->ranOut() && fetched_ < pages_->size()) {  // one that is longer than what has been read
        *walk_ = before;
        fetchMore();
        continue;
      }
      if (!piece) break;
      out.push_back(*piece);
    }
  } catch (const Error&) {
    return {};  // unsound: parse() has the words for it
  }
  return out;
}

/// At least as much again as the walk has before it, so that a long piece is not begun too often.
void JsonFile::fetchMore() {
  const size_t more = std::min(std::max(walkAhead, fetched_ - walk_->position()), pages_->size() - fetched_);
  if (more == 0) return;
  pages_->read(fetched_, more);
  fetched_ += more;
  walk_->extend({reinterpret_cast<const char*>(pages_->data()), fetched_});
}

void JsonFile::parsePiece(const JsonPiece& piece,
                          const std::function<void(simdjson::ondemand::object, int64_t)>& read) const {
  std::unique_ptr<Scratch> scratch = takeScratch();
  std::string& text = scratch->text;
  text.clear();
  text.reserve(piece.text.size() + 2 + simdjson::SIMDJSON_PADDING);
  text.append("[").append(piece.text).append("]");
  drop(piece);
  simdjson::ondemand::document document = scratch->parser.iterate(text.data(), text.size(), text.capacity());
  int64_t index = piece.first;
  for (simdjson::ondemand::object object : document.get_array()) read(object, index++);
  const std::lock_guard lock(scratchMutex_);
  idle_.push_back(std::move(scratch));
}

void JsonFile::drop(const JsonPiece& piece) const {
  const char* begin = reinterpret_cast<const char*>(pages_->data());
  if (!piece.text.empty()) pages_->drop(static_cast<size_t>(piece.text.data() - begin), piece.text.size());
}

std::unique_ptr<JsonFile::Scratch> JsonFile::takeScratch() const {
  const std::lock_guard lock(scratchMutex_);
  if (idle_.empty()) return std::make_unique<Scratch>();
  auto out = std::move(idle_.back());
  idle_.pop_back();
  return out;
}

void JsonFile::failSyntax(simdjson::error_code error, size_t offset) const {
  throw Error("HD_DATA_JSON",
              concat("expected valid JSON for ", path_, " but received an error at byte ",
                     std::min(offset, text_.size()), " of ", text_.size(), " (",
                     simdjson::error_message(error), "): export or download the file again"),
              path_);
}

void JsonFile::fail(const char* what, const std::string& place, std::string_view received,
                    const char* cure) const {
  throw Error("HD_DATA_FORMAT",
              concat("expected ", what, " for ", place, " but received ", trim(received).substr(0, 60), " (",
                     path_, "): ", cure),
              concat(path_, ": ", place));
}

/// Errors of the first stage have no position: find it from their kind.
size_t JsonFile::startOffset(simdjson::error_code error) const {
  if (error != simdjson::UTF8_ERROR) return error == simdjson::EMPTY ? 0 : text_.size();
  size_t valid = 0, invalid = text_.size();  // a longer prefix of bad text stays bad
  while (invalid - valid > 1) {
    const size_t middle = valid + (invalid - valid) / 2;
    (simdjson::validate_utf8(text_.data(), middle) ? valid : invalid) = middle;
  }
  return valid;
}

double JsonFile::number(Value value, const Place& place) const {
  double out = 0;
  if (value.get_double().get(out) != simdjson::SUCCESS) {
    fail("a number", place.text(), value.raw_json_token(), "correct the value");
  }
  return out;
}

int64_t JsonFile::integer(Value value, const Place& place) const {
  int64_t exact = 0;
  if (value.get_int64().get(exact) == simdjson::SUCCESS) return exact;
  double real = 0;
  if (value.get_double().get(real) == simdjson::SUCCESS && real == std::trunc(real) &&
      std::abs(real) < 0x1p53) {
    return static_cast<int64_t>(real);
  }
  fail("an integer", place.text(), value.raw_json_token(), "write numbers without quotes or fractions");
}

std::string_view JsonFile::string(Value value, const Place& place) const {
  std::string_view out;
  if (value.get_string().get(out) != simdjson::SUCCESS) {
    fail("a string", place.text(), value.raw_json_token(), "correct the value");
  }
  return out;
}

bool JsonFile::flag(Value value, const Place& place) const {
  bool out = false;
  if (value.get_bool().get(out) == simdjson::SUCCESS) return out;
  return integer(value, place) != 0;
}

void JsonFile::numbers(Value value, const Place& place, std::vector<double>& out) const {
  out.clear();
  simdjson::ondemand::array list;
  if (value.get_array().get(list) != simdjson::SUCCESS) {
    fail("a list of numbers", place.text(), value.raw_json_token(), "correct the value");
  }
  for (Value item : list) {
    double real = 0;
    if (item.get_double().get(real) == simdjson::SUCCESS) {
      out.push_back(real);
    } else {
      out.push_back(item.is_null() ? std::nan("") : number(item, place));
    }
  }
}

}  // namespace hd::data
