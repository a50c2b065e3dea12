// Memory that work frees again and again, kept for the next time.
#pragma once

namespace hd {

/// While one exists the process keeps memory that it frees: every step needs the same pieces again, and pages
/// that go back to the system are faulted in anew (a tenth of a step, more in a virtual machine). The end of
/// each gives back what is free by then, so that one run after another holds no more than one.
class KeptMemory {
 public:
  KeptMemory();
  ~KeptMemory();
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;
};

}  // namespace hd
