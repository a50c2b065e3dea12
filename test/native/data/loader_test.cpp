#include "data/loader.h"

#include <doctest/doctest.h>

#include <future>
#include <memory>

#include "data/decode.h"
#include "native/data/memory_dataset.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::MemoryDataset;
using fixture::mixedSizes;
using fixture::options;
using fixture::Seen;
using fixture::take;

namespace {

constexpr const char* kAugment =
    R"("seed": 11, "augment": [{"resize": {"sizes": [[60, 40], [120, 90]]}}, {"flip": {}}, {"crop": {}}, {"colour": {}}])";

std::unique_ptr<Loader> started(const std::shared_ptr<const Dataset>& dataset, const std::string& json,
                                int64_t epoch = 0, int64_t step = 0) {
  auto loader = std::make_unique<Loader>(dataset, options(json));
  loader->begin(epoch, step);
  return loader;
}

template <class... Parts>
std::string json(const Parts&... parts) {
  return hd::concat("{", parts..., "}");
}

}  // namespace

TEST_CASE("batches are equal bit by bit for any number of threads and slots") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(23));
  const auto expected =
      take(*started(dataset, json(kAugment, R"(, "batch": 4, "threads": 1, "slots": 1)")), 20);
  REQUIRE(expected.size() == 20);
  for (const char* how :
       {R"(, "batch": 4, "threads": 2, "slots": 2)", R"(, "batch": 4, "threads": 5, "slots": 4)",
        R"(, "batch": 4, "threads": 2, "slots": 7)"}) {
    CHECK(take(*started(dataset, json(kAugment, how)), 20) == expected);
  }
}

TEST_CASE("ranks together hold what one rank holds") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(23));
  const auto whole = take(*started(dataset, json(kAugment, R"(, "batch": 6, "groupByAspect": true)")), 9);
  for (const int ranks : {2, 3}) {
    std::vector<std::vector<Seen>> joined(9);
    for (int rank = 0; rank < ranks; ++rank) {
      const auto part =
          take(*started(dataset, json(kAugment, R"(, "groupByAspect": true, "batch": )", 6 / ranks,
                                      R"(, "ranks": )", ranks, R"(, "rank": )", rank)),
               9);
      for (size_t step = 0; step < 9; ++step)
        joined[step].insert(joined[step].end(), part[step].begin(), part[step].end());
    }
    CHECK(joined == whole);
  }
}

TEST_CASE("beginning anywhere continues as if it had never stopped, across epochs") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(10));
  const std::string how = json(kAugment, R"(, "batch": 4, "threads": 3)");
  const auto loader = started(dataset, how);
  REQUIRE(loader->stepsPerEpoch() == 3);
  const auto whole = take(*loader, 12);
  for (int64_t from = 0; from < 9; ++from) {
    const std::vector<std::vector<Seen>> expected(whole.begin() + from, whole.begin() + from + 3);
    CHECK(take(*started(dataset, how, from / 3, from % 3), 3) == expected);
    loader->begin(from / 3, from % 3);  // with batches for another place already prepared
    CHECK(take(*loader, 3) == expected);
  }
  loader->begin(0, 3);  // the end of an epoch is the start of the next
  CHECK(loader->next().epoch() == 1);
  CHECK(loader->next().step() == 1);
}

TEST_CASE("an epoch brings every picture, and repeated ones look different") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(5));
  const auto batches = take(*started(dataset, json(kAugment, R"(, "batch": 8)")), 1);
  std::map<int64_t, std::vector<const Seen*>> byImage;
  for (const Seen& one : batches[0]) byImage[one.image].push_back(&one);
  CHECK(byImage.size() == 5);
  int repeats = 0;
  for (const auto& [image, views] : byImage) {
    for (size_t i = 1; i < views.size(); ++i, ++repeats) CHECK(views[i]->pixels != views[0]->pixels);
  }
  CHECK(repeats == 3);
}

TEST_CASE("zero-copy: batches lie in slot memory and nothing is copied") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(16));
  const auto loader = started(dataset, R"({"batch": 4, "slots": 3, "augment": [{"flip": {}}]})");
  std::vector<Slot> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(loader->next());
    const auto [memory, bytes] = loader->slotMemory(held.back().index());
    const hd::Batch& batch = held.back().batch();
    CHECK(batch.pixels == memory);
    CHECK(reinterpret_cast<uintptr_t>(memory) % 4096 == 0);
    CHECK(static_cast<size_t>(batch.count * batch.height * batch.width * 3) <= bytes);
  }
  CHECK(std::set<int>{held[0].index(), held[1].index(), held[2].index()}.size() == 3);
  CHECK(loader->statistics().copiedBytes == 0);
  CHECK(loader->statistics().images == 12);
  CHECK(codeOf([&] { loader->slotMemory(3); }) == "HD_INTERNAL");
}

