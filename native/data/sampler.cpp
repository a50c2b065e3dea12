#include "data/sampler.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace hd::data {
namespace {

int64_t roundedUp(int64_t count, int64_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// Fisher & Yates, from the back.
template <class Item>
void shuffle(std::vector<Item>& items, Random& random) {
  for (size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[random.below(static_cast<uint32_t>(i))]);
}

void wrap(std::vector<int64_t>& items, int64_t multiple) {
  const size_t own = items.size();
  for (size_t i = 0; static_cast<int64_t>(items.size()) % multiple != 0; ++i) items.push_back(items[i % own]);
}

// Widest first. Exact: products of sides instead of a quotient.
void sortByAspect(std::vector<int64_t>& images, const Dataset& dataset) {
  const auto known = [&](int64_t image) { return dataset.width(image) > 0 && dataset.height(image) > 0; };
  const auto unknown = std::stable_partition(images.begin(), images.end(), known);
  std::stable_sort(images.begin(), unknown, [&](int64_t a, int64_t b) {
    return int64_t{dataset.height(a)} * dataset.width(b) < int64_t{dataset.height(b)} * dataset.width(a);
  });
}

}  // namespace

Sampler::Sampler(const Dataset& dataset, const SamplerOptions& options) : options_(options) {
  require(options.batch >= 1 && options.ranks >= 1 && options.rank >= 0 && options.rank < options.ranks,
          "expected batch and ranks ≥ 1 and 0 ≤ rank < ranks");
  if (options.evaluate) {
    images_.resize(static_cast<size_t>(dataset.size()));
    std::iota(images_.begin(), images_.end(), int64_t{0});
    if (options.groupByAspect) sortByAspect(images_, dataset);
    positions_ = dataset.size();
    return;
  }
  images_ = dataset.trainable();
  if (images_.empty()) {
    throw Error("HD_DATA_EMPTY",
                concat("expected at least one image to train on but received ", dataset.size(),
                       " images, none of them usable; run 'hdtrain check' to see why"));
  }
  require(options.repeat >= 1, "expected to take each image at least once");
  const size_t once = images_.size();
  images_.reserve(once * static_cast<size_t>(options.repeat));
  for (int turn = 1; turn < options.repeat; ++turn)
    std::copy_n(images_.begin(), once, std::back_inserter(images_));
  int64_t wide = 0;
  if (options.groupByAspect) {
    for (const int64_t image : images_) wide_.push_back(dataset.width(image) > dataset.height(image));
    wide = std::count(wide_.begin(), wide_.end(), uint8_t{1});
  }
  const auto all = static_cast<int64_t>(images_.size());
  positions_ = roundedUp(wide, globalBatch()) + roundedUp(all - wide, globalBatch());
}

std::vector<int64_t> Sampler::order(int64_t epoch) const {
  if (options_.evaluate) return images_;
  Random random(options_.seed, "order", static_cast<uint64_t>(epoch), 0);
  std::vector<uint32_t> permutation(images_.size());
  std::iota(permutation.begin(), permutation.end(), 0u);
  if (options_.shuffle) shuffle(permutation, random);
  std::vector<int64_t> groups[2];
  for (const uint32_t i : permutation) groups[wide_.empty() ? 0 : wide_[i]].push_back(images_[i]);
  std::vector<int64_t> out;
  for (std::vector<int64_t>& group : groups) {
    wrap(group, globalBatch());
    out.insert(out.end(), group.begin(), group.end());
  }
  if (!options_.shuffle || groups[0].empty() || groups[1].empty()) return out;
  std::vector<int64_t> batches(static_cast<size_t>(positions_ / globalBatch()));
  std::iota(batches.begin(), batches.end(), int64_t{0});
  shuffle(batches, random);
  std::vector<int64_t> mixed;
  for (const int64_t batch : batches) {
    mixed.insert(mixed.end(), out.begin() + batch * globalBatch(), out.begin() + (batch + 1) * globalBatch());
  }
  return mixed;
}

int64_t Sampler::stepsPerEpoch() const {
  return roundedUp(positions_, globalBatch()) / globalBatch();
}

Sampler::Span Sampler::ofRank(int64_t step) const {
  return clipped(step * globalBatch() + int64_t{options_.rank} * options_.batch, options_.batch);
}

Sampler::Span Sampler::ofGlobalBatch(int64_t step) const {
  return clipped(step * globalBatch(), globalBatch());
}

Sampler::Span Sampler::clipped(int64_t first, int64_t count) const {
  first = std::min(first, positions_);
  return {first, std::min(count, positions_ - first)};
}

}  // namespace hd::data
