#include "io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>

#include "io/system_error.h"

namespace hd::io {

FileLock::FileLock(std::string path) : path_(std::move(path)) {
  // Close-on-exec: a lock lives as long as any copy of its descriptor, and a tool started meanwhile must not
  // keep it.
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw systemError("to open the lock file", path_, errno);
}

FileLock::~FileLock() {
  unlock();
  ::close(descriptor_);
}

bool FileLock::tryLock() {
  if (held_) return true;
  while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw systemError("to lock", path_, errno);
  }
  held_ = true;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {'?'};
  const std::string text = concat(::getpid(), " ", host.data(), "\n");
  // Only a courtesy to readers of the message: a full disk must not keep a run from its own folder.
  if (::ftruncate(descriptor_, 0) == 0 && ::pwrite(descriptor_, text.data(), text.size(), 0) < 0) {
    static_cast<void>(::ftruncate(descriptor_, 0));
  }
  return true;
}

void FileLock::unlock() {
  if (!held_) return;
  held_ = false;
  static_cast<void>(::ftruncate(descriptor_, 0) + ::flock(descriptor_, LOCK_UN));
}

std::string FileLock::holder() const {
  std::array<char, 320> text{};
  const ssize_t size = ::pread(descriptor_, text.data(), text.size(), 0);
  const std::string line(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
  return line.substr(0, line.find('\n'));
}

}  // namespace hd::io
