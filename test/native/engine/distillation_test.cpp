// Teachers and transfers in a step: what they add, what they must not touch, what they refuse.
#include <algorithm>
#include <cmath>
#include <limits>

#include "distill/teacher_bench.h"
#include "engine_fixture.h"
#include "io/safetensors.h"

using namespace engine_fixture;

namespace {

constexpr const char* kTransfers =
    R"([{"transfer":"localization","name":"main","region":"main","weight":0.75},
        {"transfer":"localization","name":"valuable","region":"valuable","weight":0.75},
        {"transfer":"classification","name":"kd","region":"main","weight":10},
        {"transfer":"classification","name":"binary","kind":"binary","region":"valuable","weight":1},
        {"transfer":"imitation","name":"features","kind":"inside-box","weight":1},
        {"transfer":"imitation","name":"instances","kind":"gibox","weight":1}])";

/// A teacher of the student's kind with other weights, on disk.
struct Taught {
  Folder folder;
  std::string file;

  explicit Taught(uint64_t seed = 9) : file(folder / "teacher.safetensors") {
    SessionOptions given = options("eval");
    given.seed = seed;
    Session(given).exportWeights(file, {});
  }

  SessionOptions with(const char* transfers = kTransfers, int64_t accumulate = 1,
                      const char* norm = "eval") const {
    SessionOptions out = options(norm, accumulate);
    out.teachers = hd::parseJson("[{}]");
    Value section = Value::Object{{"model", options().model}, {"weights", file}};
    out.teachers = Value::Array{section};
    out.distill = hd::parseJson(transfers);
    return out;
  }
};

const std::vector<std::string> kTerms{"main", "valuable", "kd", "binary", "features", "instances"};

}  // namespace

TEST_CASE("every transfer adds a finite positive term, and the student learns from them") {
  const Taught taught;
  const Scene scene;
  Session session(taught.with());
  const StepResult first = session.step(scene.batch, input());
  double total = first.losses.at("cls") + 2 * first.losses.at("box") + 0.25 * first.losses.at("dfl");
  for (const std::string& name : kTerms) {
    CAPTURE(name);
    CHECK(std::isfinite(first.losses.at(name)));
    CHECK(first.losses.at(name) > 0);
    total += (name == "kd" ? 10 : name == "main" || name == "valuable" ? 0.75 : 1) * first.losses.at(name);
  }
  CHECK(first.losses.at("total") == doctest::Approx(total));
  StepInput only = input();
  only.lossWeights = {{"cls", 0}, {"box", 0}, {"dfl", 0}, {"main", 5}, {"valuable", 5}};
  double last = 0, before = first.losses.at("main") + first.losses.at("valuable");
  for (int64_t step = 0; step < 15; ++step) {
    only.step = step;
    const StepResult result = session.step(scene.batch, only);
    last = result.losses.at("main") + result.losses.at("valuable");
  }
  CHECK(last < 0.8 * before);
}

TEST_CASE("a student with its teacher's weights has nothing to learn from it") {
  const Taught taught;
  const Scene scene;
  Session session(taught.with());
  session.loadWeights(taught.file, hd::nn::MatchMode::strict);
  const StepResult result = session.step(scene.batch, input());
  for (const std::string& name : kTerms) {
    CAPTURE(name);
    CHECK(std::abs(result.losses.at(name)) < 1e-6);
  }
}

TEST_CASE("with all transfer weights 0 the step is the plain one") {
  const Taught taught;
  const Scene scene;
  Session plain(options()), session(taught.with());
  StepInput off = input();
  for (const std::string& name : kTerms) off.lossWeights[name] = 0;
  plain.step(scene.batch, input());
  session.step(scene.batch, off);
  const auto a = weights(plain), b = weights(session);
  for (size_t i = 0; i < a.size(); ++i)
    CHECK(at::allclose(a[i].to(at::kDouble), b[i].to(at::kDouble), 1e-6, 1e-8));
}

TEST_CASE("the cut into micro-batches changes no term") {
  const Taught taught;
  const Scene scene;
  const StepResult whole = Session(taught.with()).step(scene.batch, input());
  for (const int64_t parts : {2, 4}) {
    const StepResult cut = Session(taught.with(kTransfers, parts)).step(scene.batch, input());
    for (const auto& [name, value] : whole.losses) {
      CAPTURE(name);
      CHECK(cut.losses.at(name) == doctest::Approx(value).epsilon(1e-4));
    }
    CHECK(cut.gradientNorm == doctest::Approx(whole.gradientNorm).epsilon(1e-4));
  }
}

