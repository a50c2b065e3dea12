#include "data/loader.h"

#include <utility>

#include "data/loader_state.h"

namespace hd::data {

Slot::Slot(Slot&& other) noexcept
    : owner_(std::move(other.owner_)), index_(std::exchange(other.index_, -1)) {}

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  release();
  owner_ = std::move(other.owner_);
  index_ = std::exchange(other.index_, -1);
  return *this;
}

Slot::~Slot() {
  release();
}

void Slot::release() {
  if (owner_) owner_->release(index_);
  owner_.reset();
  index_ = -1;
}

const Batch& Slot::batch() const {
  return owner_->batch(index_);
}
int64_t Slot::epoch() const {
  return owner_->plan(index_).epoch;
}
int64_t Slot::step() const {
  return owner_->plan(index_).step;
}

Loader::Loader(std::shared_ptr<const Dataset> dataset, const Value& options)
    : state_(std::make_shared<LoaderState>(std::move(dataset), options)) {
  try {
    state_->startThreads();
  } catch (...) {  // the system gave fewer threads than asked for
    state_->close();
    state_->joinThreads();
    throw;
  }
}

Loader::~Loader() {
  state_->close();
  state_->joinThreads();
}

int64_t Loader::stepsPerEpoch() const {
  return state_->planner().sampler().stepsPerEpoch();
}
void Loader::begin(int64_t epoch, int64_t step) {
  state_->begin(epoch, step);
}
void Loader::close() {
  state_->close();
}
LoaderStatistics Loader::statistics() {
  return state_->statistics();
}
std::pair<const uint8_t*, size_t> Loader::slotMemory(int index) const {
  return state_->memory(index);
}
int Loader::slots() const {
  return state_->slots();
}
const Dataset& Loader::dataset() const {
  return state_->planner().dataset();
}

Slot Loader::next() {
  Slot slot;
  slot.index_ = state_->take();
  if (slot.index_ >= 0) slot.owner_ = state_;
  return slot;
}

std::vector<std::pair<int, int>> Loader::canvases() const {
  std::vector<std::pair<int, int>> out;
  for (const Extent canvas : state_->planner().canvases().all())
    out.emplace_back(canvas.height, canvas.width);
  return out;
}

}  // namespace hd::data
