#include "data/formats/json_pieces.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/rng.h"

using hd::data::endOfBrackets;
using hd::data::JsonPiece;
using hd::data::JsonPieces;

namespace {

struct Walk {
  std::vector<std::string> pieces;  // list/first:text
  bool complete;
};

Walk walk(const std::string& text, size_t bytes = 1) {
  JsonPieces pieces(text, bytes);
  Walk out{};
  while (const auto piece = pieces.next()) {
    out.pieces.push_back(std::string(piece->list) + "/" + std::to_string(piece->first) + ":" +
                         std::string(piece->text));
  }
  out.complete = pieces.complete();
  CHECK_FALSE(pieces.next().has_value());
  return out;
}

using Pieces = std::vector<std::string>;

/// The same answer by looking at one byte after the other. A backslash takes the next byte away, also outside
/// strings, where it is bad JSON that the parser of the piece refuses.
size_t slowEnd(const std::string& text, size_t begin) {
  int depth = 0;
  bool inString = false;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (i + 1 < text.size() && text[i + 1] == '"')
        ++i;
      else if (i + 1 < text.size() && text[i + 1] == '\\')
        ++i;
    } else if (inString) {
      inString = text[i] != '"';
    } else if (text[i] == '"') {
      inString = true;
    } else if (text[i] == '{' || text[i] == '[') {
      ++depth;
    } else if (text[i] == '}' || text[i] == ']') {
      if (--depth <= 0) return i + 1;
    }
  }
  return std::string::npos;
}

}  // namespace

TEST_CASE("lists of the root object come object by object, with their place") {
  const Walk all = walk(R"({"a": [{"x":1}, {"y":[2,{}]}], "n": 7, "b":[] , "s":"}]", "c":[{"z":"]}"}]} )");
  CHECK(all.pieces == Pieces{R"(a/0:{"x":1})", R"(a/1:{"y":[2,{}]})", "b/0:", R"(c/0:{"z":"]}"})"});
  CHECK(all.complete);
}

TEST_CASE("a piece takes objects until it is large enough") {
  const std::string text = R"({"a":[{"x":1},{"x":2} , {"x":3},{"x":4}]})";
  CHECK(walk(text, 8).pieces == Pieces{R"(a/0:{"x":1},{"x":2})", R"(a/2:{"x":3},{"x":4})"});
  CHECK(walk(text, 1000).pieces == Pieces{R"(a/0:{"x":1},{"x":2} , {"x":3},{"x":4})"});
}

TEST_CASE("values of other kinds are passed over, whatever stands in their strings") {
  const Walk all = walk(R"({"u":"\"[{","v":null,"w":{"k":["}"]},"x":[{"p":"\\"}],"t":true})");
  CHECK(all.pieces == Pieces{R"(x/0:{"p":"\\"})"});
  CHECK(all.complete);
  CHECK(walk("{}").complete);
  CHECK(walk(" { } \n").complete);
}

TEST_CASE("what is no object of lists of objects ends the walk, and is not complete") {
  for (const char* text :
       {"", "[]", "7", "{", R"({"a")", R"({"a":)", R"({"a":[)", R"({"a":[{)", R"({"a":[{})", R"({"a":[{}]",
        R"({"a":[1,2]})",
        R"({"a":[{},]})", R"({"a":[{} {}]})", R"({"a":[{}]} x)", R"({"a":[{}],})", R"({"a\u0041":[{}]})",
        R"({"a":"unfinished)", R"({"a":[{"s":"unfinished}]})", R"({"a":1 2})"}) {
    CAPTURE(text);
    if (std::string(text) == R"({"a":1 2})") continue;  // scalars are not looked into
    CHECK_FALSE(walk(text).complete);
  }
}

TEST_CASE("the end of brackets is the one that a walk byte by byte finds") {
  hd::Random random(3, "test", 0, 0);
  const std::string symbols = "{}[]\"\\,: a1";
  for (int round = 0; round < 20'000; ++round) {
    std::string text(1 + random.below(200), ' ');
    for (char& symbol : text) symbol = symbols[random.below(symbols.size())];
    text[0] = '{';
    REQUIRE(endOfBrackets(text, 0) == slowEnd(text, 0));
  }
}

TEST_CASE("any cut of a good file is walked without reading past its end") {
  const std::string whole = R"({"a":[{"x":"1\"2"},{"y":[[1.5,2],{}]}],"b":{"c":"d"},"e":[{"f":null}]})";
  for (size_t size = 0; size < whole.size(); ++size) {
    // A copy of exactly that size: a sanitizer sees a read behind it.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    JsonPieces pieces({cut.data(), cut.size()}, 1);
    int count = 0;
    while (pieces.next()) ++count;
    CHECK(count <= 3);
    CHECK_FALSE(pieces.complete());
  }
}

TEST_CASE("a text that grows gives the pieces of the whole one, wherever it grows") {
  const std::string whole =
      R"( {"a": [{"x":"1\"2"} , {"y":[[1.5,2],{}]}], "n": 7 ,"s":"}\\", "b":{"c":["d"]}, "e":[], "f":[{"g":null}]} )";
  for (const size_t bytes : {1, 25, 1000}) {
    const Walk expected = walk(whole, bytes);
    REQUIRE(expected.complete);
    for (size_t step = 1; step < whole.size(); ++step) {
      JsonPieces pieces(std::string_view(whole).substr(0, 0), bytes);
      Pieces found;
      for (size_t size = 0;;) {
        const JsonPieces before = pieces;
        const auto piece = pieces.next();
        if (pieces.ranOut() && size < whole.size()) {
          pieces = before;
          size = std::min(whole.size(), size + step);
          pieces.extend(std::string_view(whole).substr(0, size));
          continue;
        }
        if (!piece) break;
        found.push_back(std::string(piece->list) + "/" + std::to_string(piece->first) + ":" +
                        std::string(piece->text));
      }
      CAPTURE(step);
      CHECK(found == expected.pieces);
      CHECK(pieces.complete());
    }
  }
}

TEST_CASE("a walk that ends before the text does needs no more of it") {
  for (const char* text : {"[1, 2", R"({"a":[1,2)", R"({"a":[{}] x)"}) {
    JsonPieces pieces(text, 1);
    while (pieces.next()) {
    }
    CAPTURE(text);
    CHECK_FALSE(pieces.ranOut());
  }
}
