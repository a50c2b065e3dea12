// Cuts a large JSON file into pieces that can be parsed one by one, or side by side: only strings and
// brackets are looked at, 64 bytes at a time, so that memory holds one piece and not the tape of the whole
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hd::data {

/// Whole objects of one list of the root object, with the commas between them but without the list's
/// brackets.
struct JsonPiece {
  std::string_view list;  ///< the key in the root object
  std::string_view text;  ///< empty for an empty list
  int64_t first;          ///< index of the first object within its list
};

class JsonPieces {
 public:
  /// `text`, which may be the beginning of more, must outlive this. Pieces end with the first object that
  /// takes them to `bytes`.
  explicit JsonPieces(std::string_view text, size_t bytes = size_t{1} << 20) : text_(text), bytes_(bytes) {}

  /// The next piece, in file order; nothing at the end, or as soon as the file turns out to be no object of
  /// values whose lists hold objects alone. Nothing else is checked: a piece may be bad JSON.
  std::optional<JsonPiece> next();

  /// Whether the last next() came to the end of the text: a copy of before may find more in a longer one.
  bool ranOut() const { return ranOut_; }
  /// The same text and what follows it, at the same place.
  void extend(std::string_view text) { text_ = text; }

  /// After the end: whether the walk came to the end of the root object and nothing follows it.
  bool complete() const { return complete_; }
  std::string_view text() const { return text_; }
  /// Bytes up to which the walk has come.
  size_t position() const { return position_; }

 private:
  enum class At { start, key, list, end };

  bool skipBlanks();
  bool take(char symbol);
  bool skipValue();
  std::optional<JsonPiece> readList();
  std::optional<JsonPiece> fail();
  bool runOut();

  std::string_view text_;
  size_t bytes_, position_ = 0;
  At at_ = At::start;
  bool complete_ = false, ranOut_ = false;
  std::string_view list_;
  int64_t index_ = 0;
};

/// The position behind the object or list that begins at `text[begin]`, or npos when it does not end.
size_t endOfBrackets(std::string_view text, size_t begin);

}  // namespace hd::data
