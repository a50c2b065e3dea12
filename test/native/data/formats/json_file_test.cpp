// Typed access to large JSON files: values, and errors that name the place.
#include "data/formats/json_file.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "../data_fixture.h"
#include "core/error.h"

using namespace hd::data;
using fixture::codeOf;
using hd::concat;

namespace {

/// Reads the members of the document with `read`.
template <class Read>
void withValue(const std::string& json, Read read) {
  const fixture::Folder folder;
  fixture::writeText(folder / "a.json", json);
  JsonFile file(folder / "a.json");
  file.parse([&](simdjson::ondemand::document& document) {
    for (auto field : document.get_object()) read(file, field.value().value());
  });
}

const Place place{"annotations", 7, "bbox"};

std::string message(const std::function<void()>& body) {
  try {
    body();
  } catch (const hd::Error& error) {
    return error.code() + ": " + error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a place reads like a path") {
  CHECK(place.text() == "annotations[7].bbox");
  CHECK(Place{"images", 0}.text() == "images[0]");
}

TEST_CASE("numbers, whole numbers, texts, flags and lists") {
  withValue(R"({"v": -2.5e1})",
            [](const JsonFile& f, JsonFile::Value v) { CHECK(f.number(v, place) == -25); });
  withValue(R"({"v": 12345678901})",
            [](const JsonFile& f, JsonFile::Value v) { CHECK(f.integer(v, place) == 12345678901); });
  withValue(R"({"v": 7.0})", [](const JsonFile& f, JsonFile::Value v) { CHECK(f.integer(v, place) == 7); });
  withValue(R"({"v": "k\u00e4se \"x\""})",
            [](const JsonFile& f, JsonFile::Value v) { CHECK(f.string(v, place) == "käse \"x\""); });
  for (const char* yes : {"true", "1", "1.0"})
    withValue(hd::concat(R"({"v": )", yes, "}"),
              [](const JsonFile& f, JsonFile::Value v) { CHECK(f.flag(v, place)); });
  for (const char* no : {"false", "0"})
    withValue(hd::concat(R"({"v": )", no, "}"),
              [](const JsonFile& f, JsonFile::Value v) { CHECK_FALSE(f.flag(v, place)); });
  withValue(R"({"v": [1, 2.5, null]})", [](const JsonFile& f, JsonFile::Value v) {
    std::vector<double> out{9, 9, 9, 9};
    f.numbers(v, place, out);
    REQUIRE(out.size() == 3);
    CHECK(out[1] == 2.5);
    CHECK(std::isnan(out[2]));
  });
}

TEST_CASE("another type is refused by file, place and what was found") {
  struct Wrong {
    const char* json;
    std::function<void(const JsonFile&, JsonFile::Value)> read;
  };
  std::vector<double> out;
  const std::vector<Wrong> cases{
      {R"({"v": "five"})", [](const JsonFile& f, JsonFile::Value v) { f.number(v, place); }},
      {R"({"v": true})", [](const JsonFile& f, JsonFile::Value v) { f.number(v, place); }},
      {R"({"v": 7.5})", [](const JsonFile& f, JsonFile::Value v) { f.integer(v, place); }},
      {R"({"v": 1e300})", [](const JsonFile& f, JsonFile::Value v) { f.integer(v, place); }},
      {R"({"v": 5})", [](const JsonFile& f, JsonFile::Value v) { f.string(v, place); }},
      {R"({"v": "yes"})", [](const JsonFile& f, JsonFile::Value v) { f.flag(v, place); }},
      {R"({"v": 5})", [&](const JsonFile& f, JsonFile::Value v) { f.numbers(v, place, out); }},
      {R"({"v": [1, "2"]})", [&](const JsonFile& f, JsonFile::Value v) { f.numbers(v, place, out); }},
      {R"({"v": {}})", [&](const JsonFile& f, JsonFile::Value v) { f.numbers(v, place, out); }},
  };
  for (const Wrong& wrong : cases) {
    CAPTURE(wrong.json);
    const std::string text = message([&] { withValue(wrong.json, wrong.read); });
    CHECK(text.rfind("HD_DATA_FORMAT", 0) == 0);
    CHECK(text.find("annotations[7].bbox") != std::string::npos);
  }
}

