#include "eval/synthetic_bench.h"

#include "eval/score.h"
#include "eval_fixture.h"

using namespace hd::eval;
using hd::Value;

namespace {

const Value::Object kSmall{
    {"images", 20}, {"truths", 150}, {"detections", 900}, {"classes", 5}, {"repeats", 1}};

Value with(Value::Object options, std::string key, Value value) {
  options.emplace_back(std::move(key), std::move(value));
  return options;
}

}  // namespace

TEST_CASE("the generated set is a function of its seed, and neither perfect nor hopeless") {
  const Value first = benchEval(kSmall), again = benchEval(kSmall),
              other = benchEval(with(kSmall, "seed", 1));
  CHECK(first.at("images").asInt() == 20);
  CHECK(first.at("truths").asInt() == 150);
  CHECK(first.at("detections").asInt() == 900);
  CHECK(first.at("seconds").asNumber() > 0);
  CHECK(first.numbers("stats") == again.numbers("stats"));
  CHECK(first.numbers("stats") != other.numbers("stats"));
  CHECK(first.numbers("stats").size() == 12);
  CHECK(first.numbers("stats")[0] > .01);
  CHECK(first.numbers("stats")[0] < .9);
}

TEST_CASE("the written files hold exactly the set that was timed") {
  const eval_fixture::TemporaryFile folder;  // its name serves as a folder's
  std::filesystem::remove(folder.path());
  const Value result = benchEval(with(kSmall, "out", folder.path()));
  const Value scored =
      score(Value::Object{{"gt", folder.path() + "/truth.json"}, {"dt", folder.path() + "/detections.json"}});
  CHECK(scored.numbers("stats") == result.numbers("stats"));
}
