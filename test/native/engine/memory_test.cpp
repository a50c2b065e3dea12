// Steps that do not fit into memory.
#include "engine/memory.h"

#include <c10/util/Exception.h>

#include <memory>
#include <new>

#include "engine_fixture.h"

using namespace engine_fixture;

TEST_CASE("a finer cut divides the batch, at least twice as fine where that is possible") {
  CHECK(finerCut(8, 1) == 2);
  CHECK(finerCut(8, 2) == 4);
  CHECK(finerCut(8, 4) == 8);
  CHECK(finerCut(8, 8) == 0);
  CHECK(finerCut(6, 2) == 6);
  CHECK(finerCut(6, 3) == 6);
  CHECK(finerCut(7, 1) == 7);
  CHECK(finerCut(1, 1) == 0);
  CHECK(finerCut(12, 4) == 12);
  for (int64_t images = 1; images <= 60; ++images) {
    for (int64_t parts = 1, steps = 0; parts != 0; parts = finerCut(images, parts)) {
      CHECK(images % parts == 0);
      REQUIRE(++steps < 10);
    }
  }
}

TEST_CASE("what counts as memory that ran out") {
  CHECK(isOutOfMemory(std::bad_alloc()));
  CHECK(isOutOfMemory(
      std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")));
  CHECK(isOutOfMemory(std::runtime_error("CUDA out of memory. Tried to allocate 2.00 GiB")));
  CHECK_FALSE(isOutOfMemory(std::runtime_error("index out of range")));
  CHECK_FALSE(isOutOfMemory(hd::Error("HD_DIVERGED", "the loss is nan")));
}

TEST_CASE("the allocator of libtorch says so in words that are known") {
  try {
    const auto tensor = at::empty({int64_t{1} << 60});
    FAIL("an exabyte was given");
  } catch (const std::exception& error) {
    CAPTURE(error.what());
    CHECK(isOutOfMemory(error));
  }
}

TEST_CASE("a step without memory is cut finer and gives what the whole batch gives") {
  const Scene scene;
  Session whole(options()), cut(options());
  const StepResult expected = whole.step(scene.batch, input());
  StepInput given = input();
  given.fault = "memory";
  const StepResult result = stepWithinMemory(cut, scene.batch, given);
  CHECK(given.accumulate == 2);
  CHECK(cut.microBatches(given) == 2);
  CHECK(result.losses.at("total") == doctest::Approx(expected.losses.at("total")).epsilon(1e-4));
  const auto a = weights(whole), b = weights(cut);
  for (size_t i = 0; i < a.size(); ++i)
    CHECK(at::allclose(a[i].to(at::kDouble), b[i].to(at::kDouble), 1e-4, 1e-6));
}

TEST_CASE("a step that has memory keeps its cut") {
  const Scene scene;
  Session session(options("eval", 2));
  StepInput given = input();
  stepWithinMemory(session, scene.batch, given);
  CHECK(given.accumulate == 0);
  CHECK(session.microBatches(given) == 2);
}

TEST_CASE("one picture that is too much is an error, and nothing has changed") {
  const Scene scene({0});
  Session session(options());
  const auto before = weights(session);
  StepInput given = input();
  given.fault = "memory";
  CHECK(codeOf([&] { stepWithinMemory(session, scene.batch, given); }) == "HD_MEMORY");
  CHECK(same(before, weights(session)));
  given.fault.clear();
  stepWithinMemory(session, scene.batch, given);  // the session still works
  CHECK_FALSE(same(before, weights(session)));
}

TEST_CASE("errors of other kinds pass") {
  const Scene scene;
  Session session(options());
  StepInput given = input();
  given.fault = "nan";
  CHECK(codeOf([&] { stepWithinMemory(session, scene.batch, given); }) == "HD_DIVERGED");
  CHECK(given.accumulate == 0);
}

TEST_CASE("detection without memory goes on with half as many images at once and finds the same") {
  const Scene scene;
  hd::detectors::PostProcess all;
  all.scoreThreshold = 0;
  Session whole(options("eval", 1, true)), halved(options("eval", 1, true));
  for (Session* session : {&whole, &halved}) session->step(scene.batch, input());
  const auto expected = whole.detect(scene.batch, all);
  CHECK(halved.detectAtOnce() == 0);
  CHECK(detectWithinMemory(halved, scene.batch, all).size() == kImages);
  CHECK(halved.detectAtOnce() == 0);
  const auto found = detectWithinMemory(halved, scene.batch, all, -1, true);
  CHECK(halved.detectAtOnce() == 2);
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].size() == expected[i].size());
    for (size_t d = 0; d < found[i].scores.size(); ++d)
      CHECK(found[i].scores[d] == doctest::Approx(expected[i].scores[d]).epsilon(1e-4));
  }
  detectWithinMemory(halved, scene.batch, all);  // the limit stays
  CHECK(halved.detectAtOnce() == 2);
  detectWithinMemory(halved, scene.batch, all, -1, true);
  CHECK(halved.detectAtOnce() == 1);
  CHECK(codeOf([&] { detectWithinMemory(halved, scene.batch, all, -1, true); }) == "HD_MEMORY");
  // Training goes on from where it was: neither the trouble nor the EMA has left a trace.
  whole.step(scene.batch, input(1));
  halved.step(scene.batch, input(1));
  CHECK(same(weights(whole), weights(halved)));
  CHECK(codeOf([&] { detectWithinMemory(halved, scene.batch, all, 0); }) == "HD_USAGE");  // has no teacher
}
