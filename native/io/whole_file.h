// The bytes of a whole file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace hd::io {

/// `data` is valid while `owner` lives, whatever happens to the file: it is a copy in memory. A mapping of
/// the file would end the process (SIGBUS) when somebody shortens the file, or its disk fails, at any later
/// moment.
struct FileImage {
  const uint8_t* data = nullptr;
  size_t size = 0;
  std::shared_ptr<const void> owner;
};

/// Reads a regular file; throws HD_IO for anything else (folders, pipes, devices) or when it cannot be read.
FileImage readWholeFile(const std::string& path);

}  // namespace hd::io
