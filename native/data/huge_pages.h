// Large arrays that are filled once: a page fault for every 4 KB of them costs more than filling them.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace hd::data {

/// Asks the system for large pages where a fresh array covers them; it may refuse, and nothing else changes.
inline void adviseHugePages(const void* data, size_t bytes) {
  constexpr uintptr_t page = uintptr_t{2} << 20;
  const auto begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace hd::data
