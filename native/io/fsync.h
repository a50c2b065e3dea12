// Makes what was written last through a power cut.
#pragma once

#include <string>

namespace hd::io {

/// fsync of a file or folder; a folder on a file system that has no fsync for folders is left as it is (its
/// renames are durable, or nothing can make them so). Throws HD_IO, or HD_DISK_FULL when the disk had no room
/// for what was pending.
void fsyncPath(const std::string& path);

}  // namespace hd::io
