// Session::probe: what it shows is what a step does, and it changes nothing.
#include <cmath>
#include <limits>

#include "engine_fixture.h"

using namespace engine_fixture;

namespace {

const Value& named(const Value& list, const std::string& name) {
  for (const Value& entry : list.asArray()) {
    if (entry.at("name").asString() == name) return entry;
  }
  FAIL("no entry called " << name);
  return list;
}

}  // namespace

TEST_CASE("terms, norms and positives are those of a step, and nothing changes") {
  const Scene scene;
  for (const char* norm : {"eval", "train"}) {
    CAPTURE(norm);
    Session session(options(norm)), stepped(options(norm));
    const auto before = weights(session);
    const Value report = session.probe(scene.batch, input());
    CHECK(same(before, weights(session)));
    const StepResult result = stepped.step(scene.batch, input());
    CHECK(report.at("total").asNumber() == doctest::Approx(result.losses.at("total")).epsilon(1e-6));
    CHECK(report.at("gradientNorm").asNumber() == doctest::Approx(result.gradientNorm).epsilon(1e-4));
    CHECK(report.at("positives").asInt() == result.positives);
    for (const Value& term : report.at("terms").asArray())
      CHECK(term.at("value").asNumber() ==
            doctest::Approx(result.losses.at(term.at("name").asString())).epsilon(1e-6));
    CHECK(report.at("images").asArray().size() == 4);
  }
}

TEST_CASE("a loss weight scales its term's gradient and the weighted value") {
  const Scene scene;
  Session session(options());
  const Value plain = session.probe(scene.batch, input());
  StepInput given = input();
  given.lossWeights = {{"dfl", 3}};
  const Value weighted = session.probe(scene.batch, given);
  const Value &a = named(plain.at("terms"), "dfl"), &b = named(weighted.at("terms"), "dfl");
  const double ratio = 3 / a.at("weight").asNumber();
  CHECK(b.at("weighted").asNumber() == doctest::Approx(ratio * a.at("weighted").asNumber()));
  CHECK(b.at("gradientNorm").asNumber() == doctest::Approx(ratio * a.at("gradientNorm").asNumber()));
  CHECK(named(plain.at("terms"), "cls").at("gradientNorm").asNumber() ==
        named(weighted.at("terms"), "cls").at("gradientNorm").asNumber());
}

TEST_CASE("a weight that is no number is found by name, and so is the first tensor behind it") {
  const Scene scene;
  Session session(options());
  hd::nn::Parameter* bad = session.graph().parameters().find("backbone.layer3.0.conv1.weight");
  REQUIRE(bad != nullptr);
  {
    at::NoGradGuard guard;
    bad->master[0][0][0][0].fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const Value report = session.probe(scene.batch, input());
  CHECK(named(report.at("parameters"), bad->name).at("nonFiniteWeights").asInt() == 1);
  std::string first;
  for (const Value& tensor : report.at("tensors").asArray()) {
    CHECK(std::isfinite(tensor.at("largest").asNumber()));
    if (first.empty() && tensor.at("nonFinite").asInt() > 0) first = tensor.at("name").asString();
  }
  CHECK(first == "backbone.layer3.0");
  CHECK_FALSE(std::isfinite(report.at("total").asNumber()));
}

TEST_CASE("frozen parameters are no part of it; shapes and statistics are those of the tensors") {
  const Scene scene;
  SessionOptions frozen = options();
  frozen.freeze = {"backbone.*"};
  Session session(frozen);
  const Value report = session.probe(scene.batch, input());
  for (const Value& parameter : report.at("parameters").asArray())
    CHECK(parameter.at("name").asString().rfind("backbone.", 0) != 0);
  const Value& tap = named(report.at("tensors"), "backbone.layer2.1");
  CHECK(tap.at("shape").asArray()[1].asInt() == 128);
  CHECK(tap.at("shape").asArray()[2].asInt() == kSide / 8);
  CHECK(tap.at("zeros").asNumber() > 0);  // after a ReLU
  CHECK(tap.at("zeros").asNumber() < 1);
  CHECK(tap.at("deviation").asNumber() > 0);
}

TEST_CASE("a session for evaluation only has nothing to probe") {
  const Scene scene;
  SessionOptions given = options();
  given.training = false;
  Session session(given);
  CHECK(codeOf([&] { session.probe(scene.batch, input()); }) == "HD_INTERNAL");
}
