#include "eval/evaluator.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::checkError;
using eval_fixture::TemporaryFile;

namespace {

hd::Detections detectionsOf(const eval_fixture::RandomSet& set, size_t image) {
  hd::Detections out;
  for (const Instance& instance : set.detections) {
    if (instance.image != set.truth.images[image]) continue;
    const auto& [x, y, w, h] = instance.box;
    for (const double side : {x, y, x + w, y + h}) out.boxes.push_back(static_cast<float>(side));
    out.scores.push_back(static_cast<float>(instance.score));
    const auto& ids = set.truth.categories;
    out.labels.push_back(
        static_cast<int32_t>(std::find(ids.begin(), ids.end(), instance.category) - ids.begin()));
  }
  return out;
}

void fill(Evaluator& evaluator, const eval_fixture::RandomSet& set) {
  for (size_t image = 0; image < set.truth.images.size(); ++image) {
    evaluator.add(static_cast<int64_t>(image), detectionsOf(set, image));
  }
}

CocoSet oneTruth(bool ignore = false, int64_t id = 1) {
  CocoSet truth;
  truth.images = {40, 41};
  truth.categories = {9, 2};
  truth.names = {"cat", "dog"};
  Instance instance;
  instance.id = id;
  instance.image = 40;
  instance.category = 2;
  instance.box = {10, 10, 50, 40};
  instance.area = 2000;
  instance.ignore = ignore;
  truth.instances = {instance};
  return truth;
}

const hd::Detections kExact{{10, 10, 60, 50}, {.9f}, {1}};

}  // namespace

TEST_CASE("an exact detection scores 1, and the class table says of whom") {
  Evaluator evaluator(oneTruth());
  evaluator.add(0, kExact);
  const hd::Value summary = evaluator.summarize(hd::Value::Object{});
  CHECK(summary.at("ap").asNumber() == doctest::Approx(1));
  CHECK(summary.at("ap50").asNumber() == doctest::Approx(1));
  CHECK(summary.at("apMedium").asNumber() == doctest::Approx(1));
  CHECK(summary.at("apSmall").asNumber() == -1);
  CHECK(summary.at("ar100").asNumber() == 1);
  CHECK(summary.at("images").asInt() == 2);
  CHECK(summary.at("detections").asInt() == 1);
  const auto& rows = summary.at("perClass").asArray();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at("name").asString() == "cat");
  CHECK(rows[0].at("ap").asNumber() == -1);
  CHECK(rows[0].at("truths").asInt() == 0);
  CHECK(rows[1].at("name").asString() == "dog");
  CHECK(rows[1].at("id").asInt() == 2);
  CHECK(rows[1].at("ap").asNumber() == doctest::Approx(1));
  CHECK(rows[1].at("ar").asNumber() == 1);
  CHECK(rows[1].at("detections").asInt() == 1);
}

TEST_CASE("adding again replaces, clearing forgets") {
  Evaluator evaluator(oneTruth());
  evaluator.add(0, {{300, 300, 310, 310}, {.9f}, {1}});
  CHECK(evaluator.summarize(hd::Value::Object{}).at("ap").asNumber() == 0);
  evaluator.add(0, kExact);
  CHECK(evaluator.detections(0).scores == kExact.scores);
  CHECK(evaluator.summarize(hd::Value::Object{}).at("ap").asNumber() == doctest::Approx(1));
  evaluator.clear();
  CHECK(evaluator.detections(0).size() == 0);
  CHECK(evaluator.summarize(hd::Value::Object{}).at("ap").asNumber() == 0);
}

TEST_CASE("difficult truths do not count, and an id of 0 does no harm") {
  Evaluator difficult(oneTruth(true));
  difficult.add(0, kExact);
  CHECK(difficult.summarize(hd::Value::Object{}).at("ap").asNumber() == -1);
  Evaluator numberedFromZero(oneTruth(false, 0));
  numberedFromZero.add(0, kExact);
  CHECK(numberedFromZero.summarize(hd::Value::Object{}).at("ap").asNumber() == doctest::Approx(1));
}

