#include "data/loader_state.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

namespace hd::data {
namespace {

constexpr size_t kPage = 4096;

int64_t imagesInUse(const BatchPlanner& planner) {
  return planner.evaluates() ? planner.dataset().size()
                             : static_cast<int64_t>(planner.dataset().trainable().size());
}

bool isSampleFault(const Error& error) {
  return error.code().starts_with("HD_DATA_");
}

Error noMemoryFor(std::string_view file) {
  return Error(
      "HD_DATA_MEMORY",
      concat("expected memory to decode ", file.empty() ? "a picture" : file,
             " but the system has no more; lower data.workers, data.slots or data.cacheLimit, or take "
             "the picture out of the data set"),
      std::string(file));
}

}  // namespace

LoaderOptions LoaderOptions::from(const Value& options) {
  LoaderOptions out;
  out.threads = options.get("threads", static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  out.slots = options.get("slots", out.slots);
  out.maxBad = options.get("maxBad", out.maxBad);
  const std::string policy = options.get("onBadSample", "skip");
  require(policy == "skip" || policy == "stop", "expected 'skip' or 'stop' for onBadSample but received '",
          policy, "'");
  require(out.threads >= 1 && out.threads <= 1024, "expected 1 to 1024 threads but received ", out.threads);
  require(out.slots >= 1 && out.slots <= 1024, "expected 1 to 1024 slots but received ", out.slots);
  out.skipBadSamples = policy == "skip";
  return out;
}

LoaderState::LoaderState(std::shared_ptr<const Dataset> dataset, const Value& options)
    : planner_(std::move(dataset), options),
      options_(LoaderOptions::from(options)),
      ledger_(imagesInUse(planner_), options_.maxBad),
      cache_(PictureCache::from(options.find("cache") == nullptr ? Value() : options.at("cache"))),
      faults_(options.find("faults") == nullptr ? Value() : options.at("faults")),
      slots_(static_cast<size_t>(options_.slots)),
      reading_(static_cast<size_t>(options_.threads)) {
  for (std::atomic<int64_t>& reading : reading_) reading = -1;
  const size_t pixels = static_cast<size_t>(planner_.canvases().largestArea()) * 3;
  slotBytes_ = (pixels * static_cast<size_t>(planner_.slotImages()) + kPage - 1) / kPage * kPage;
  for (SlotState& slot : slots_) {
    slot.memory.reset(static_cast<uint8_t*>(std::aligned_alloc(kPage, slotBytes_)));
    if (slot.memory) continue;
    throw Error(
        "HD_DATA_MEMORY",
        concat("expected ", slotBytes_ >> 20, " MiB for each of ", slots_.size(),
               " batch slots but the system has no more memory; lower train.batch, data.slots or data.size"));
  }
}

void LoaderState::startThreads() {
  for (std::atomic<int64_t>& reading : reading_) threads_.emplace_back([this, &reading] { work(reading); });
}

void LoaderState::joinThreads() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void LoaderState::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  workCondition_.notify_all();
  readyCondition_.notify_all();
}

void LoaderState::begin(int64_t epoch, int64_t step) {
  const int64_t steps = planner_.sampler().stepsPerEpoch();
  require(epoch >= 0 && step >= 0 && step <= steps, "expected epoch ≥ 0 and step 0…", steps, " but received ",
          epoch, " and ", step);
  const std::lock_guard lock(mutex_);
  for (const int index : opened_) {
    SlotState& slot = slots_[static_cast<size_t>(index)];
    slot.stage = slot.claimed > slot.finished ? Stage::draining : Stage::free;
  }
  opened_.clear();
  const bool rolls = step == steps && !planner_.evaluates();
  nextEpoch_ = rolls ? epoch + 1 : epoch;
  nextStep_ = rolls ? 0 : step;
  begun_ = true;
  waitSeconds_ = 0;
  images_ = copiedBytes_ = 0;
  workCondition_.notify_all();
}

bool LoaderState::passIsOver() const {
  return planner_.evaluates() && nextStep_ >= planner_.sampler().stepsPerEpoch();
}

bool LoaderState::mayOpen() const {
  return begun_ && !passIsOver() && std::any_of(slots_.begin(), slots_.end(), [](const SlotState& slot) {
           return slot.stage == Stage::free;
         });
}

// Only the last opened slot can have unclaimed pictures.
bool LoaderState::mayClaim() const {
  if (opened_.empty()) return false;
  const SlotState& last = slots_[static_cast<size_t>(opened_.back())];
  return last.stage == Stage::filling && last.claimed < last.plan.count;
}

void LoaderState::open(int index) {
  SlotState& slot = slots_[static_cast<size_t>(index)];
  slot.claimed = slot.finished = 0;
  slot.error = nullptr;
  try {
    slot.plan = planner_.batch(nextEpoch_, nextStep_);
  } catch (...) {  // no memory for the order of an epoch: next() tells
    slot.plan = {};
    slot.error = std::current_exception();
  }
  slot.batch.pixels = slot.memory.get();
  slot.batch.count = slot.plan.count;
  slot.batch.height = slot.plan.canvas.height;
  slot.batch.width = slot.plan.canvas.width;
  slot.batch.images.assign(static_cast<size_t>(slot.plan.count), {});
  slot.stage = slot.plan.count == 0 ? Stage::ready : Stage::filling;
  opened_.push_back(index);
  ++nextStep_;
  if (nextStep_ < planner_.sampler().stepsPerEpoch() || planner_.evaluates()) return;
  nextStep_ = 0;
  ++nextEpoch_;
}

LoaderState::Claim LoaderState::claim() {
  const int index = opened_.back();
  return {index, slots_[static_cast<size_t>(index)].claimed++};
}

void LoaderState::work(std::atomic<int64_t>& reading) {
  RenderScratch scratch;
  std::unique_lock lock(mutex_);
  for (;;) {
    workCondition_.wait(lock, [this] { return closed_ || mayClaim() || mayOpen(); });
    if (closed_) return;
    if (!mayClaim()) {
      const auto free = std::find_if(slots_.begin(), slots_.end(),
                                     [](const SlotState& slot) { return slot.stage == Stage::free; });
      open(static_cast<int>(free - slots_.begin()));
      workCondition_.notify_all();
      readyCondition_.notify_all();
      continue;
    }
    const Claim mine = claim();
    SlotState& slot = slots_[static_cast<size_t>(mine.slot)];
    lock.unlock();
    std::exception_ptr error;
    int64_t copied = 0;
    try {
      copied = fill(slot, mine.index, slot.batch.images[static_cast<size_t>(mine.index)], scratch, reading);
    } catch (...) {
      error = std::current_exception();
    }
    reading = -1;
    lock.lock();
    copiedBytes_ += copied;
    finish(mine.slot, error);
  }
}

Canvas LoaderState::canvas(const SlotState& slot, int64_t index) const {
  const Extent extent = slot.plan.canvas;
  const size_t bytes = static_cast<size_t>(extent.width) * static_cast<size_t>(extent.height) * 3;
  return {slot.memory.get() + bytes * static_cast<size_t>(index), extent.width, extent.height};
}

// A picture that cannot be used gives its place to the picture at the next position (with the draws of its
// own position), or, joined to another one, to the next of the data set; in an evaluation the place stays
// without an image (targets.image −1).
int64_t LoaderState::fill(const SlotState& slot, int64_t index, ImageTargets& targets, RenderScratch& scratch,
                          std::atomic<int64_t>& reading) {
  const std::vector<int64_t>& order = *slot.plan.order;
  const auto positions = static_cast<int64_t>(order.size());
  const int64_t position = slot.plan.first + index;
  Reading told;
  told.now = &reading;
  told.cache = cache_.get();
  if (faults_.any()) {
    const int64_t step = slot.plan.epoch * planner_.sampler().stepsPerEpoch() + slot.plan.step;
    told.trouble = [this, step](int64_t image) { faults_.at(step, planner_.dataset().file(image)); };
  }
  if (options_.skipBadSamples) told.usable = [this](int64_t image) { return !ledger_.contains(image); };
  for (int64_t ahead = 0; ahead < positions; ++ahead) {
    const int64_t image = order[static_cast<size_t>((position + ahead) % positions)];
    while (!options_.skipBadSamples || !ledger_.contains(image)) {
      const auto blame = [&](const Error& error) {
        if (!options_.skipBadSamples || !isSampleFault(error)) throw error;
        const int64_t bad = reading;  // the picture itself, or one that was joined to it: then once more
        ledger_.add(bad, planner_.dataset().file(bad), error);
      };
      try {
        FilledPicture filled =
            fillPicture(planner_, slot.plan, position, image, canvas(slot, index), scratch, told);
        targets = std::move(filled.targets);
        return filled.copiedBytes;
      } catch (const Error& error) {
        blame(error);
      } catch (const std::bad_alloc&) {  // a huge picture must not end a run that can do without it
        scratch = {};
        blame(noMemoryFor(planner_.dataset().file(reading)));
      }
    }
    if (planner_.evaluates()) return 0;
  }
  throw Error("HD_DATA_TOO_MANY_BAD",
              concat("expected at least one usable picture but received ", ledger_.count(),
                     " that cannot be read; run 'hdtrain check' for all of them and repair the data"));
}

void LoaderState::finish(int index, std::exception_ptr error) {
  SlotState& slot = slots_[static_cast<size_t>(index)];
  ++slot.finished;
  if (slot.stage == Stage::draining) {
    if (slot.finished == slot.claimed) slot.stage = Stage::free;
    workCondition_.notify_all();
    return;
  }
  if (error && !slot.error) slot.error = error;
  if (!error) ++images_;
  if (slot.finished < slot.plan.count) return;
  dropUnreadable(slot);
  slot.stage = Stage::ready;
  readyCondition_.notify_all();
}

// Moves pictures up over places without an image, which happens only in evaluations of damaged data.
void LoaderState::dropUnreadable(SlotState& slot) {
  if (slot.error) return;
  std::vector<ImageTargets>& images = slot.batch.images;
  size_t kept = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i].image < 0) continue;
    if (kept < i) {
      const Canvas from = canvas(slot, static_cast<int64_t>(i)),
                   to = canvas(slot, static_cast<int64_t>(kept));
      const size_t bytes = from.pitch() * static_cast<size_t>(from.height);
      std::memcpy(to.pixels, from.pixels, bytes);
      copiedBytes_ += static_cast<int64_t>(bytes);
      images[kept] = std::move(images[i]);
    }
    ++kept;
  }
  images_ -= static_cast<int64_t>(images.size() - kept);
  images.resize(kept);
  slot.batch.count = static_cast<int64_t>(kept);
}

