#include "data/formats/json_pieces.h"

#include <emmintrin.h>

#include <array>
#include <bit>
#include <cstring>

namespace hd::data {
namespace {

constexpr size_t blockBytes = 64;

/// One bit a byte, lowest first.
struct Block {
  uint64_t quotes = 0, backslashes = 0, brackets = 0;

  explicit Block(const char* bytes) {
    for (int i = 0; i < 4; ++i) {
      const __m128i symbols = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16 * i));
      // '[' and '{', ']' and '}' differ in one bit.
      const __m128i folded = _mm_or_si128(symbols, _mm_set1_epi8(0x20));
      quotes |= maskOf(symbols, '"') << 16 * i;
      backslashes |= maskOf(symbols, '\\') << 16 * i;
      brackets |= (maskOf(folded, '{') | maskOf(folded, '}')) << 16 * i;
    }
  }

 private:
  static uint64_t maskOf(__m128i symbols, char wanted) {
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(symbols, _mm_set1_epi8(wanted))));
  }
};

/// Bit i: whether an odd number of bits up to and including i is set.
uint64_t runningParity(uint64_t bits) {
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

/// Quotes that no backslash takes away. `escaped`: whether the block's first byte is; then whether the next
/// one's.
uint64_t realQuotes(const Block& block, bool& escaped) {
  if (block.backslashes == 0 && !escaped) return block.quotes;
  uint64_t quotes = block.quotes;
  for (size_t i = 0; i < blockBytes; ++i) {
    const uint64_t bit = uint64_t{1} << i;
    if (escaped) {
      quotes &= ~bit;
      escaped = false;
    } else {
      escaped = (block.backslashes & bit) != 0;
    }
  }
  return quotes;
}

bool isBlank(char symbol) {
  return symbol == ' ' || symbol == '\n' || symbol == '\r' || symbol == '\t';
}

}  // namespace

size_t endOfBrackets(std::string_view text, size_t begin) {
  int64_t depth = 0;
  bool escaped = false;
  uint64_t inside = 0;  // all ones: the block begins within a string
  for (size_t base = begin; base < text.size(); base += blockBytes) {
    std::array<char, blockBytes> tail{};
    const char* bytes = text.data() + base;
    if (text.size() - base < blockBytes) {
      std::memcpy(tail.data(), bytes, text.size() - base);
      bytes = tail.data();
    }
    const Block block(bytes);
    const uint64_t strings = runningParity(realQuotes(block, escaped)) ^ inside;
    inside = strings >> 63 ? ~uint64_t{0} : 0;
    for (uint64_t brackets = block.brackets & ~strings; brackets != 0; brackets &= brackets - 1) {
      const int at = std::countr_zero(brackets);
      depth += (bytes[at] | 0x20) == '{' ? 1 : -1;
      if (depth <= 0) return base + static_cast<size_t>(at) + 1;
    }
  }
  return std::string_view::npos;
}

std::optional<JsonPiece> JsonPieces::fail() {
  at_ = At::end;
  return std::nullopt;
}

bool JsonPieces::runOut() {
  ranOut_ = true;
  return false;
}

bool JsonPieces::skipBlanks() {
  while (position_ < text_.size() && isBlank(text_[position_])) ++position_;
  return position_ < text_.size() || runOut();
}

bool JsonPieces::take(char symbol) {
  if (!skipBlanks() || text_[position_] != symbol) return false;
  ++position_;
  return true;
}

bool JsonPieces::skipValue() {
  if (!skipBlanks()) return false;
  const char first = text_[position_];
  if (first == '{' || first == '[') {
    const size_t end = endOfBrackets(text_, position_);
    if (end == std::string_view::npos) return runOut();
    position_ = end;
    return true;
  }
  if (first == '"') {
    for (++position_; position_ < text_.size() && text_[position_] != '"'; ++position_) {
      if (text_[position_] == '\\') ++position_;
    }
    return position_++ < text_.size() || runOut();
  }
  const size_t end = text_.find_first_of(",}", position_);
  if (end == std::string_view::npos) return runOut();
  position_ = end;
  return true;
}

std::optional<JsonPiece> JsonPieces::next() {
  ranOut_ = false;
  if (at_ == At::start) {
    if (!take('{')) return fail();
    at_ = At::key;
    if (take('}')) {
      complete_ = !skipBlanks();
      return fail();
    }
  }
  if (at_ == At::list) return readList();
  while (at_ == At::key) {
    if (!take('"')) return fail();
    const size_t end = text_.find_first_of("\"\\", position_);
    if (end == std::string_view::npos) runOut();
    if (end == std::string_view::npos || text_[end] != '"') return fail();
    list_ = text_.substr(position_, end - position_);
    position_ = end + 1;
    if (!take(':') || !skipBlanks()) return fail();
    if (text_[position_] == '[') {
      ++position_;
      index_ = 0;
      at_ = At::list;
      return readList();
    }
    if (!skipValue()) return fail();
    if (take(',')) continue;
    if (take('}')) complete_ = !skipBlanks();
    at_ = At::end;
  }
  return std::nullopt;
}

std::optional<JsonPiece> JsonPieces::readList() {
  if (!skipBlanks()) return fail();
  const size_t begin = position_;
  const int64_t first = index_;
  size_t end = begin;
  bool last = index_ == 0 && text_[position_] == ']';
  while (!last && end - begin < bytes_) {
    if (!skipBlanks() || text_[position_] != '{') return fail();
    end = endOfBrackets(text_, position_);
    if (end == std::string_view::npos) runOut();
    if (end == std::string_view::npos) return fail();
    position_ = end;
    ++index_;
    if (!skipBlanks()) return fail();
    last = text_[position_] == ']';
    if (!last && !take(',')) return fail();
  }
  const JsonPiece piece{list_, text_.substr(begin, end - begin), first};
  if (last) {
    ++position_;
    at_ = take(',') ? At::key : At::end;
    if (at_ == At::end && take('}')) complete_ = !skipBlanks();
  }
  return piece;
}

}  // namespace hd::data