TEST_CASE("truth that comes with its picture scores as truth known from the start") {
  CocoSet bare = oneTruth();
  std::vector<Instance> instances = std::exchange(bare.instances, {});
  Evaluator evaluator(bare);
  evaluator.add(0, kExact);
  CHECK(evaluator.summarize(hd::Value::Object{}).at("ap").asNumber() == -1);
  evaluator.setTruth(0, instances, {1});
  evaluator.setTruth(0, instances, {1});  // a second pass replaces
  Evaluator known(oneTruth());
  known.add(0, kExact);
  CHECK(hd::printJson(evaluator.summarize(hd::Value::Object{})) ==
        hd::printJson(known.summarize(hd::Value::Object{})));
  evaluator.clear();
  evaluator.add(0, kExact);
  CHECK(evaluator.summarize(hd::Value::Object{}).at("ap").asNumber() == -1);
  checkError([&] { evaluator.setTruth(2, instances, {1}); }, "HD_INTERNAL", "an image below 2");
  checkError([&] { evaluator.setTruth(0, instances, {2}); }, "HD_INTERNAL", "a class below 2");
  checkError([&] { evaluator.setTruth(0, instances, {}); }, "HD_INTERNAL", "one label");
}

TEST_CASE("VOC: ten thresholds, their mean, both interpolations") {
  Evaluator evaluator(oneTruth());
  evaluator.add(0, {{10, 10, 60, 45, 10, 10, 20, 20}, {.9f, .5f}, {1, 1}});  // IoU 35/40 and next to nothing
  for (const char* interpolation : {"area", "11point"}) {
    const hd::Value summary =
        evaluator.summarize(hd::Value::Object{{"metric", "voc"}, {"interpolation", interpolation}});
    CHECK(summary.numbers("perThreshold") == std::vector<double>{1, 1, 1, 1, 1, 1, 1, 1, 0, 0});
    CHECK(summary.at("ap").asNumber() == doctest::Approx(.8));
    CHECK(summary.at("ap50").asNumber() == doctest::Approx(1));
    CHECK(summary.at("ap75").asNumber() == 1);
    CHECK(summary.at("perClass").asArray()[0].at("ap").asNumber() == -1);
    CHECK(summary.at("perClass").asArray()[1].at("ap").asNumber() == doctest::Approx(.8));
  }
}

TEST_CASE("LVIS: by what each picture was searched for; the diagnosis, too") {
  const CocoSet truth = oneTruth();  // a dog in picture 40
  FederatedTruth federated;
  federated.frequency = {'c', 'r'};
  federated.images[41].negative = {2};
  Evaluator evaluator(truth, federated);
  evaluator.add(0, {{10, 10, 60, 50, 10, 10, 60, 50}, {.8f, .9f}, {1, 0}});  // nobody looked for cats
  hd::Value summary = evaluator.summarize(hd::Value::Object{{"metric", "lvis"}});
  CHECK(summary.at("ap").asNumber() == doctest::Approx(1));
  CHECK(summary.at("apRare").asNumber() == doctest::Approx(1));
  CHECK(summary.at("apCommon").asNumber() == -1);
  CHECK(summary.at("images").asInt() == 2);
  CHECK(evaluator.diagnose(hd::Value::Object{}).at("errors").at("background").asInt() == 0);
  evaluator.add(1, {{10, 10, 60, 50}, {.95f}, {1}});
  summary = evaluator.summarize(hd::Value::Object{{"metric", "lvis"}});
  CHECK(summary.at("ap").asNumber() == doctest::Approx(.5));
  CHECK(evaluator.diagnose(hd::Value::Object{}).at("errors").at("background").asInt() == 1);
}

