// Files that appear whole or not at all: whatever happens, `path` holds either its old content or all of the
// new. Everything that hdtrain writes for later reading (checkpoints, states, results, pictures) goes through
// here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hd::io {

/// Collects writes in `path` + ".tmp-<pid>"; commit() fsyncs it, renames it to `path` and fsyncs the folder.
/// Without a commit the destructor removes the temporary file. One writer a path within a process; a symbolic
/// link at `path` is replaced, not followed. Errors: HD_DISK_FULL on ENOSPC and EDQUOT, else HD_IO.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Small pieces are gathered into one write of a megabyte; large ones go straight from the caller's memory.
  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Once, as the last call.
  void commit();

  const std::string& temporaryPath() const { return temporary_; }

 private:
  void flush();
  void writeFully(const uint8_t* data, size_t size);

  std::string path_, temporary_;
  std::vector<uint8_t> pending_;
  int descriptor_ = -1;
  bool exists_ = false;  ///< the temporary file does, so the destructor must remove it
};

/// The whole of AtomicFile for content at hand.
void writeFileAtomically(const std::string& path, std::string_view content);

/// Removes the temporary files that killed processes left in `folder`. Only for folders that no other process
/// writes to (a locked run folder). Returns how many; a missing folder has none.
size_t removeTemporaries(const std::string& folder);

}  // namespace hd::io