int LoaderState::take() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  require(begun_, "expected begin() before next()");
  waitingSince_ = start;
  const auto leave = [this](void*) { waitingSince_.reset(); };  // also when a sample's error is thrown
  const std::unique_ptr<void, decltype(leave)> guard(this, leave);
  const auto headIsReady = [this] {
    return !opened_.empty() && slots_[static_cast<size_t>(opened_.front())].stage == Stage::ready;
  };
  int taken = -1;
  for (;;) {
    readyCondition_.wait(lock, [&] { return closed_ || headIsReady() || (opened_.empty() && passIsOver()); });
    if (closed_ || !headIsReady()) break;
    const int index = opened_.front();
    SlotState& slot = slots_[static_cast<size_t>(index)];
    if (slot.error) std::rethrow_exception(slot.error);
    opened_.pop_front();
    const bool empty = slot.batch.count == 0;
    slot.stage = empty ? Stage::free : Stage::taken;
    if (empty) {
      workCondition_.notify_all();
      continue;
    }
    taken = index;
    break;
  }
  waitSeconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return taken;
}

void LoaderState::release(int index) {
  const std::lock_guard lock(mutex_);
  slots_[static_cast<size_t>(index)].stage = Stage::free;
  workCondition_.notify_all();
}

LoaderStatistics LoaderState::statistics() {
  LoaderStatistics out;
  {
    const std::lock_guard lock(mutex_);
    out.waitSeconds = waitSeconds_;
    out.images = images_;
    out.copiedBytes = copiedBytes_;
    if (waitingSince_)
      out.waiting = std::chrono::duration<double>(std::chrono::steady_clock::now() - *waitingSince_).count();
  }
  for (const std::atomic<int64_t>& reading : reading_) {
    if (const int64_t image = reading; image >= 0) out.reading.emplace_back(planner_.dataset().file(image));
  }
  if (cache_) out.cache = cache_->statistics();
  out.badSamples = ledger_.count();
  out.newBadSamples = ledger_.takeNew();
  return out;
}

std::pair<const uint8_t*, size_t> LoaderState::memory(int index) const {
  require(index >= 0 && index < slots(), "expected slot 0…", slots() - 1, " but received ", index);
  return {slots_[static_cast<size_t>(index)].memory.get(), slotBytes_};
}

}  // namespace hd::data
