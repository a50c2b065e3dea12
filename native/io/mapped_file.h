// A whole file as read-only memory, paged in on demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace hd::io {

/// `data` is valid while `owner` lives. The file must not be shortened meanwhile: hdtrain itself only
/// replaces files by renaming, which leaves an existing mapping intact.
struct FileImage {
  const uint8_t* data = nullptr;
  size_t size = 0;
  std::shared_ptr<const void> owner;
};

/// Maps a regular file; throws HD_IO for anything else (folders, pipes, devices) or when it cannot be read.
FileImage mapFile(const std::string& path);

}  // namespace hd::io
