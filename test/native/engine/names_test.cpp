// Names that stand for nothing are refused when the session is made.
#include "engine/names.h"

#include "engine_fixture.h"

using namespace engine_fixture;

namespace {

struct Refusal {
  std::string code, message, where;
};

Refusal refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const hd::Error& error) {
    return {error.code(), error.what(), error.where()};
  }
  return {};
}

const std::vector<std::string> kNames{"backbone.conv1.weight", "backbone.layer1.0.conv1.weight",
                                      "head.gfl_cls.bias", "head.gfl_cls.weight", "neck.fpn.weight"};

bool says(const Refusal& refused, const std::string& part) {
  return refused.message.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("globs") {
  CHECK(matchesGlob("*", "a.b"));
  CHECK(matchesGlob("a.*.c", "a.b.b.c"));
  CHECK(matchesGlob("a.?", "a.b"));
  CHECK(!matchesGlob("a.?", "a.bc"));
  CHECK(!matchesGlob("a", "a.b"));
  CHECK(matchesGlob("**b", "b"));
  CHECK(!matchesGlob("", "a"));
  CHECK(matchesGlob("", ""));
}

TEST_CASE("a loss weight of no term is refused with the nearest one and what there is") {
  checkLossWeights({}, {"cls"});
  checkLossWeights({"box", "cls"}, {"cls", "box", "ld"});
  const Refusal refused = refusal([] { checkLossWeights({"cls", "boxx"}, {"cls", "box", "ld"}); });
  CHECK(refused.code == "HD_RECIPE_VALUE");
  CHECK(refused.where == "train.lossWeights.boxx");
  CHECK(refused.message ==
        "expected a loss term (cls, box, ld) for train.lossWeights but received 'boxx': did you mean 'box'?");
  CHECK(says(refusal([] { checkLossWeights({"something"}, {"cls"}); }), "correct it or take it out"));
  CHECK(refusal([] { checkLossWeights({"total"}, {"cls"}); }).code == "HD_RECIPE_VALUE");
}

TEST_CASE("a pattern that matches nothing is refused with the nearest one that people write") {
  for (const char* pattern : {"*", "backbone.*", "*.bias", "neck.fpn.weight", "head.*.weight", "?eck.*"})
    checkPattern(pattern, "train.freeze.0", kNames);
  const auto refused = [](const char* pattern) {
    return refusal([&] { checkPattern(pattern, "train.freeze.2", kNames); });
  };
  const Refusal first = refused("backbon.*");
  CHECK(first.code == "HD_RECIPE_VALUE");
  CHECK(first.where == "train.freeze.2");
  CHECK(first.message ==
        "expected names of parameters (backbone.*, head.*, neck.*; 'hdtrain inspect --parameters' lists all) "
        "for train.freeze.2 but received 'backbon.*', which matches none: did you mean 'backbone.*'?");
  CHECK(says(refused("backbone.layr1.*"), "did you mean 'backbone.layer1.*'?"));
  CHECK(says(refused("*.biass"), "did you mean '*.bias'?"));
  CHECK(says(refused("neck.fpn.wieght"), "did you mean 'neck.fpn.weight'?"));
  CHECK(says(refused("transformer.encoder.*"), "correct it or take it out"));
  CHECK(says(refused("backbone"), "which matches none"));  // the whole name must match
}

TEST_CASE("a session refuses what stands for nothing, before any step") {
  const auto made = [](const std::function<void(SessionOptions&)>& change) {
    SessionOptions given = options();
    change(given);
    return refusal([&] { Session session(given); });
  };
  CHECK(made([](SessionOptions& o) {
          o.lossWeights = {"dfl", "cls"};
          o.freeze = {"backbone.*"};
          o.optimizer.groups = {{"*.bias", 2, 0}};
        }).code.empty());
  CHECK(made([](SessionOptions& o) { o.lossWeights = {"centerness"}; }).where ==
        "train.lossWeights.centerness");
  CHECK(made([](SessionOptions& o) { o.freeze = {"*", "bakbone.*"}; }).where == "train.freeze.1");
  // Statistics are no parameters.
  CHECK(made([](SessionOptions& o) { o.freeze = {"*.running_mean"}; }).where == "train.freeze.0");
  CHECK(made([](SessionOptions& o) {
          o.optimizer.groups = {{"heads.*", 2, 0}};
        }).where == "train.groups.0.match");
  // A group of what is frozen does nothing, but stands for something.
  CHECK(made([](SessionOptions& o) {
          o.freeze = {"backbone.*"};
          o.optimizer.groups = {{"backbone.*", 0.1, 1}};
        }).code.empty());
  // For detection alone they play no part.
  CHECK(made([](SessionOptions& o) {
          o.training = false;
          o.freeze = {"bakbone.*"};
        }).code.empty());
}
