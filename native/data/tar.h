// The index of a tar archive: where its regular files lie. Headers are read, contents are not, and nothing is
// ever written: an entry's name is a name, whatever path it spells.
//
// Understood: ustar, old and GNU headers, GNU long names, sizes in base 256, PAX `path` and `size` (of the
// next entry, and of all). Every header's checksum is checked; the first one that is wrong ends the index.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/read_at.h"

namespace hd::data {

struct TarEntry {
  std::string name;       ///< never empty, no NUL; may hold "..", begin with '/', or come twice
  uint64_t offset, size;  ///< of the content; all of it lies within the archive
};

struct TarLimits {
  int64_t maxHeaders = int64_t{1} << 24;
  size_t maxNameBytes = 4096;
  size_t maxExtendedBytes = size_t{1} << 20;  ///< of one PAX header
};

struct TarIndex {
  enum class End {
    whole,    ///< a block of zeros
    cut,      ///< the file ends before the archive does
    damaged,  ///< something that is no header
    limit,    ///< more headers than TarLimits allows
  };

  std::vector<TarEntry> files;  ///< in the order of the archive
  /// Entries that are no files with a usable name, by kind in the plural ("symbolic links", "devices", …).
  /// Folders hold nothing and are not counted.
  std::map<std::string, int64_t> skipped;
  End end = End::whole;
  uint64_t endOffset = 0;  ///< of the header that ended it
};

/// What is whole before the end. `size`: of the archive; throws only what `read` throws.
TarIndex readTarIndex(const ReadAt& read, uint64_t size, const TarLimits& limits = {});

}  // namespace hd::data
