#include "data/shard_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace hd::data {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& received, const char* cure) {
  throw Error(
      "HD_DATA_SHARD",
      concat("expected a readable tar file at ", path.c_str(), " but received ", received, ": ", cure),
      path.c_str());
}

}  // namespace

struct ShardFiles::Descriptor {
  explicit Descriptor(int opened) : number(opened) {}
  ~Descriptor() { ::close(number); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int number;
};

std::shared_ptr<const ShardFiles::Descriptor> ShardFiles::openFile(const std::string& path, Shard& seen) {
  if (path.find('\0') != std::string::npos) fail(path, "a name with a NUL byte", "correct the name");
  // O_NONBLOCK: opening a FIFO returns at once and the check of the kind refuses it.
  const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (opened < 0) fail(path, concat("'", std::strerror(errno), "'"), "check the path and its permissions");
  auto descriptor = std::make_shared<Descriptor>(opened);
  struct stat status {};
  if (::fstat(opened, &status) != 0)
    fail(path, concat("'", std::strerror(errno), "'"), "check the path and its permissions");
  if (!S_ISREG(status.st_mode)) fail(path, "a folder, pipe or device", "name a file");
  seen = {path, static_cast<uint64_t>(status.st_size), static_cast<uint64_t>(status.st_dev),
          static_cast<uint64_t>(status.st_ino),
          int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
  return descriptor;
}

size_t ShardFiles::add(const std::string& path) {
  Shard shard;
  openFile(path, shard);
  shards_.push_back(std::move(shard));
  kept_.emplace_back();
  return shards_.size() - 1;
}

size_t ShardFiles::open() const {
  const std::lock_guard lock(mutex_);
  return byUse_.size();
}

std::shared_ptr<const ShardFiles::Descriptor> ShardFiles::descriptor(size_t shard) const {
  const std::lock_guard lock(mutex_);
  Kept& kept = kept_[shard];
  if (kept.descriptor) {
    byUse_.splice(byUse_.begin(), byUse_, kept.use);
    return kept.descriptor;
  }
  const Shard& expected = shards_[shard];
  Shard now;
  auto opened = openFile(expected.path, now);
  if (now.size != expected.size || now.changed != expected.changed || now.node != expected.node ||
      now.device != expected.device) {
    fail(expected.path, "another file than the one that was indexed", "start again, without changing shards");
  }
  while (byUse_.size() >= maxOpen_ && !byUse_.empty()) {
    kept_[byUse_.back()].descriptor.reset();
    byUse_.pop_back();
  }
  byUse_.push_front(shard);
  kept = {opened, byUse_.begin()};
  return opened;
}

size_t ShardFiles::readAt(size_t shard, uint64_t offset, uint8_t* out, size_t count) const {
  const auto file = descriptor(shard);
  size_t done = 0;
  while (done < count) {
    const ssize_t got = ::pread(file->number, out + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path(shard), concat("'", std::strerror(errno), "'"), "check the disk");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace hd::data
