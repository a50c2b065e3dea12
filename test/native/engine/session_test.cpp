// Steps, checkpoints and detections of a whole session on a small network.
#include "engine/session.h"

#include <cmath>
#include <fstream>
#include <limits>

#include "engine_fixture.h"

using namespace engine_fixture;

TEST_CASE("steps on one batch lower its loss; the profile accounts for them") {
  Session session(options("train"));
  const Scene scene;
  double first = 0, last = 0;
  for (int64_t step = 0; step < 20; ++step) {
    last = session.step(scene.batch, input(step, 0.02)).losses.at("total");
    if (step == 0) first = last;
  }
  CAPTURE(first);
  CHECK(last < 0.7 * first);
  for (const char* part : {"assign", "forward", "losses", "backward", "optimizer"}) {
    CHECK(session.profile().at(part) > 0);
  }
}

TEST_CASE(
    "the total is the weighted sum of the terms, and loss weights of the input replace the detector's") {
  const Scene scene;
  StepInput given = input();
  given.lossWeights = {{"cls", 0.5}, {"box", 0}, {"dfl", 3}};
  Session session(options());
  const StepResult result = session.step(scene.batch, given);
  CHECK(result.losses.at("total") ==
        doctest::Approx(0.5 * result.losses.at("cls") + 3 * result.losses.at("dfl")));
  CHECK(result.positives > 0);
  CHECK(result.gradientNorm > 0);
}

TEST_CASE("the cut into micro-batches changes neither losses nor weights") {
  const Scene scene;
  Session whole(options());
  const StepResult expected = whole.step(scene.batch, input());
  for (const int64_t parts : {2, 4}) {
    Session session(options("eval", parts));
    const StepResult result = session.step(scene.batch, input());
    for (const auto& [name, value] : expected.losses) {
      CAPTURE(name);
      CHECK(result.losses.at(name) == doctest::Approx(value).epsilon(1e-4));
    }
    CHECK(result.positives == expected.positives);
    CHECK(result.gradientNorm == doctest::Approx(expected.gradientNorm).epsilon(1e-4));
    const auto a = weights(whole), b = weights(session);
    for (size_t i = 0; i < a.size(); ++i)
      CHECK(at::allclose(a[i].to(at::kDouble), b[i].to(at::kDouble), 1e-4, 1e-6));
  }
}

TEST_CASE("the order of the images in a batch does not matter") {
  const Scene scene, shuffled({2, 3, 0, 1});
  Session a(options()), b(options());
  const StepResult one = a.step(scene.batch, input()), other = b.step(shuffled.batch, input());
  for (const auto& [name, value] : one.losses)
    CHECK(other.losses.at(name) == doctest::Approx(value).epsilon(1e-5));
  CHECK(other.gradientNorm == doctest::Approx(one.gradientNorm).epsilon(1e-4));
}

TEST_CASE("a batch without any object, alone or in parts, trains on finite losses") {
  const Scene empty({3, 3, 3, 3});
  for (const int64_t parts : {1, 2}) {
    Session session(options("train", parts));
    const StepResult result = session.step(empty.batch, input());
    CHECK(result.positives == 0);
    CHECK(result.losses.at("box") == 0);
    CHECK(result.losses.at("dfl") == 0);
    CHECK(std::isfinite(result.losses.at("total")));
    CHECK(result.gradientNorm > 0);
  }
}

TEST_CASE("a step that fails changes nothing, running statistics included") {
  const Scene scene;
  Session session(options("train", 1, true));
  session.step(scene.batch, input());
  auto& store = session.graph().parameters();
  Tensor poisoned = store.find("backbone.layer1.0.conv1.weight")->master;
  const Tensor good = poisoned.clone();
  {
    torch::NoGradGuard guard;
    poisoned.select(0, 0).fill_(std::numeric_limits<float>::infinity());
    store.touch();
  }
  const auto before = weights(session);
  CHECK(codeOf([&] { session.step(scene.batch, input(1)); }) == "HD_DIVERGED");
  CHECK(same(before, weights(session)));
  {
    torch::NoGradGuard guard;
    poisoned.copy_(good);
    store.touch();
  }
  Session untouched(options("train", 1, true));
  untouched.step(scene.batch, input());
  untouched.step(scene.batch, input(1));
  session.step(scene.batch, input(1));
  CHECK(same(weights(untouched), weights(session)));
}

