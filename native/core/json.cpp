#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/value.h"

namespace hd {
namespace {

constexpr int kMaxDepth = 64;

bool isDigit(char symbol) {
  return symbol >= '0' && symbol <= '9';
}

/// Bytes of the UTF-8 sequence that starts `text`, or 0 when it is none (overlong forms, surrogates and code
/// points beyond U+10FFFF included; Unicode 15, table 3-7).
size_t utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto within = [&](size_t i, unsigned low, unsigned high) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return within(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool second = within(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && within(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool second = within(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
    return second && within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

class Parser {
 public:
  Parser(std::string_view text, size_t maxValues) : text_(text), valuesLeft_(maxValues) {}

  Value document() {
    Value value = element(0);
    skipSpace();
    if (at_ != text_.size()) fail("expected the end of the document");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error("HD_JSON", concat(what, " at byte ", at_, " of the JSON text"));
  }

  void skipSpace() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void expect(char symbol) {
    if (peek() != symbol)
      fail(symbol == ':' ? "expected ':'" : symbol == '"' ? "expected a string" : "unexpected character");
    ++at_;
  }

  bool literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Value element(int depth) {
    if (depth > kMaxDepth) fail("nested deeper than 64 levels");
    if (valuesLeft_-- == 0) fail("too many values");
    skipSpace();
    switch (peek()) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      default:
        break;
    }
    if (literal("true")) return true;
    if (literal("false")) return false;
    if (literal("null")) return nullptr;
    return number();
  }

  Value object(int depth) {
    Value::Object out;
    ++at_;
    skipSpace();
    if (peek() != '}') {
      while (true) {
        skipSpace();
        std::string key = string();
        skipSpace();
        expect(':');
        out.emplace_back(std::move(key), element(depth + 1));
        skipSpace();
        if (peek() == '}') break;
        expect(',');
      }
    }
    ++at_;
    refuseDuplicates(out);
    return out;
  }

  /// Sorting rather than hashing: a hostile document cannot make it quadratic.
  void refuseDuplicates(const Value::Object& object) const {
    std::vector<std::string_view> keys;
    keys.reserve(object.size());
    for (const auto& member : object) keys.emplace_back(member.first);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end())
      fail(concat("duplicate key '", twice->substr(0, 200), "' in the object that ends"));
  }

  Value array(int depth) {
    Value::Array out;
    ++at_;
    skipSpace();
    if (peek() != ']') {
      while (true) {
        out.push_back(element(depth + 1));
        skipSpace();
        if (peek() == ']') break;
        expect(',');
      }
    }
    ++at_;
    return out;
  }

  unsigned hexDigits() {
    unsigned code = 0;
    if (at_ + 4 > text_.size()) fail("cut-off \\u escape");
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, code, 16);
    if (error != std::errc() || end != text_.data() + at_ + 4) fail("bad \\u escape");
    at_ += 4;
    return code;
  }

  void appendUtf8(std::string& out, unsigned code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 63));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xE0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 63));
      out += static_cast<char>(0x80 | (code & 63));
    } else {
      out += static_cast<char>(0xF0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 63));
      out += static_cast<char>(0x80 | ((code >> 6) & 63));
      out += static_cast<char>(0x80 | (code & 63));
    }
  }

  void escape(std::string& out) {
    const char symbol = peek();
    ++at_;
    switch (symbol) {
      case '"':
      case '\\':
      case '/':
        out += symbol;
        return;
      case 'b':
        out += '\b';
        return;
      case 'f':
        out += '\f';
        return;
      case 'n':
        out += '\n';
        return;
      case 'r':
        out += '\r';
        return;
      case 't':
        out += '\t';
        return;
      case 'u':
        break;
      default:
        fail("unknown escape");
    }
    unsigned code = hexDigits();
    if (code >= 0xD800 && code < 0xDC00) {
      if (!literal("\\u")) fail("lone surrogate");
      const unsigned low = hexDigits();
      if (low < 0xDC00 || low > 0xDFFF) fail("lone surrogate");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      fail("lone surrogate");
    }
    appendUtf8(out, code);
  }

  std::string string() {
    expect('"');
    std::string out;
    while (true) {
      if (at_ >= text_.size()) fail("unterminated string");
      const char symbol = text_[at_++];
      if (symbol == '"') return out;
      if (static_cast<unsigned char>(symbol) < 0x20) fail("control character in a string");
      if (symbol == '\\') {
        escape(out);
      } else {
        const size_t length = utf8Length(text_.substr(at_ - 1));
        if (length == 0) fail("invalid UTF-8 in a string");
        out.append(text_, at_ - 1, length);
        at_ += length - 1;
      }
    }
  }

  void digits() {
    if (!isDigit(peek())) fail("expected a digit");
    while (isDigit(peek())) ++at_;
  }

  /// std::from_chars alone would take "1." and other forms that JSON forbids.
  Value number() {
    const size_t start = at_;
    if (peek() == '-') ++at_;
    if (!isDigit(peek())) fail("expected a value");
    if (peek() == '0') {
      ++at_;
      if (isDigit(peek())) fail("leading zero");
    } else {
      digits();
    }
    if (peek() == '.') {
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + start, text_.data() + at_, value);
    if (error != std::errc() || end != text_.data() + at_) fail("number beyond the range of a double");
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t valuesLeft_;
};

void printString(std::string& out, const std::string& text) {
  static const char* const kHex = "0123456789abcdef";
  out += '"';
  for (const char symbol : text) {
    const auto byte = static_cast<unsigned char>(symbol);
    if (symbol == '"' || symbol == '\\') {
      out += '\\';
      out += symbol;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += symbol;
    }
  }
  out += '"';
}

/// Whole numbers print without an exponent (readers of file offsets insist on it), others with the shortest
/// digits that read back equal.
void printNumber(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char buffer[32];
  const bool whole = std::trunc(number) == number && std::abs(number) <= 9007199254740992.0;
  const auto result = whole && !(number == 0 && std::signbit(number))
                          ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<int64_t>(number))
                          : std::to_chars(buffer, buffer + sizeof buffer, number);
  out.append(buffer, result.ptr);
}

void print(std::string& out, const Value& value) {
  if (value.isNull()) {
    out += "null";
  } else if (value.isBool()) {
    out += value.asBool() ? "true" : "false";
  } else if (value.isNumber()) {
    printNumber(out, value.asNumber());
  } else if (value.isString()) {
    printString(out, value.asString());
  } else if (value.isArray()) {
    out += '[';
    bool first = true;
    for (const Value& element : value.asArray()) {
      if (!first) out += ',';
      first = false;
      print(out, element);
    }
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : value.asObject()) {
      if (!first) out += ',';
      first = false;
      printString(out, key);
      out += ':';
      print(out, member);
    }
    out += '}';
  }
}

}  // namespace

Value parseJson(std::string_view text, size_t maxValues) {
  return Parser(text, maxValues).document();
}

std::string printJson(const Value& value) {
  std::string out;
  print(out, value);
  return out;
}

}  // namespace hd