TEST_CASE("broken syntax says where; a file that is none says so") {
  const fixture::Folder folder;
  const auto parse = [&](const std::string& text) {
    fixture::writeText(folder / "a.json", text);
    return message([&] {
      JsonFile file(folder / "a.json");
      file.parse([](simdjson::ondemand::document& document) {
        for (auto field : document.get_object()) {
          const double value = field.value().get_double();
          CHECK(value == 1);
        }
      });
    });
  };
  for (const char* broken : {"", "   ", "{\"v\": ", "{\"v\" 1}", "{\"v\": 1", "\xff\xfe{"}) {
    CAPTURE(broken);
    CHECK(parse(broken).rfind("HD_DATA_JSON", 0) == 0);
  }
  CHECK(parse("{\"v\": 1}").empty());
  CHECK(codeOf([&] {
          JsonFile file(folder / "none.json");
          file.parse([](simdjson::ondemand::document&) {});
        }) == "HD_DATA_FILE");
}

TEST_CASE("pieces come a few at a time, in the order of the file, and are parsed by anyone in any order") {
  const fixture::Folder folder;
  const std::string filler(300'000, 'x');  // four objects make a piece
  std::string text = "{\"a\":[";
  for (int i = 0; i < 21; ++i) text += concat(i > 0 ? "," : "", "{\"v\":", i, ",\"note\":\"", filler, "\"}");
  text += "],\"b\":[{\"v\":100}],\"c\":[]}";
  fixture::writeText(folder / "a.json", text);
  JsonFile file(folder / "a.json");
  CHECK(!file.sound());
  std::vector<JsonPiece> pieces;
  for (size_t before = 1; before != 0;) {
    const auto some = file.nextPieces(2);
    CHECK(some.size() <= 2);
    pieces.insert(pieces.end(), some.begin(), some.end());
    before = some.size();
  }
  CHECK(file.sound());
  CHECK(file.bytes() == text.size());
  CHECK(pieces.size() == 8);
  std::vector<double> values;
  std::vector<std::string> places;
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    file.parsePiece(*piece, [&](simdjson::ondemand::object object, int64_t index) {
      values.push_back(object["v"].get_double());
      places.push_back(concat(piece->list, index));
    });
  }
  CHECK(values.size() == 22);
  CHECK(places.front() == "b0");
  CHECK(values.front() == 100);
  CHECK(places.back() == "a3");
  CHECK(std::ranges::max(values) == 100);
}

TEST_CASE("a file that is no object of lists of objects, or none at all, is not sound") {
  const fixture::Folder folder;
  for (const char* text : {"", "[1]", "{\"a\":[1,2]}", "{\"a\":[{}", "{\"a\":[{}]} x"}) {
    CAPTURE(text);
    fixture::writeText(folder / "a.json", text);
    JsonFile file(folder / "a.json");
    while (!file.nextPieces(16).empty()) {
    }
    CHECK(!file.sound());
  }
  JsonFile none(folder / "none.json");
  CHECK(none.nextPieces(16).empty());
  CHECK(!none.sound());
}

TEST_CASE("values that are longer than what is read at once are whole") {
  const fixture::Folder folder;
  const std::string filler(20'000'000, 'x');
  fixture::writeText(folder / "a.json", "{\"skipped\":\"" + filler + "\",\"a\":[{\"v\":1},{\"v\":\"" +
                                            filler + "\"}],\"b\":[{\"v\":3}]}");
  JsonFile file(folder / "a.json");
  std::vector<JsonPiece> pieces;
  for (auto some = file.nextPieces(1); !some.empty(); some = file.nextPieces(1))
    pieces.push_back(some.front());
  CHECK(file.sound());
  REQUIRE(pieces.size() == 2);
  size_t objects = 0;
  file.parsePiece(pieces[0], [&](simdjson::ondemand::object object, int64_t index) {
    ++objects;
    if (index == 1) CHECK(std::string_view(object["v"]) == filler);
  });
  CHECK(objects == 2);
  CHECK(pieces[1].list == "b");
  file.drop(pieces[1]);
}

TEST_CASE("a file that is shortened while its pieces are read is not sound, and nothing worse") {
  const fixture::Folder folder;
  const std::string filler(300'000, 'x');
  std::string text = "{\"a\":[";
  for (int i = 0; i < 100; ++i) text += concat(i > 0 ? "," : "", "{\"v\":", i, ",\"note\":\"", filler, "\"}");
  fixture::writeText(folder / "a.json", text + "]}");
  JsonFile file(folder / "a.json");
  const auto first = file.nextPieces(1);
  REQUIRE(first.size() == 1);
  std::filesystem::resize_file(folder / "a.json", 9'000'000);
  while (!file.nextPieces(4).empty()) {
  }
  CHECK_FALSE(file.sound());
  int objects = 0;  // what was read before stays
  file.parsePiece(first.front(), [&](simdjson::ondemand::object, int64_t) { ++objects; });
  CHECK(objects == 4);
  CHECK(codeOf([&] { file.parse([](simdjson::ondemand::document&) {}); }) == "HD_DATA_JSON");
}