TEST_CASE("an image twice costs what it costs once, except as released") {
  const Taught taught;
  const Scene one({1}), two({1, 1});
  const StepResult a = Session(taught.with()).step(one.batch, input());
  const StepResult b = Session(taught.with()).step(two.batch, input());
  for (const std::string& name : kTerms) {
    CAPTURE(name);
    CHECK(b.losses.at(name) == doctest::Approx(a.losses.at(name)).epsilon(1e-5));
  }
  constexpr const char* released = R"([{"transfer":"localization","name":"main","preset":"released"}])";
  const StepResult c = Session(taught.with(released)).step(one.batch, input());
  const StepResult d = Session(taught.with(released)).step(two.batch, input());
  CHECK(d.losses.at("main") == doctest::Approx(2 * c.losses.at("main")).epsilon(1e-5));
}

TEST_CASE("images without objects, alone or among others, cost nothing and stay finite") {
  const Taught taught;
  const Scene empty({3, 3});
  Session session(taught.with());
  const StepResult result = session.step(empty.batch, input());
  for (const std::string& name : kTerms) {
    CAPTURE(name);
    if (name != "instances") CHECK(result.losses.at(name) == 0);
    CHECK(std::isfinite(result.losses.at(name)));
  }
  CHECK(std::isfinite(result.gradientNorm));
}

TEST_CASE("a teacher is bit-identical after training, and its file decides its report") {
  const Taught taught;
  const Scene scene;
  Session session(taught.with(kTransfers, 2, "train"));
  const auto& teacher = *session.distillation()->teachers().front();
  CHECK(teacher.report().missing.empty());
  CHECK(teacher.report().matched.size() > 100);
  const auto run = [&] {
    return session.distillation()->teachers().front()->run(scene.batch, {"head.reg.p3"})[0].clone();
  };
  const Tensor before = run();
  for (int64_t step = 0; step < 3; ++step) session.step(scene.batch, input(step, 0.05));
  CHECK(at::equal(before, run()));
}

TEST_CASE("what a class of the teacher stands for is detected as each of the student's classes") {
  const Taught taught;
  const Scene scene;
  const auto detected = [&](const char* map) {
    hd::distill::Teacher teacher(Value::Object{
        {"model", options().model}, {"weights", taught.file}, {"classMap", hd::parseJson(map)}});
    hd::detectors::PostProcess everything;
    everything.scoreThreshold = 0;
    return teacher.detect(scene.batch, everything)[0];
  };
  const hd::Detections both = detected("[1,1]"), own = detected("[0,1]");
  int64_t of[2] = {0, 0};
  for (const int32_t label : both.labels) ++of[label];
  CHECK(of[0] > 0);
  CHECK(of[0] == of[1]);
  CHECK(of[1] == std::count(own.labels.begin(), own.labels.end(), 1));
  for (size_t d = 1; d < both.labels.size(); d += 2) {
    CHECK(both.scores[d] == both.scores[d - 1]);
    CHECK(both.boxes[4 * d] == both.boxes[4 * d - 4]);
  }
}

TEST_CASE("a class map reorders the teacher's classes") {
  const Taught taught;
  const Scene scene;
  SessionOptions given = taught.with(R"([{"transfer":"classification","name":"kd"}])");
  Value section = Value::Object{
      {"model", options().model}, {"weights", taught.file}, {"classMap", hd::parseJson("[1,0]")}};
  SessionOptions swapped = given;
  swapped.teachers = Value::Array{section};
  const double straight = Session(given).step(scene.batch, input()).losses.at("kd");
  const double crossed = Session(swapped).step(scene.batch, input()).losses.at("kd");
  CHECK(straight != doctest::Approx(crossed).epsilon(1e-6));
  // A teacher whose classes stand in the other order, mapped, is the first one.
  auto file = hd::io::readSafetensors(taught.file);
  std::vector<std::vector<uint8_t>> turned;
  for (auto& tensor : file.tensors) {
    if (tensor.name != "bbox_head.gfl_cls.weight" && tensor.name != "bbox_head.gfl_cls.bias") continue;
    const auto half = static_cast<std::ptrdiff_t>(tensor.bytes / 2);
    turned.emplace_back(tensor.data + half, tensor.data + tensor.bytes);
    turned.back().insert(turned.back().end(), tensor.data, tensor.data + half);
    tensor.data = turned.back().data();
  }
  REQUIRE(turned.size() == 2);
  const std::string path = taught.folder / "turned.safetensors";
  hd::io::writeSafetensors(path, file.tensors, {});
  section.set("weights", path);
  swapped.teachers = Value::Array{section};
  CHECK(Session(swapped).step(scene.batch, input()).losses.at("kd") ==
        doctest::Approx(straight).epsilon(1e-6));
}

