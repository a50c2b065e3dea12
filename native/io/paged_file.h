// A file whose bytes are read, part by part, into memory at their places in it.
//
// As a mapping it can be larger than memory when its reader drops what it is done with; unlike a mapping it
// does not end the process when somebody shortens the file meanwhile: then read() throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hd::io {

/// Not for threads at once, but drop() may run beside read() of other places.
class PagedFile {
 public:
  /// Opens a regular file; throws HD_IO for anything else (folders, pipes, devices) or when it cannot be
  /// read. Nothing is read yet.
  explicit PagedFile(std::string path);
  ~PagedFile();
  PagedFile(const PagedFile&) = delete;
  PagedFile& operator=(const PagedFile&) = delete;

  size_t size() const { return size_; }  ///< when it was opened
  /// size() bytes: those that were read, and zeros.
  const uint8_t* data() const { return data_; }
  /// Fills data()[offset…offset + count). Throws HD_IO when the file ends before that, or cannot be read.
  void read(size_t offset, size_t count);
  /// Gives the whole pages within these bytes back to the system: they are zeros from now on.
  void drop(size_t offset, size_t count);

 private:
  std::string path_;
  int descriptor_ = -1;
  size_t size_ = 0;
  uint8_t* data_ = nullptr;
};

}  // namespace hd::io
