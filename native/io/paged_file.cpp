#include "io/paged_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "io/system_error.h"

namespace hd::io {
namespace {

uintptr_t pageBytes() {
  return static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

PagedFile::PagedFile(std::string path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a pipe must not wait for a writer; the check below refuses it.
  descriptor_ = retryInterrupted([&] { return ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
  if (descriptor_ < 0) throw systemError("to read", path_, errno);
  struct stat status {};
  int failure = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
  const bool regular = failure == 0 && S_ISREG(status.st_mode);
  if (regular && status.st_size > 0) {
    size_ = static_cast<size_t>(status.st_size);
    void* address =
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) {
      failure = errno;
    } else {
      data_ = static_cast<uint8_t*>(address);
    }
  }
  if (regular && failure == 0) return;
  ::close(descriptor_);
  if (failure != 0) throw systemError("to read", path_, failure);
  throw Error(
      "HD_IO",
      concat("expected a regular file for '", path_, "' but received a folder or device: name a file"),
      path_);
}

PagedFile::~PagedFile() {
  ::close(descriptor_);
  if (data_ != nullptr) ::munmap(data_, size_);
}

void PagedFile::read(size_t offset, size_t count) {
  require(offset <= size_ && count <= size_ - offset, "a read behind the end of ", path_);
  const uintptr_t page = pageBytes(), begin = reinterpret_cast<uintptr_t>(data_ + offset) / page * page;
  // All pages in one call: a fault for each of them costs more than filling it. Systems that do not know it
  // fault.
  ::madvise(reinterpret_cast<void*>(begin), reinterpret_cast<uintptr_t>(data_ + offset) + count - begin,
            MADV_POPULATE_WRITE);
  for (size_t done = 0; done < count;) {
    const ssize_t got = retryInterrupted([&] {
      return ::pread(descriptor_, data_ + offset + done, count - done, static_cast<off_t>(offset + done));
    });
    if (got < 0) throw systemError("to read", path_, errno);
    if (got == 0) {
      throw Error("HD_IO",
                  concat("expected ", size_, " bytes in '", path_, "' but received ", offset + done,
                         ": somebody shortens the file while it is read; wait until it is written"),
                  path_);
    }
    done += static_cast<size_t>(got);
  }
}

void PagedFile::drop(size_t offset, size_t count) {
  const uintptr_t page = pageBytes(), start = reinterpret_cast<uintptr_t>(data_ + offset),
                  begin = (start + page - 1) / page * page, end = (start + count) / page * page;
  if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace hd::io