TEST_CASE("teachers that do not fit are refused before the first step") {
  const Taught taught;
  const auto with = [&](const char* key, Value value, const char* transfers = kTransfers) {
    SessionOptions given = taught.with(transfers);
    given.model.set(key, std::move(value));
    return codeOf([&] { Session session(given); });
  };
  CHECK(with("classes", 3) == "HD_RECIPE_TEACHER");
  CHECK(with("regMax", 8) == "HD_RECIPE_TEACHER");
  CHECK(with("classes", 3, R"([{"transfer":"localization","region":"valuable"}])") == "");
  const auto teacher = [&](const char* key, Value value) {
    SessionOptions given = taught.with();
    Value section = given.teachers.asArray().front();
    Value model = section.at("model");
    if (std::string(key) == "weights" || std::string(key) == "classMap") {
      section.set(key, std::move(value));
    } else {
      model.set(key, std::move(value));
      section.set("model", model);
    }
    given.teachers = Value::Array{section};
    return codeOf([&] { Session session(given); });
  };
  CHECK(teacher("neckChannels", 64) == "HD_WEIGHTS_MISMATCH");
  CHECK(teacher("backbone", "resnet50") == "HD_WEIGHTS_MISMATCH");
  CHECK(teacher("classMap", hd::parseJson("[0]")) == "HD_RECIPE_TEACHER");
  CHECK(teacher("classMap", hd::parseJson("[0,2]")) == "HD_RECIPE_TEACHER");
  CHECK(teacher("weights", taught.folder / "missing.safetensors") != "");
  for (const char* bad :
       {R"([{"transfer":"localization","temperature":0}])", R"([{"transfer":"localization","region":"all"}])",
        R"([{"transfer":"localization","teacher":1}])", R"([{"transfer":"classification","kind":"hard"}])",
        R"([{"transfer":"localization","region":"valuable","gamma":2}])"}) {
    CAPTURE(bad);
    CHECK(codeOf([&] { Session session(taught.with(bad)); }) == "HD_RECIPE_VALUE");
  }
  CHECK(codeOf([&] { Session session(taught.with(R"([{"transfer":"hypnosis"}])")); }) == "HD_UNKNOWN_PART");
}

TEST_CASE("broken weights of a teacher are refused: zero, NaN") {
  const Taught taught;
  for (const float poison : {0.0f, std::numeric_limits<float>::quiet_NaN()}) {
    auto file = hd::io::readSafetensors(taught.file);
    std::vector<float> content;
    for (auto& tensor : file.tensors) {
      if (tensor.name != "bbox_head.gfl_reg.weight") continue;
      content.assign(tensor.bytes / 4, poison);
      tensor.data = reinterpret_cast<const uint8_t*>(content.data());
    }
    const std::string path = taught.folder / "broken.safetensors";
    hd::io::writeSafetensors(path, file.tensors, {});
    SessionOptions given = taught.with();
    Value section = Value::Object{{"model", options().model}, {"weights", path}};
    given.teachers = Value::Array{section};
    CHECK(codeOf([&] { Session session(given); }) ==
          (poison == 0 ? "HD_WEIGHTS_ZERO" : "HD_WEIGHTS_NONFINITE"));
  }
}

TEST_CASE("an adapter is trained, saved and restored, and is no part of the exported student") {
  for (const bool ema : {false, true}) {
    CAPTURE(ema);
    const Taught taught;
    const Scene scene;
    SessionOptions given =
        taught.with(R"([{"transfer":"imitation","name":"features","kind":"fitnets","weight":1}])");
    given.ema = ema;
    given.model = hd::parseJson(
        R"({"detector":"gfl","backbone":"resnet18","classes":2,"headConvs":1,"neckChannels":64,"headChannels":32,
            "frozenStages":-1,"norm":"eval"})");
    Session session(given);
    const auto adapter = [](Session& of) { return of.distillation()->parameters().all()[0].master.clone(); };
    const Tensor before = adapter(session);
    CHECK(before.sizes() == at::IntArrayRef({32, 64, 1, 1}));
    session.step(scene.batch, input(0));
    CHECK(!at::equal(adapter(session), before));
    const Folder folder;
    session.save(folder.path());
    session.step(scene.batch, input(1));
    Session resumed(given);
    resumed.restore(folder.path());
    resumed.step(scene.batch, input(1));
    CHECK(at::equal(adapter(resumed), adapter(session)));
    CHECK(same(weights(resumed), weights(session)));
    session.exportWeights(folder / "student.safetensors", {});
    const auto file = hd::io::readSafetensors(folder / "student.safetensors");
    CHECK(file.find("distill.features.adapter.weight") == nullptr);
    CHECK(file.find("backbone.conv1.weight") != nullptr);
  }
}

