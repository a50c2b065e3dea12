#include "eval/cells.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "core/error.h"
#include "eval/parallel.h"

namespace hd::eval {
namespace {

std::vector<int64_t> ascending(std::vector<int64_t> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

/// Id → place among the ascending ids. Neighbours mostly share their image, so the last answer is kept.
class IdIndex {
 public:
  explicit IdIndex(const std::vector<int64_t>& ids) {
    places_.reserve(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) places_.emplace(ids[i], static_cast<int>(i));
  }

  int find(int64_t id) {
    if (id != lastId_ || !asked_) {
      const auto found = places_.find(id);
      lastPlace_ = found == places_.end() ? -1 : found->second;
      lastId_ = id;
      asked_ = true;
    }
    return lastPlace_;
  }

 private:
  std::unordered_map<int64_t, int> places_;
  int64_t lastId_ = 0;
  int lastPlace_ = -1;
  bool asked_ = false;
};

/// Where an instance goes; both −1 when it is left out.
struct Address {
  int category = -1, image = -1;
};

/// Stable counting sort of `order` by `key(item) < buckets`.
template <class Key>
std::vector<uint32_t> countingSort(const std::vector<uint32_t>& order, size_t buckets, const Key& key) {
  std::vector<uint32_t> place(buckets + 1, 0);
  for (const uint32_t item : order) ++place[key(item) + 1];
  std::partial_sum(place.begin(), place.end(), place.begin());
  std::vector<uint32_t> sorted(order.size());
  for (const uint32_t item : order) sorted[place[key(item)]++] = item;
  return sorted;
}

/// The instances that are kept, by cell, and their addresses.
struct Placed {
  std::vector<Address> addresses;
  std::vector<uint32_t> order;
};

Placed place(const std::vector<Instance>& instances, const CellTable& table, bool useCategories) {
  require(instances.size() < UINT32_MAX, "more than 2^32 instances");
  IdIndex images(table.images), categories(table.categories);
  Placed placed;
  placed.addresses.resize(instances.size());
  placed.order.reserve(instances.size());
  for (uint32_t i = 0; i < instances.size(); ++i) {
    const Address address{categories.find(instances[i].category), images.find(instances[i].image)};
    if (address.category < 0 || address.image < 0) continue;
    placed.addresses[i] = address;
    placed.order.push_back(i);
  }
  const auto byImage = [&](uint32_t i) { return static_cast<size_t>(placed.addresses[i].image); };
  const auto byCategory = [&](uint32_t i) { return static_cast<size_t>(placed.addresses[i].category); };
  if (useCategories) {
    placed.order = countingSort(placed.order, table.images.size(), byImage);
    placed.order = countingSort(placed.order, table.categories.size(), byCategory);
  } else {
    placed.order = countingSort(placed.order, table.categories.size(), byCategory);
    placed.order = countingSort(placed.order, table.images.size(), byImage);
    for (Address& address : placed.addresses) address.category = 0;
  }
  return placed;
}

bool before(const Address& a, const Address& b) {
  return a.category != b.category ? a.category < b.category : a.image < b.image;
}

/// Merges the two sorted lists into cells.
void buildCells(CellTable& table, const Placed& truths, const Placed& detections) {
  uint32_t t = 0, d = 0;
  while (t < truths.order.size() || d < detections.order.size()) {
    Address address;
    if (t < truths.order.size()) address = truths.addresses[truths.order[t]];
    if (d < detections.order.size()) {
      const Address& other = detections.addresses[detections.order[d]];
      if (t == truths.order.size() || before(other, address)) address = other;
    }
    Cell cell{address.category, address.image, t, t, d, d};
    const auto inside = [&](const Placed& placed, uint32_t i) {
      return i < placed.order.size() && placed.addresses[placed.order[i]].category == address.category &&
             placed.addresses[placed.order[i]].image == address.image;
    };
    while (inside(truths, t)) ++t;
    while (inside(detections, d)) ++d;
    cell.truthEnd = t;
    cell.detectionEnd = d;
    table.cells.push_back(cell);
  }
}

}  // namespace

CellTable groupIntoCells(const CocoSet& truth, const std::vector<Instance>& detections,
                         const CellOptions& options) {
  for (const Instance& detection : detections) {
    require(std::isfinite(detection.score), "expected a finite score for detection ", detection.id,
            " but received ", detection.score);
  }
  CellTable table;
  table.images = ascending(options.images.empty() ? truth.images : options.images);
  table.categories = ascending(options.categories.empty() ? truth.categories : options.categories);
  Placed truths = place(truth.instances, table, options.useCategories);
  Placed found = place(detections, table, options.useCategories);
  if (!options.useCategories) table.categories = {-1};
  buildCells(table, truths, found);
  table.truths = std::move(truths.order);
  table.detections = std::move(found.order);

  table.firstCell.assign(table.categories.size() + 1, 0);
  for (const Cell& cell : table.cells) ++table.firstCell[static_cast<size_t>(cell.category) + 1];
  std::partial_sum(table.firstCell.begin(), table.firstCell.end(), table.firstCell.begin());

  parallelRanges(table.cells.size(), 1024, options.threads, [&](size_t begin, size_t end) {
    for (size_t c = begin; c < end; ++c) {
      Cell& cell = table.cells[c];
      std::stable_sort(table.detections.begin() + cell.detectionBegin,
                       table.detections.begin() + cell.detectionEnd,
                       [&](uint32_t a, uint32_t b) { return detections[a].score > detections[b].score; });
      const uint32_t kept =
          std::min(cell.detectionEnd - cell.detectionBegin, static_cast<uint32_t>(options.limit));
      cell.detectionEnd = cell.detectionBegin + kept;
    }
  });
  return table;
}

}  // namespace hd::eval
