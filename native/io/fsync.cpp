#include "io/fsync.h"

#include <fcntl.h>
#include <unistd.h>

#include "io/system_error.h"

namespace hd::io {

void fsyncPath(const std::string& path) {
  const int descriptor = retryInterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0) throw systemError("to open", path, errno);
  const int error = retryInterrupted([&] { return ::fsync(descriptor); }) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0 && error != EINVAL && error != ENOTSUP) throw systemError("to flush", path, error);
}

}  // namespace hd::io
