#include "io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "io/fsync.h"
#include "io/system_error.h"

namespace fs = std::filesystem;

namespace hd::io {
namespace {

constexpr size_t kGather = size_t{1} << 20;

bool isTemporaryName(const std::string& name) {
  const size_t at = name.rfind(".tmp-");
  if (at == std::string::npos || at + 5 == name.size()) return false;
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(at) + 5, name.end(),
                     [](char symbol) { return symbol >= '0' && symbol <= '9'; });
}

}  // namespace

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(concat(path_, ".tmp-", ::getpid())) {
  descriptor_ = retryInterrupted(
      [&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666); });
  if (descriptor_ < 0) throw systemError("to create", temporary_, errno);
  exists_ = true;
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (exists_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (pending_.size() + size < kGather) {
    pending_.insert(pending_.end(), bytes, bytes + size);
    return;
  }
  flush();
  writeFully(bytes, size);
}

void AtomicFile::flush() {
  writeFully(pending_.data(), pending_.size());
  pending_.clear();
}

void AtomicFile::writeFully(const uint8_t* data, size_t size) {
  while (size > 0) {
    const ssize_t written = retryInterrupted([&] { return ::write(descriptor_, data, size); });
    if (written < 0) throw systemError("to write", temporary_, errno);
    data += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  require(descriptor_ >= 0, "commit of a file that is already closed: ", path_);
  flush();
  if (retryInterrupted([&] { return ::fsync(descriptor_); }) != 0) {
    throw systemError("to flush", temporary_, errno);
  }
  // Quotas of network file systems may be reported only here. The descriptor is gone even when close fails.
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) throw systemError("to close", temporary_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw systemError("to rename to", path_, errno);
  exists_ = false;
  const std::string folder = fs::path(path_).parent_path().string();
  fsyncPath(folder.empty() ? "." : folder);
}

void writeFileAtomically(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

size_t removeTemporaries(const std::string& folder) {
  size_t removed = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (!isTemporaryName(entry->path().filename().string()) || entry->is_directory(gone)) continue;
    removed += ::unlink(entry->path().c_str()) == 0;
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw systemError("to list", folder, error.value());
  return removed;
}

}  // namespace hd::io