TEST_CASE("zero-copy: generated pictures and files are drawn and decoded in the slot") {
  const auto scenes = Dataset::open(options(R"({"format": "synthetic", "count": 12, "size": 64})"));
  const auto loader =
      started(scenes, R"({"batch": 4, "augment": [{"resize": {"sizes": [64]}}, {"flip": {}}]})");
  take(*loader, 6);
  CHECK(loader->statistics().images >= 24);
  CHECK(loader->statistics().copiedBytes == 0);
  Slot slot = loader->next();
  const Picture picture = scenes->load(slot.batch().images[0].image, 0, 0);
  const bool flipped = slot.batch().images[0].flipped;
  int different = 0;
  for (int i = 0; i < 64 * 64; ++i) {
    const int from = flipped ? i / 64 * 64 + 63 - i % 64 : i;
    for (int c = 0; c < 3; ++c) different += slot.batch().pixels[3 * i + c] != picture.pixels[3 * from + c];
  }
  CHECK(different == 0);
}

TEST_CASE("a taken slot keeps its content until it is released, also beyond the loader") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(16));
  auto loader = started(dataset, json(kAugment, R"(, "batch": 2, "slots": 2, "threads": 2)"));
  Slot kept = loader->next();
  const std::vector<Seen> before = fixture::seen(kept.batch());
  take(*loader, 10);
  CHECK(fixture::seen(kept.batch()) == before);
  loader->begin(3, 0);
  take(*loader, 3);
  loader.reset();
  CHECK(fixture::seen(kept.batch()) == before);
  Slot moved = std::move(kept);
  CHECK_FALSE(static_cast<bool>(kept));
  moved.release();
  CHECK_FALSE(static_cast<bool>(moved));
}

TEST_CASE("an evaluation hands out every image once, in file order, and then ends") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(10));
  const auto loader = started(dataset, R"({"batch": 4, "evaluate": true, "threads": 3, "slots": 2})");
  for (int pass = 0; pass < 2; ++pass) {
    loader->begin(0, 0);
    std::vector<int64_t> images;
    for (const auto& batch : take(*loader, 100)) {
      for (const Seen& one : batch) images.push_back(one.image);
    }
    CHECK(images == std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    CHECK_FALSE(static_cast<bool>(loader->next()));
  }
  CHECK(loader->canvases().size() <= 12);
}

TEST_CASE("the canvases of a run are few, and every batch has one of them") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(40));
  const auto loader =
      started(dataset, json(kAugment, R"(, "batch": 4, "canvas": {"divisor": 16, "maxCanvases": 3})"));
  const auto canvases = loader->canvases();
  CHECK(canvases.size() <= 3);
  for (const auto& batch : take(*loader, 30)) {
    CHECK(std::find(canvases.begin(), canvases.end(),
                    std::pair(static_cast<int>(batch[0].canvasHeight),
                              static_cast<int>(batch[0].canvasWidth))) != canvases.end());
  }
}

TEST_CASE("skip: the next position takes the place of a bad picture, for any number of threads") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(12));
  dataset->bad = {2, 7};
  const std::string how = hd::concat("{", kAugment, R"(, "batch": 4, "maxBad": 0.2, "threads": )");
  const auto one = started(dataset, how + "1}"), five = started(dataset, how + "5}");
  const auto batches = take(*one, 6);
  CHECK(take(*five, 6) == batches);
  for (const auto& batch : batches) {
    for (const Seen& seen : batch) CHECK_FALSE(dataset->bad.contains(seen.image));
  }
  const LoaderStatistics statistics = one->statistics();
  CHECK(statistics.badSamples == 2);
  REQUIRE(statistics.newBadSamples.size() == 2);
  CHECK(statistics.newBadSamples[0].code == "HD_DATA_IMAGE");
  CHECK(one->statistics().newBadSamples.empty());
  CHECK(take(*started(dataset, how + "2}", 1, 1), 1)[0] ==
        batches[4]);  // a resumed run knows nothing of them yet
}

TEST_CASE("too many bad pictures end the run, as does data without a good one") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(12));
  dataset->bad = {0, 1, 2};
  const auto loader = started(dataset, R"({"batch": 12, "maxBad": 0.2})");
  CHECK(codeOf([&] { take(*loader, 2); }) == "HD_DATA_TOO_MANY_BAD");
  CHECK(codeOf([&] { take(*loader, 1); }) == "HD_DATA_TOO_MANY_BAD");
  const auto hopeless = std::make_shared<MemoryDataset>(mixedSizes(1));
  hopeless->bad = {0};
  CHECK(codeOf([&] { take(*started(hopeless, R"({"batch": 2})"), 1); }) == "HD_DATA_TOO_MANY_BAD");
}

