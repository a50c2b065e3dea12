#include "data/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "native/data/memory_dataset.h"

using namespace hd::data;
using fixture::MemoryDataset;

namespace {

/// Of which some pictures have no size yet.
struct PartlySized : MemoryDataset {
  PartlySized(const std::vector<std::pair<int, int>>& sizes, const std::vector<size_t>& unknown)
      : MemoryDataset(sizes) {
    for (const size_t image : unknown) widths_[image] = heights_[image] = 0;
  }
};

std::map<int64_t, int> counted(const std::vector<int64_t>& order) {
  std::map<int64_t, int> out;
  for (const int64_t image : order) ++out[image];
  return out;
}

}  // namespace

TEST_CASE("an epoch holds every picture, wrapped up to full batches") {
  const MemoryDataset dataset(fixture::mixedSizes(11));
  const Sampler sampler(dataset, {.seed = 3, .batch = 2, .ranks = 2});
  const std::vector<int64_t> order = sampler.order(0);
  CHECK(sampler.positions() == 12);
  CHECK(order.size() == 12);
  CHECK(sampler.stepsPerEpoch() == 3);
  CHECK(counted(order).size() == 11);
  CHECK(order.back() == order.front());
  CHECK(sampler.order(0) == order);
  CHECK(sampler.order(1) != order);
  CHECK(Sampler(dataset, {.seed = 4, .batch = 2, .ranks = 2}).order(0) != order);
}

TEST_CASE("fewer pictures than a batch are repeated") {
  const MemoryDataset dataset(fixture::mixedSizes(3));
  const std::vector<int64_t> order = Sampler(dataset, {.shuffle = false, .batch = 8}).order(0);
  CHECK(order == std::vector<int64_t>{0, 1, 2, 0, 1, 2, 0, 1});
}

TEST_CASE("repeated pictures come equally often, shuffled together; an evaluation does not repeat") {
  const MemoryDataset dataset(fixture::mixedSizes(10));
  const Sampler sampler(dataset, {.seed = 3, .groupByAspect = true, .repeat = 3, .batch = 1});
  const std::vector<int64_t> order = sampler.order(0);
  CHECK(sampler.stepsPerEpoch() == 30);
  for (const auto& [image, count] : counted(order)) CHECK(count == 3);
  // Not three passes one after the other: some picture comes twice in the first third.
  CHECK(counted({order.begin(), order.begin() + 10}).size() < 10);
  CHECK(Sampler(dataset, {.shuffle = false, .repeat = 2, .batch = 4}).order(0) ==
        std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(Sampler(dataset, {.evaluate = true, .repeat = 3}).positions() == 10);
  CHECK_THROWS_AS(Sampler(dataset, {.repeat = 0}), hd::Error);
}

TEST_CASE("every place of the order is equally likely for a picture") {
  const MemoryDataset dataset(fixture::mixedSizes(10));
  const Sampler sampler(dataset, {.seed = 1});
  std::vector<int> firsts(10);
  for (int64_t epoch = 0; epoch < 3000; ++epoch) ++firsts[static_cast<size_t>(sampler.order(epoch).front())];
  for (const int count : firsts) CHECK(count == doctest::Approx(300).epsilon(0.25));
}

TEST_CASE("grouping keeps wide and tall pictures apart and mixes their batches") {
  const MemoryDataset dataset(fixture::mixedSizes(80));
  const Sampler sampler(dataset, {.seed = 9, .groupByAspect = true, .batch = 2, .ranks = 2});
  const std::vector<int64_t> order = sampler.order(0);
  REQUIRE(static_cast<int64_t>(order.size()) == sampler.positions());
  CHECK(sampler.positions() % 4 == 0);
  CHECK(counted(order).size() == 80);
  int changes = 0;
  const auto wide = [&](int64_t image) { return dataset.width(image) > dataset.height(image); };
  for (size_t i = 0; i < order.size(); ++i) {
    CHECK(wide(order[i]) == wide(order[i / 4 * 4]));
    changes += i > 0 && wide(order[i]) != wide(order[i - 1]);
  }
  CHECK(changes > 2);
}

TEST_CASE("ranks share the positions of a step in order") {
  const MemoryDataset dataset(fixture::mixedSizes(24));
  for (int rank = 0; rank < 3; ++rank) {
    const Sampler sampler(dataset, {.batch = 4, .rank = rank, .ranks = 3});
    CHECK(sampler.ofRank(1).first == 12 + rank * 4);
    CHECK(sampler.ofRank(1).count == 4);
    CHECK(sampler.ofGlobalBatch(1).first == 12);
    CHECK(sampler.ofGlobalBatch(1).count == 12);
  }
}

TEST_CASE("an evaluation takes every image once in file order, the last batch short") {
  const MemoryDataset dataset(fixture::mixedSizes(10));
  const Sampler first(dataset, {.evaluate = true, .batch = 4, .rank = 0, .ranks = 2}),
      second(dataset, {.evaluate = true, .batch = 4, .rank = 1, .ranks = 2});
  CHECK(first.stepsPerEpoch() == 2);
  CHECK(first.order(0) == std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(first.ofRank(1).count == 2);
  CHECK(second.ofRank(1).count == 0);
  CHECK(Sampler(MemoryDataset({}), {.evaluate = true}).stepsPerEpoch() == 0);
}

TEST_CASE("a grouped evaluation takes every image once, the widest first, and equals in file order") {
  const PartlySized dataset(
      {{40, 80}, {9, 1}, {80, 40}, {60, 60}, {120, 60}, {41, 80}, {30, 30}, {1, 9}, {79, 40}}, {1, 7});
  const Sampler sampler(dataset, {.groupByAspect = true, .evaluate = true, .repeat = 2, .batch = 4});
  CHECK(sampler.order(0) == std::vector<int64_t>{2, 4, 8, 3, 6, 5, 0, 1, 7});
  CHECK(sampler.order(3) == sampler.order(0));
  CHECK(sampler.stepsPerEpoch() == 3);
  CHECK(sampler.ofRank(2).count == 1);
  // Without sizes, as a program's stream has none, it is the order of the data set.
  const MemoryDataset blank({{4, 8}, {8, 4}, {4, 4}, {9, 4}, {4, 9}}, false);
  CHECK(Sampler(blank, {.groupByAspect = true, .evaluate = true}).order(0) ==
        std::vector<int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("nothing to train on and impossible shares are refused") {
  CHECK(fixture::codeOf([] { Sampler(MemoryDataset({}), {}); }) == "HD_DATA_EMPTY");
  const MemoryDataset dataset(fixture::mixedSizes(2));
  CHECK(fixture::codeOf([&] { Sampler(dataset, {.batch = 0}); }) == "HD_INTERNAL");
  CHECK(fixture::codeOf([&] { Sampler(dataset, {.rank = 2, .ranks = 2}); }) == "HD_INTERNAL");
}