TEST_CASE("written results score the same when read back") {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    auto set = eval_fixture::randomSet(seed);
    for (Instance& truth : set.truth.instances)
      truth.ignore = false;  // files ignore the flag, as pycocotools does
    Evaluator evaluator(set.truth);
    fill(evaluator, set);
    const TemporaryFile file;
    evaluator.writeResults(file.path());
    const auto results = readCocoResults(file.path(), set.truth, IouType::bbox);
    const CocoResult expected = evaluateCoco(set.truth, results, CocoParams::defaults(IouType::bbox));
    const hd::Value summary = evaluator.summarize(hd::Value::Object{{"threads", 2}});
    const char* const names[] = {"ap",  "ap50", "ap75",  "apSmall", "apMedium", "apLarge",
                                 "ar1", "ar10", "ar100", "arSmall", "arMedium", "arLarge"};
    for (size_t i = 0; i < 12; ++i) CHECK(summary.at(names[i]).asNumber() == expected.stats[i]);
    CHECK(summary.at("ap").asNumber() > 0);
  }
}

TEST_CASE("many threads may add at once") {
  const auto set = eval_fixture::randomSet(5);
  Evaluator one(set.truth), many(set.truth);
  fill(one, set);
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (size_t image = t; image < set.truth.images.size(); image += 4) {
          many.add(static_cast<int64_t>(image), detectionsOf(set, image));
        }
      });
    }
  }
  CHECK(hd::printJson(one.summarize(hd::Value::Object{})) ==
        hd::printJson(many.summarize(hd::Value::Object{})));
}

TEST_CASE("what an evaluator refuses") {
  Evaluator evaluator(oneTruth());
  checkError([&] { evaluator.add(2, kExact); }, "HD_INTERNAL", "an image below 2");
  checkError([&] { evaluator.add(-1, kExact); }, "HD_INTERNAL", "received -1");
  checkError([&] { evaluator.detections(2); }, "HD_INTERNAL", "an image below 2");
  checkError([&] { evaluator.add(0, {{1, 2, 3}, {.9f}, {1}}); }, "HD_INTERNAL", "one box and label");
  checkError([&] { evaluator.add(0, {{1, 2, 3, 4}, {.9f}, {2}}); }, "HD_INTERNAL", "a class below 2");
  const float nan = std::nanf("");
  checkError([&] { evaluator.add(1, {{1, 2, 3, 4}, {nan}, {0}}); }, "HD_DIVERGED", "image 41");
  checkError([&] { evaluator.add(1, {{1, nan, 3, 4}, {.5f}, {0}}); }, "HD_DIVERGED", "learning rate");
  checkError([&] { evaluator.summarize(hd::Value::Object{{"metric", "f1"}}); }, "HD_USAGE", "voc or lvis");
  checkError([&] { evaluator.summarize(hd::Value::Object{{"metric", "lvis"}}); }, "HD_USAGE", "LVIS format");
  checkError(
      [&] {
        evaluator.summarize(hd::Value::Object{{"metric", "voc"}, {"interpolation", "7point"}});
      },
      "HD_USAGE", "11point");
}

TEST_CASE("part of a data set can be scored: images that were never added do not count") {
  CocoSet truth = oneTruth();
  truth.instances.push_back(truth.instances[0]);
  truth.instances[1].image = 41;
  Evaluator evaluator(truth);
  evaluator.add(0, kExact);
  const hd::Value part = hd::Value::Object{{"seenOnly", true}};
  CHECK(evaluator.summarize(hd::Value::Object{}).at("ap").asNumber() < 0.6);
  CHECK(evaluator.summarize(part).at("ap").asNumber() == doctest::Approx(1));
  CHECK(evaluator.summarize(part).at("images").asInt() == 1);
  evaluator.add(1, {});
  CHECK(evaluator.summarize(part).at("ap").asNumber() < 0.6);
  evaluator.clear();
  CHECK(evaluator.summarize(part).at("images").asInt() == 0);
}
