// Makes what was written last through a power cut.
#pragma once

#include <string>

namespace hd::io {

/// fsync of a file or folder. Throws HD_IO, or HD_DISK_FULL when the disk had no room for what was pending.
void fsyncPath(const std::string& path);

}  // namespace hd::io
