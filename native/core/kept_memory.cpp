#include "core/kept_memory.h"

#include <malloc.h>

#include <limits>

namespace hd {

KeptMemory::KeptMemory() {
  constexpr int largestBlock = 32 << 20;  // glibc takes no more: larger blocks come and go with their pages
  ::mallopt(M_MMAP_THRESHOLD, largestBlock);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  // Threads allocate from heaps of 64 MB, of which an empty one goes back unless this much is wanted spare.
  ::mallopt(M_TOP_PAD, 64 << 20);
}

KeptMemory::~KeptMemory() {
  ::malloc_trim(0);
}

}  // namespace hd
