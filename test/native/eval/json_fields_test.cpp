#include "eval/json_fields.h"

#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::checkError;
using eval_fixture::TemporaryFile;

TEST_CASE("a place prints its chain") {
  const JsonPlace root, annotations(&root, "annotations"), entry(&annotations, 12), box(&entry, "bbox"),
      side(&box, 2);
  CHECK(root.text().empty());
  CHECK(side.text() == "annotations[12].bbox[2]");
  CHECK(JsonPlace(&root, 3).text() == "[3]");
}

TEST_CASE("typed access") {
  const TemporaryFile file(
      R"([1, -2, 3.0, 3.5, "text", true, null, [1, 2], {"a": 1}, 18446744073709551615, 4294967296, 0])");
  const JsonFile json(file.path());
  const JsonPlace place;
  std::vector<simdjson::dom::element> values;
  for (const auto value : json.array(json.root(), place)) values.push_back(value);

  CHECK(json.number(values[1], place) == -2);
  CHECK(json.number(values[9], place) == 18446744073709551615.);
  CHECK(json.nonNegative(values[3], place) == 3.5);
  CHECK(json.integer(values[2], place) == 3);
  CHECK(json.integer(values[1], place) == -2);
  CHECK(json.count(values[0], place) == 1);
  CHECK(json.flag(values[5], place));
  CHECK(json.flag(values[0], place));
  CHECK_FALSE(json.flag(values[11], place));
  CHECK(json.text(values[4], place) == "text");
  CHECK(json.numbers(values[7], place) == std::vector<double>{1, 2});
  CHECK(json.object(values[8], place).size() == 1);

  const JsonPlace named(&place, "x");
  checkError([&] { json.number(values[4], named); }, "HD_DATA_FIELD",
             "expected a number for x of " + file.path() + " but received a string; correct the file");
  checkError([&] { json.number(values[6], named); }, "HD_DATA_FIELD", "received null");
  checkError([&] { json.nonNegative(values[1], named); }, "HD_DATA_FIELD", "received -2");
  checkError([&] { json.integer(values[3], named); }, "HD_DATA_FIELD", "an integer for x");
  checkError([&] { json.integer(values[9], named); }, "HD_DATA_FIELD", "received 18446744073709551615");
  checkError([&] { json.count(values[1], named); }, "HD_DATA_FIELD", "from 0 to 4294967295");
  checkError([&] { json.count(values[10], named); }, "HD_DATA_FIELD", "received 4294967296");
  checkError([&] { json.flag(values[3], named); }, "HD_DATA_FIELD", "0 or 1");
  checkError([&] { json.text(values[7], named); }, "HD_DATA_FIELD", "received an array");
  checkError([&] { json.array(values[8], named); }, "HD_DATA_FIELD", "received an object");
  checkError([&] { json.object(values[5], named); }, "HD_DATA_FIELD", "received a boolean");
  checkError([&] { json.numbers(json.root(), named); }, "HD_DATA_FIELD", "a number for x[4]");
}
