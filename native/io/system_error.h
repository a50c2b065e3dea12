// What the operating system refused, as an hd::Error.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

#include "core/error.h"

namespace hd::io {

/// `purpose`: what was wanted, e.g. "to write". `code`: errno of the failed call. HD_DISK_FULL when the disk
/// or the user's quota is full, else HD_IO.
inline Error systemError(const char* purpose, const std::string& path, int code) {
  const bool full = code == ENOSPC || code == EDQUOT;
  return Error(
      full ? "HD_DISK_FULL" : "HD_IO",
      concat("expected ", purpose, " '", path, "' but received '", std::generic_category().message(code),
             full ? "': free some space there or choose another folder"
                  : "': check the path, its permissions and the disk"),
      path);
}

/// The result of a system call that a signal did not interrupt.
template <class Call>
auto retryInterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace hd::io