TEST_CASE("with a cache every step is the same, and the teacher runs once a picture") {
  const Taught taught;
  const Scene scene;
  const Folder folder;
  // Without general instances, which look at every row.
  constexpr const char* transfers =
      R"([{"transfer":"localization","name":"main"},{"transfer":"localization","name":"near","region":"valuable"},
          {"transfer":"classification","name":"kd"},{"transfer":"imitation","name":"im","kind":"finegrained"}])";
  SessionOptions cached = taught.with(transfers);
  Value section = cached.teachers.asArray()[0];
  section.set("cache", Value::Object{{"folder", folder / "teachers"}, {"limit", 100000000}});
  cached.teachers = Value::Array{section};
  Session with(cached), without(taught.with(transfers));
  for (int64_t step = 0; step < 3; ++step) {
    StepInput given = input(step);
    given.diagnostics = true;
    const StepResult a = with.step(scene.batch, given), b = without.step(scene.batch, given);
    for (const auto& [name, value] : b.losses) {
      CAPTURE(name);
      CHECK(a.losses.at(name) == doctest::Approx(value).epsilon(1e-5));
    }
    CHECK(a.agreement[0].sideDivergence[0] ==
          doctest::Approx(b.agreement[0].sideDivergence[0]).epsilon(1e-4));
    CHECK(a.caches[0].misses == kImages);
    CHECK(a.caches[0].hits == step * kImages);
  }
  // A resumed or second run finds the entries, and gives the same bits as the first.
  Session again(cached), once(cached);
  again.step(scene.batch, input());
  once.step(scene.batch, input());
  CHECK(same(weights(again), weights(once)));
  CHECK(again.distillation()->teachers()[0]->cache()->statistics().misses == 0);
  // Another teacher behind the same name is another teacher.
  SessionOptions other = options("eval");
  other.seed = 10;
  Session(other).exportWeights(taught.file, {});
  Session changed(cached);
  changed.step(scene.batch, input());
  CHECK(changed.distillation()->teachers()[0]->cache()->statistics().misses == kImages);
}

TEST_CASE("GFL v2 learns from GFL v2; another family's classes are refused, its boxes are not") {
  const auto as = [](SessionOptions given, const char* detector) {
    given.model.set("detector", detector);
    return given;
  };
  const Scene scene;
  const Folder folder;
  const std::string second = folder / "v2.safetensors";
  {
    SessionOptions given = as(options("eval"), "gflv2");
    given.seed = 9;
    Session(given).exportWeights(second, {});
  }
  const auto taught = [&](const char* transfers, const char* teacher, const std::string& file,
                          int64_t accumulate = 1) {
    SessionOptions out = as(options("eval", accumulate), "gflv2");
    Value section = Value::Object{{"model", as(options(), teacher).model}, {"weights", file}};
    out.teachers = Value::Array{section};
    out.distill = hd::parseJson(transfers);
    return out;
  };
  const StepResult whole = Session(taught(kTransfers, "gflv2", second)).step(scene.batch, input());
  for (const std::string& name : kTerms) {
    CAPTURE(name);
    CHECK(std::isfinite(whole.losses.at(name)));
    CHECK(whole.losses.at(name) > 0);
  }
  const StepResult cut = Session(taught(kTransfers, "gflv2", second, 2)).step(scene.batch, input());
  for (const auto& [name, value] : whole.losses)
    CHECK(cut.losses.at(name) == doctest::Approx(value).epsilon(1e-4));
  const Taught first;
  CHECK(codeOf([&] { Session(taught(R"([{"transfer":"classification"}])", "gfl", first.file)); }) ==
        "HD_RECIPE_TEACHER");
  Session boxes(taught(R"([{"transfer":"localization","name":"ld"}])", "gfl", first.file));
  CHECK(boxes.step(scene.batch, input()).losses.at("ld") > 0);
}

TEST_CASE("the benchmark of a teacher times the part that it is asked for") {
  const Taught taught;
  const auto time = [&](const char* part) {
    return hd::distill::benchTeacher(Value::Object{{"weights", taught.file},
                                                   {"model", options().model},
                                                   {"part", part},
                                                   {"batch", int64_t{1}},
                                                   {"side", int64_t{64}},
                                                   {"repeats", 3}});
  };
  for (const char* part : {"whole", "backbone"}) {
    CAPTURE(part);
    const Value result = time(part);
    CHECK(result.at("part").asString() == part);
    CHECK(result.at("precision").asString() == "fp32");
    REQUIRE(result.at("samples").asArray().size() == 3);
    for (const Value& sample : result.at("samples").asArray()) CHECK(sample.asNumber() > 0);
    CHECK(result.at("milliseconds").asNumber() > 0);
  }
  CHECK(codeOf([&] { time("neck"); }) == "HD_USAGE");
}
