// A large JSON file read in one pass by simdjson's On-Demand parser, with typed access whose errors name the
// place.
//
// On-Demand checks what is read and skips the rest, so a fault in a member that nobody asks for goes
// unnoticed.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/json_pieces.h"
#include "io/paged_file.h"

namespace hd::data {

/// Where a value stands: list[index].field. Turned into text only when something is wrong with it.
struct Place {
  const char* list;
  int64_t index;
  const char* field = "";
  std::string text() const;
};

class JsonFile {
 public:
  using Value = simdjson::ondemand::value;

  explicit JsonFile(std::string path) : path_(std::move(path)) {}

  /// Calls `read` with the document. Throws HD_DATA_JSON with the byte offset for broken syntax, HD_DATA_FILE
  /// and HD_DATA_TOO_LARGE (4 GB) for the file.
  void parse(const std::function<void(simdjson::ondemand::document&)>& read);
  /// The same for text that lies within something else, whose place the path then is.
  void parse(std::string text, const std::function<void(simdjson::ondemand::document&)>& read);

  /// The next pieces of about a megabyte of the lists of the root object, `count` at most, in file order;
  /// nothing at the end, or where the file turns out not to be an object whose lists hold objects alone. One
  /// thread calls it, others may parse meanwhile. Pieces are valid as long as this is.
  std::vector<JsonPiece> nextPieces(size_t count);
  /// After the last piece: whether the whole file is such an object. If not, parse() says what is wrong.
  bool sound() const { return walk_ && walk_->complete(); }
  /// Bytes of the file; known after the first pieces.
  size_t bytes() const { return pages_ ? pages_->size() : 0; }
  /// Calls `read` with each object of a piece and its index in the list. From any thread. Throws
  /// simdjson_error for broken syntax. Once for each piece: its memory is given back to the system.
  void parsePiece(const JsonPiece& piece,
                  const std::function<void(simdjson::ondemand::object, int64_t)>& read) const;

  /// Gives the memory of a piece back that nobody wants to parse.
  void drop(const JsonPiece& piece) const;

  /// The first characters, for messages about the whole file.
  std::string_view start() const { return std::string_view(text_).substr(0, 20); }

  /// HD_DATA_FORMAT: expected `what` for `place` but received `received`: `cure`.
  [[noreturn]] void fail(const char* what, const std::string& place, std::string_view received,
                         const char* cure) const;

  // Each reads a value once and throws HD_DATA_FORMAT when it has another type.
  double number(Value value, const Place& place) const;
  int64_t integer(Value value, const Place& place) const;  ///< also 7.0, as some exporters write it
  std::string_view string(Value value, const Place& place) const;
  bool flag(Value value, const Place& place) const;  ///< true, false or a number
  /// A list; null stands for "not a number", as exporters write NaN. Replaces the content of `out`.
  void numbers(Value value, const Place& place, std::vector<double>& out) const;

 private:
  [[noreturn]] void failSyntax(simdjson::error_code error, size_t offset) const;
  size_t startOffset(simdjson::error_code error) const;
  void fetchMore();

  /// Of one thread that parses pieces; kept, because fresh memory costs more than the parsing of a small
  /// piece.
  struct Scratch {
    std::string text;
    simdjson::ondemand::parser parser;
  };
  std::unique_ptr<Scratch> takeScratch() const;

  std::string path_, text_;
  std::unique_ptr<io::PagedFile> pages_;
  std::optional<JsonPieces> walk_;
  size_t fetched_ = 0;  ///< bytes that have been read: all that the walk may look at
  mutable std::mutex scratchMutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace hd::data
