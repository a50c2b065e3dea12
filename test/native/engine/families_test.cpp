// Every dense detector as student and teacher in a whole step: terms, cuts, teachers, caches, what does not
// fit.
#include <cmath>

#include "engine_fixture.h"

using namespace engine_fixture;

namespace {

const std::vector<std::string> kDetectors{"gfl", "gflv2", "atss", "fcos", "retinanet"};

constexpr const char* kTransfers =
    R"([{"transfer":"localization","name":"main","region":"main","weight":0.75},
        {"transfer":"localization","name":"valuable","region":"valuable","weights":"confidence","weight":0.75},
        {"transfer":"classification","name":"kd","region":"main","kind":"binary","weight":1},
        {"transfer":"imitation","name":"inside","kind":"inside-box","weight":1},
        {"transfer":"imitation","name":"near","kind":"finegrained","weight":1},
        {"transfer":"imitation","name":"instances","kind":"gibox","weight":1}])";
const std::vector<std::string> kTerms{"main", "valuable", "kd", "inside", "near", "instances"};

SessionOptions of(const std::string& detector, int64_t accumulate = 1) {
  SessionOptions out = options("eval", accumulate);
  out.model.set("detector", detector);
  return out;
}

struct Pair {
  Folder folder;
  std::string detector, file;

  explicit Pair(const std::string& name) : detector(name), file(folder / "teacher.safetensors") {
    SessionOptions given = of(name);
    given.seed = 9;
    Session(given).exportWeights(file, {});
  }
  SessionOptions taught(int64_t accumulate = 1, const char* transfers = kTransfers,
                        bool cached = false) const {
    SessionOptions out = of(detector, accumulate);
    Value teacher = Value::Object{{"model", of(detector).model}, {"weights", file}};
    if (cached) teacher.set("cache", Value::Object{{"folder", folder.path()}, {"limit", int64_t{1} << 30}});
    out.teachers = Value::Array{teacher};
    out.distill = hd::parseJson(transfers);
    return out;
  }
};

}  // namespace

TEST_CASE("every detector learns: its total falls on one batch") {
  const Scene scene;
  for (const std::string& detector : kDetectors) {
    CAPTURE(detector);
    Session session(of(detector));
    double first = 0, last = 0;
    for (int64_t step = 0; step < 12; ++step) {
      const StepResult result = session.step(scene.batch, input(step, 0.005));
      last = result.losses.at("total");
      if (step == 0) first = last;
      CHECK(std::isfinite(last));
    }
    CHECK(last < first);
  }
}

TEST_CASE("the terms of a step are known before it, and those of transfers can be weighed") {
  const Scene scene;
  for (const std::string& detector : kDetectors) {
    CAPTURE(detector);
    const Pair pair(detector);
    SessionOptions given = pair.taught();
    given.lossWeights = {"cls", "kd", "instances"};
    Session session(given);
    std::vector<std::string> told = session.lossTerms(), seen;
    for (const auto& [name, value] : session.step(scene.batch, input()).losses) {
      if (name != "total") seen.push_back(name);
    }
    std::sort(told.begin(), told.end());
    CHECK(told == seen);
    given.lossWeights = {"instance"};
    CHECK(codeOf([&] { Session refused(given); }) == "HD_RECIPE_VALUE");
  }
}

TEST_CASE("a group may be of what transfers learn") {
  const Pair pair("gfl");
  SessionOptions given = pair.taught(1, R"([{"transfer":"imitation","name":"near","kind":"finegrained"}])");
  given.model.set("neckChannels", 16);
  given.optimizer.groups = {{"distill.near.*", 2, 0}};
  CHECK(codeOf([&] { Session session(given); }).empty());
  given.optimizer.groups = {{"distill.far.*", 2, 0}};
  CHECK(codeOf([&] { Session session(given); }) == "HD_RECIPE_VALUE");
}

TEST_CASE("every transfer adds a finite positive term to every detector, the same for any cut") {
  const Scene scene;
  for (const std::string& detector : kDetectors) {
    CAPTURE(detector);
    const Pair pair(detector);
    Session once(pair.taught());
    const StepResult whole = once.step(scene.batch, input());
    Session cut(pair.taught(4));
    const StepResult parts = cut.step(scene.batch, input());
    for (const std::string& name : kTerms) {
      CAPTURE(name);
      CHECK(whole.losses.at(name) > 0);
      CHECK(std::isfinite(whole.losses.at(name)));
      CHECK(parts.losses.at(name) == doctest::Approx(whole.losses.at(name)).epsilon(1e-3));
    }
  }
}

TEST_CASE("a student with its teacher's weights has nothing to learn from it, whatever the detector") {
  const Scene scene;
  for (const std::string& detector : kDetectors) {
    CAPTURE(detector);
    const Pair pair(detector);
    Session session(pair.taught());
    session.loadWeights(pair.file, hd::nn::MatchMode::strict);
    const StepResult result = session.step(scene.batch, input());
    for (const std::string& name : kTerms) {
      CAPTURE(name);
      CHECK(std::abs(result.losses.at(name)) < 1e-5);
    }
  }
}