TEST_CASE("stop: the error arrives in the place of its batch") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(8));
  dataset->bad = {5};
  const auto loader =
      started(dataset, R"({"batch": 2, "shuffle": false, "onBadSample": "stop", "threads": 4})");
  CHECK(take(*loader, 2).size() == 2);
  CHECK(codeOf([&] { loader->next(); }) == "HD_DATA_IMAGE");
  loader->begin(0, 3);
  CHECK(take(*loader, 1)[0][0].image == 6);
}

TEST_CASE("an evaluation leaves a bad picture out and keeps the others") {
  const auto dataset = std::make_shared<MemoryDataset>(std::vector<std::pair<int, int>>(6, {40, 40}));
  const auto clean = take(*started(dataset, R"({"batch": 3, "evaluate": true})"), 9);
  dataset->bad = {1};
  const auto loader = started(dataset, R"({"batch": 3, "evaluate": true})");
  const auto batches = take(*loader, 9);
  REQUIRE(batches.size() == 2);
  CHECK(batches[0] == std::vector<Seen>{clean[0][0], clean[0][2]});
  CHECK(batches[1] == clean[1]);
  CHECK(loader->statistics().copiedBytes > 0);  // the moved picture is owned up to
  dataset->bad = {3, 4, 5};
  const auto half = take(*started(dataset, R"({"batch": 3, "evaluate": true, "maxBad": 0.5})"), 9);
  REQUIRE(half.size() == 1);
  CHECK(half[0] == clean[0]);
}

TEST_CASE("pictures of unknown size are shrunk into the canvas that the pipeline bounds") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(8), false);
  const auto loader =
      started(dataset, R"({"batch": 4, "canvas": {"fixed": [32, 64]}, "augment": [{"flip": {}}]})");
  for (const auto& batch : take(*loader, 4)) {
    for (const Seen& one : batch) {
      CHECK(one.canvasHeight == 32);
      CHECK(one.boxes[3] <= 32);
    }
  }
}

TEST_CASE("leaving early is quick: with a decode in progress, with full slots, before the beginning") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(40));
  dataset->delay = std::chrono::milliseconds(20);
  const auto start = std::chrono::steady_clock::now();
  { Loader never(dataset, options(R"({"batch": 4, "threads": 3})")); }
  { started(dataset, R"({"batch": 16, "threads": 2})"); }
  {
    const auto full = started(dataset, R"({"batch": 1, "slots": 1, "threads": 3})");
    const Slot held = full->next();
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  CHECK(dataset->loads < 20);
}

TEST_CASE("close() wakes a waiting taker") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(40));
  const auto loader = started(dataset, R"({"batch": 1, "slots": 1})");
  const Slot held = loader->next();  // no slot left: the next one never comes
  auto waiting = std::async(std::launch::async, [&] { return static_cast<bool>(loader->next()); });
  CHECK(waiting.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  loader->close();
  CHECK_FALSE(waiting.get());
  CHECK_FALSE(static_cast<bool>(loader->next()));
}

TEST_CASE("the time that a taker waits is counted from begin() on") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(10));
  dataset->delay = std::chrono::milliseconds(15);
  const auto loader = started(dataset, R"({"batch": 2, "threads": 1})");
  take(*loader, 1);
  CHECK(loader->statistics().waitSeconds >= 0.02);
  loader->begin(0, 0);
  CHECK(loader->statistics().waitSeconds == 0);
}

TEST_CASE("misuse is refused") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(4));
  for (const char* how :
       {R"({"threads": 0})", R"({"slots": 0})", R"({"onBadSample": "retry"})", R"({"batch": 0})"}) {
    CAPTURE(how);
    CHECK(codeOf([&] { Loader(dataset, options(how)); }) == "HD_INTERNAL");
  }
  Loader loader(dataset, options("{}"));
  CHECK(codeOf([&] { loader.next(); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { loader.begin(0, 5); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { loader.begin(-1, 0); }) == "HD_INTERNAL");
  CHECK(codeOf([&] { Loader(std::make_shared<MemoryDataset>(mixedSizes(0)), options("{}")); }) ==
        "HD_DATA_EMPTY");
}

TEST_CASE("beginning again and again while threads work never mixes batches up") {
  const auto dataset = std::make_shared<MemoryDataset>(mixedSizes(30));
  const std::string how = json(kAugment, R"(, "batch": 3, "threads": 4, "slots": 3)");
  const auto expected = take(*started(dataset, how), 10);
  const auto loader = started(dataset, how);
  for (uint64_t round = 0; round < 150; ++round) {
    hd::Random random(1, "test", 0, round);
    const auto step = static_cast<int64_t>(random.below(10));
    loader->begin(0, step);
    if (random.chance(0.5f))
      CHECK(fixture::seen(loader->next().batch()) == expected[static_cast<size_t>(step)]);
  }
}
