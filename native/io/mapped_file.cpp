#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/system_error.h"

namespace hd::io {

FileImage mapFile(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for a writer; the check below refuses it.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw systemError("to read", path, errno);
  struct stat status {};
  const int statusError = ::fstat(descriptor, &status) == 0 ? 0 : errno;
  if (statusError != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    if (statusError != 0) throw systemError("to read", path, statusError);
    throw Error(
        "HD_IO",
        concat("expected a regular file for '", path, "' but received a folder or device: name a file"),
        path);
  }
  FileImage image;
  image.size = static_cast<size_t>(status.st_size);
  if (image.size == 0) {
    ::close(descriptor);
    return image;
  }
  void* address = ::mmap(nullptr, image.size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int mapError = address == MAP_FAILED ? errno : 0;
  ::close(descriptor);
  if (mapError != 0) throw systemError("to map", path, mapError);
  image.data = static_cast<const uint8_t*>(address);
  image.owner = std::shared_ptr<const void>(
      address, [size = image.size](const void* start) { ::munmap(const_cast<void*>(start), size); });
  return image;
}

}  // namespace hd::io
