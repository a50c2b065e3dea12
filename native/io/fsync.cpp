#include "io/fsync.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace hd::io {

void fsyncPath(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool good = descriptor >= 0 && fsync(descriptor) == 0;
  const int code = errno;
  if (descriptor >= 0) close(descriptor);
  if (good) return;
  throw Error(code == ENOSPC || code == EDQUOT ? "HD_DISK_FULL" : "HD_IO",
              concat("cannot fsync ", path, ": ", std::strerror(code)), path);
}

}  // namespace hd::io
