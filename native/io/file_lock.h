// An advisory lock between processes. The kernel drops it when its holder ends in whatever way, so a killed
// run leaves no stale lock behind (the file itself stays and means nothing).
#pragma once

#include <string>

namespace hd::io {

/// flock(2) on a file of its own. While held, the file says "pid host\n" for messages to others. Not for
/// threads that share one object; two objects in one process exclude each other like two processes do.
class FileLock {
 public:
  /// Opens the file, creating it when missing; throws HD_IO. Does not lock yet.
  explicit FileLock(std::string path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Takes the lock without waiting; false when another holds it, true when this object (now or already)
  /// does. Throws HD_IO where the file system has no locks.
  bool tryLock();
  void unlock();
  bool held() const { return held_; }

  /// "pid host" of the holder, as the file says; empty when it says nothing. May lag by an instant.
  std::string holder() const;

 private:
  std::string path_;
  int descriptor_ = -1;
  bool held_ = false;
};

}  // namespace hd::io