TEST_CASE("a cached teacher says what it says uncached, with several anchors a cell as well") {
  const Scene scene;
  // Instances are looked for everywhere: without them only some cells are kept.
  constexpr const char* kSome =
      R"([{"transfer":"localization","name":"main","region":"main","weight":0.75},
          {"transfer":"classification","name":"kd","region":"valuable","kind":"binary","weight":1},
          {"transfer":"imitation","name":"inside","kind":"inside-box","weight":1}])";
  for (const std::string& detector : kDetectors) {
    CAPTURE(detector);
    const Pair pair(detector);
    Session plain(pair.taught(1, kSome)), storing(pair.taught(1, kSome, true));
    const StepResult expected = plain.step(scene.batch, input());
    const StepResult stored = storing.step(scene.batch, input());
    Session reading(pair.taught(1, kSome, true));
    const StepResult read = reading.step(scene.batch, input());
    for (const char* name : {"main", "kd", "inside"}) {
      CAPTURE(name);
      CHECK(stored.losses.at(name) == doctest::Approx(expected.losses.at(name)).epsilon(1e-5));
      CHECK(read.losses.at(name) == stored.losses.at(name));
    }
  }
}

TEST_CASE(
    "a teacher in bf16 says the same to the rounding of bf16, in fp32, and is another one to its cache") {
  const Scene scene;
  for (const std::string& detector : kDetectors) {
    CAPTURE(detector);
    const Pair pair(detector);
    const auto taught = [&](const char* precision, bool cached) {
      SessionOptions out = pair.taught(1, kTransfers, cached);
      Value teacher = out.teachers.asArray()[0];
      teacher.set("precision", precision);
      out.teachers = Value::Array{teacher};
      return out;
    };
    Session fine(taught("fp32", false)), coarse(taught("bf16", false));
    const std::vector<std::string> taps{"neck.p3", "head.cls.p3", "head.reg.p3", "head.reg.p5"};
    const auto run = [&](Session& session) {
      return session.distillation()->teachers()[0]->run(scene.batch, taps);
    };
    const auto exact = run(fine), rounded = run(coarse), again = run(coarse);
    for (size_t t = 0; t < taps.size(); ++t) {
      CAPTURE(taps[t]);
      CHECK((rounded[t].scalar_type() == at::kFloat));
      CHECK(at::equal(rounded[t], again[t]));
      CHECK(!at::equal(rounded[t], exact[t]));
      const double error = (rounded[t] - exact[t]).abs().max().item<double>();
      CHECK(error < 0.02 * exact[t].abs().max().item<double>());
    }
    const StepResult expected = fine.step(scene.batch, input());
    const StepResult result = coarse.step(scene.batch, input());
    for (const std::string& name : kTerms) {
      CAPTURE(name);
      // Which instances are chosen turns with the last digit.
      const double within = name == "instances" ? 0.5 : 0.05;
      CHECK(result.losses.at(name) == doctest::Approx(expected.losses.at(name)).epsilon(within));
    }
    Session(taught("fp32", true)).step(scene.batch, input());
    Session other(taught("bf16", true));
    other.step(scene.batch, input());
    CHECK(other.distillation()->teachers()[0]->cache()->statistics().hits == 0);
  }
}

TEST_CASE(
    "what a score means differs by detector: only distributions on the same anchors pass between them") {
  const char* kSides = R"([{"transfer":"localization","region":"main"}])";
  const char* kClasses = R"([{"transfer":"classification","region":"main"}])";
  const auto mixed = [&](const std::string& student, const std::string& teacher, const char* transfers) {
    const Pair pair(teacher);
    SessionOptions given = pair.taught(1, transfers);
    given.model.set("detector", student);
    return codeOf([&] { Session session(given); });
  };
  CHECK(mixed("gfl", "gflv2", kSides).empty());
  CHECK(mixed("atss", "gfl", kSides).empty());
  CHECK(mixed("atss", "gfl", kClasses) == "HD_RECIPE_TEACHER");
  CHECK(mixed("fcos", "atss", kSides) == "HD_RECIPE_TEACHER");
  CHECK(mixed("retinanet", "gfl", kSides) == "HD_RECIPE_TEACHER");
}

TEST_CASE("sides taken together are another divergence, and only two words are understood") {
  const Scene scene;
  const Pair pair("retinanet");
  const auto value = [&](const char* how) {
    const std::string transfers =
        hd::concat(R"([{"transfer":"localization","name":"ld","region":"main","sides":")", how, R"("}])");
    Session session(pair.taught(1, transfers.c_str()));
    return session.step(scene.batch, input()).losses.at("ld");
  };
  CHECK(value("together") > 0);
  CHECK(value("together") < value("separate"));
  CHECK(codeOf([&] { value("apart"); }) == "HD_RECIPE_VALUE");
}

TEST_CASE("released presets carry the quirks of their heads") {
  const Scene scene;
  const auto released = [&](const std::string& detector, const char* more) {
    const Pair pair(detector);
    const std::string transfers = hd::concat(
        R"([{"transfer":"localization","name":"ld","region":"valuable","preset":"released")", more, "}]");
    Session session(pair.taught(1, transfers.c_str()));
    return session.step(scene.batch, input()).losses.at("ld");
  };
  const double fcos = released("fcos", ""), retinanet = released("retinanet", "");
  CHECK(fcos == released("fcos", R"(,"weights":"confidence")"));
  CHECK(fcos < released("fcos", R"(,"weights":"mask")"));
  CHECK(retinanet == released("retinanet", R"(,"positives":false,"sides":"together","weights":"overlap")"));
  CHECK(retinanet <= released("retinanet", R"(,"positives":true)"));
}
