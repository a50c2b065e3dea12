#include "eval/cells.h"

#include <algorithm>
#include <map>

#include "eval_fixture.h"

using namespace hd::eval;
using eval_fixture::randomSet;

namespace {

using Key = std::pair<int64_t, int64_t>;  // category, image

struct Members {
  std::vector<uint32_t> truths, detections;
};

/// The same by a map.
std::map<Key, Members> plainCells(const CocoSet& truth, const std::vector<Instance>& detections,
                                  const CellOptions& options) {
  const auto images = options.images.empty() ? truth.images : options.images;
  auto categories = options.categories.empty() ? truth.categories : options.categories;
  std::sort(categories.begin(), categories.end());
  std::map<Key, Members> cells;
  const auto sortIn = [&](const std::vector<Instance>& instances, std::vector<uint32_t> Members::*list) {
    for (const int64_t category : categories) {
      for (uint32_t i = 0; i < instances.size(); ++i) {
        if (instances[i].category != category) continue;
        if (std::find(images.begin(), images.end(), instances[i].image) == images.end()) continue;
        (cells[{options.useCategories ? category : -1, instances[i].image}].*list).push_back(i);
      }
    }
  };
  sortIn(truth.instances, &Members::truths);
  sortIn(detections, &Members::detections);
  for (auto& [key, members] : cells) {
    auto& found = members.detections;
    std::stable_sort(found.begin(), found.end(),
                     [&](uint32_t a, uint32_t b) { return detections[a].score > detections[b].score; });
    if (found.size() > static_cast<size_t>(options.limit)) found.resize(static_cast<size_t>(options.limit));
  }
  return cells;
}

void compare(const eval_fixture::RandomSet& set, const CellOptions& options) {
  const CellTable table = groupIntoCells(set.truth, set.detections, options);
  const auto expected = plainCells(set.truth, set.detections, options);
  REQUIRE(table.cells.size() == expected.size());
  size_t c = 0;
  for (const auto& [key, members] : expected) {
    const Cell& cell = table.cells[c++];
    CHECK(Key{table.categories[static_cast<size_t>(cell.category)],
              table.images[static_cast<size_t>(cell.image)]} == key);
    const auto truths = table.truthsOf(cell), detections = table.detectionsOf(cell);
    CHECK(std::vector<uint32_t>(truths.begin(), truths.end()) == members.truths);
    CHECK(std::vector<uint32_t>(detections.begin(), detections.end()) == members.detections);
  }
  REQUIRE(table.firstCell.size() == table.categories.size() + 1);
  for (size_t k = 0; k < table.categories.size(); ++k) {
    for (size_t i = table.firstCell[k]; i < table.firstCell[k + 1]; ++i) {
      CHECK(table.cells[i].category == static_cast<int>(k));
    }
  }
  CHECK(table.firstCell.back() == table.cells.size());
}

}  // namespace

TEST_CASE("cells hold what a map holds, sorted and cut") {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const auto set = randomSet(seed);
    for (const bool useCategories : {true, false}) {
      compare(set, {{}, {}, useCategories, 100, 2});
      compare(set, {{}, {}, useCategories, 3, 0});
      compare(set, {{100, 86, 79, 12345}, {3, 9, 777}, useCategories, 100, 1});
    }
  }
}

TEST_CASE("empty sets make no cells, and ids given twice or in any order count once, ascending") {
  const auto empty = randomSet(0, {3, 2, 0, 0});
  CHECK(groupIntoCells(empty.truth, {}, {}).cells.empty());
  const auto set = randomSet(1);
  const CellTable table = groupIntoCells(set.truth, set.detections, {{93, 100, 93}, {6, 3, 6}, true, 100, 1});
  CHECK(table.images == std::vector<int64_t>{93, 100});
  CHECK(table.categories == std::vector<int64_t>{3, 6});
}

TEST_CASE("a score that is not finite is refused") {
  auto set = randomSet(2);
  for (const double score : {std::nan(""), HUGE_VAL}) {
    set.detections[7].score = score;
    eval_fixture::checkError([&] { groupIntoCells(set.truth, set.detections, {}); }, "HD_INTERNAL",
                             "detection 8");
  }
}