TEST_CASE("a clipped update is the one that is computed by hand: the gradient is scaled, the decay is not") {
  const Scene scene;
  SessionOptions given = options();
  given.optimizer.weightDecay = 0;
  // The first step leaves the gradient itself in the momentum.
  Session free(given);
  StepInput step = input(0, 0.1);
  step.clipNorm = 0;
  const StepResult unclipped = free.step(scene.batch, step);
  const auto gradients = free.optimizer().state();
  double squared = 0;
  for (const auto& [name, gradient] : gradients) {
    const double norm = gradient.to(at::kDouble).norm().item<double>();
    squared += norm * norm;
  }
  const double norm = std::sqrt(squared);
  CHECK(unclipped.gradientNorm == doctest::Approx(norm).epsilon(1e-5));

  const double decay = 0.01, limit = norm / 3;
  given.optimizer.weightDecay = decay;
  Session clipped(given);
  std::vector<Tensor> before;
  for (const auto* parameter : clipped.optimizer().parameters())
    before.push_back(parameter->master.to(at::kDouble));
  step.clipNorm = limit;
  const StepResult result = clipped.step(scene.batch, step);
  CHECK(result.gradientNorm == doctest::Approx(norm).epsilon(1e-5));  // told as it was
  const auto& parameters = clipped.optimizer().parameters();
  REQUIRE(parameters.size() == gradients.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    CAPTURE(parameters[i]->name);
    const Tensor scaled = gradients[i].second.to(at::kDouble) * (limit / (norm + 1e-6));
    const Tensor expected = before[i] - 0.1 * (scaled + decay * before[i]);
    const Tensor moved = parameters[i]->master.to(at::kDouble) - before[i];
    CHECK(at::allclose(moved, expected - before[i], 1e-4, 3e-7));
  }

  // A norm below the limit is left alone, to the bit.
  given.optimizer.weightDecay = 0;
  Session below(given);
  step.clipNorm = 2 * norm;
  below.step(scene.batch, step);
  CHECK(same(weights(free), weights(below)));
}

TEST_CASE("frozen parameters stay, the rest moves") {
  SessionOptions given = options("eval");
  given.freeze = {"backbone.*", "neck.fpn_convs.0.*"};
  Session session(given);
  const auto before = weights(session);
  const Scene scene;
  session.step(scene.batch, input(0, 0.1));
  size_t index = 0, moved = 0;
  for (const auto& parameter : session.graph().parameters().all()) {
    const bool equal = at::equal(before[index++], parameter.master);
    CAPTURE(parameter.name);
    if (parameter.name.rfind("backbone.", 0) == 0 || parameter.name.rfind("neck.fpn_convs.0.", 0) == 0)
      CHECK(equal);
    moved += !equal;
  }
  CHECK(moved > 5);
}

TEST_CASE("a restored session goes on to the same bits, with its moments and EMA") {
  const Scene scene;
  for (const auto kind : {OptimizerOptions::Kind::sgd, OptimizerOptions::Kind::adamw}) {
    const Folder folder;
    SessionOptions given = options("train", 2, true);
    given.optimizer.kind = kind;
    Session whole(given);
    for (int64_t step = 0; step < 2; ++step) whole.step(scene.batch, input(step, 1e-3));
    whole.save(folder.path());
    Session resumed(given);
    resumed.restore(folder.path());
    for (Session* session : {&whole, &resumed}) {
      session->step(scene.batch, input(2, 1e-3));
      session->detect(scene.batch, {});  // an evaluation in between uses the EMA and must leave no trace
      session->step(scene.batch, input(3, 1e-3));
    }
    CHECK(same(weights(whole), weights(resumed)));
    whole.exportWeights(folder / "a.safetensors", {});
    resumed.exportWeights(folder / "b.safetensors", {});
    Session a(options("train")), b(options("train"));
    a.loadWeights(folder / "a.safetensors", hd::nn::MatchMode::strict);
    b.loadWeights(folder / "b.safetensors", hd::nn::MatchMode::strict);
    CHECK(same(weights(a), weights(b)));
    CHECK(!same(weights(a), weights(whole)));  // what is exported is the EMA
  }
}

TEST_CASE("detections come from the EMA and are sorted, and a checkpoint of another network is refused") {
  const Scene scene;
  const Folder folder;
  Session session(options("train", 1, true));
  session.step(scene.batch, input());
  const auto found = session.detect(scene.batch, {});
  REQUIRE(found.size() == kImages);
  for (const hd::Detections& image : found) {
    CHECK(image.boxes.size() == 4 * image.scores.size());
    CHECK(std::is_sorted(image.scores.rbegin(), image.scores.rend()));
  }
  session.save(folder.path());
  SessionOptions other = options("train", 1, true);
  other.model.set("headChannels", 64);
  Session wrong(other);
  CHECK(codeOf([&] { wrong.restore(folder.path()); }) == "HD_CKPT_MISMATCH");
}

TEST_CASE(
    "a checkpoint with numbers that are not finite is refused and changes nothing; a dump may hold them") {
  const Folder folder;
  Session diverged(options("train", 1, true));
  {
    torch::NoGradGuard guard;
    diverged.graph().parameters().all().front().master.select(0, 3).fill_(std::nanf(""));
  }
  diverged.save(folder.path());
  Session session(options("train", 1, true));
  const auto before = weights(session);
  CHECK(codeOf([&] { session.restore(folder.path()); }) == "HD_CKPT_NONFINITE");
  CHECK(same(before, weights(session)));
  std::ofstream(folder / "dump.json") << "{}";
  session.restore(folder.path());
  CHECK(session.graph().parameters().all().front().master[3].isnan().all().item<bool>());
}

TEST_CASE("a checkpoint whose bytes changed is refused before anything is") {
  const Folder folder;
  Session session(options("train", 1, true));
  session.save(folder.path());
  const std::string path = folder / "weights.safetensors";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-2, std::ios::end);
  const char byte = static_cast<char>(file.peek() ^ 4);
  file.seekp(-2, std::ios::end);
  file.put(byte);
  file.close();
  const auto before = weights(session);
  CHECK(codeOf([&] { session.restore(folder.path()); }) == "HD_CKPT_CORRUPT");
  CHECK(same(before, weights(session)));
}
