#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/value.h"

namespace hd {
namespace {

constexpr int kMaxDepth = 64;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Value document() {
    Value value = element(0);
    skipSpace();
    if (at_ != text_.size()) fail("expected the end of the document");
    return value;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw Error("HD_JSON", concat(what, " at byte ", at_, " of the JSON text"));
  }

  void skipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void expect(char symbol) {
    if (peek() != symbol) fail(symbol == ':' ? "expected ':'" : symbol == '"' ? "expected a string" : "unexpected character");
    ++at_;
  }

  bool literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Value element(int depth) {
    if (depth > kMaxDepth) fail("nested deeper than 64 levels");
    skipSpace();
    switch (peek()) {
      case '{': return object(depth);
      case '[': return array(depth);
      case '"': return string();
      default: break;
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
    if (peek() == '}') return ++at_, out;
    while (true) {
      skipSpace();
      std::string key = string();
      for (const auto& member : out) {
        if (member.first == key) fail("duplicate key");
      }
      skipSpace();
      expect(':');
      out.emplace_back(std::move(key), element(depth + 1));
      skipSpace();
      if (peek() == '}') return ++at_, out;
      expect(',');
    }
  }

  Value array(int depth) {
    Value::Array out;
    ++at_;
    skipSpace();
    if (peek() == ']') return ++at_, out;
    while (true) {
      out.push_back(element(depth + 1));
      skipSpace();
      if (peek() == ']') return ++at_, out;
      expect(',');
    }
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
      case '"': case '\\': case '/': out += symbol; return;
      case 'b': out += '\b'; return;
      case 'f': out += '\f'; return;
      case 'n': out += '\n'; return;
      case 'r': out += '\r'; return;
      case 't': out += '\t'; return;
      case 'u': break;
      default: fail("unknown escape");
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
        out += symbol;
      }
    }
  }

  Value number() {
    const size_t start = at_;
    if (peek() == '-') ++at_;
    if (peek() < '0' || peek() > '9') fail("expected a value");
    if (peek() == '0' && at_ + 1 < text_.size() && text_[at_ + 1] >= '0' && text_[at_ + 1] <= '9') fail("leading zero");
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + start, text_.data() + text_.size(), value);
    if (error != std::errc() || !std::isfinite(value)) fail("bad number");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
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

void print(std::string& out, const Value& value) {
  if (value.isNull()) {
    out += "null";
  } else if (value.isBool()) {
    out += value.asBool() ? "true" : "false";
  } else if (value.isNumber()) {
    if (!std::isfinite(value.asNumber())) {
      out += "null";
      return;
    }
    char buffer[32];
    out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value.asNumber()).ptr);
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

Value parseJson(std::string_view text) { return Parser(text).document(); }

std::string printJson(const Value& value) {
  std::string out;
  print(out, value);
  return out;
}

}  // namespace hd
