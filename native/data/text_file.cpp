#include "data/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/error.h"

namespace hd::data {
namespace {

struct FileHandle {
  int descriptor;
  ~FileHandle() {
    if (descriptor >= 0) close(descriptor);
  }
};

}  // namespace

std::string readTextFile(const std::string& path, int64_t maxBytes, size_t padding) {
  if (path.find('\0') != std::string::npos) {
    throw Error("HD_DATA_FILE", "expected a file name without NUL bytes: correct the entry", path.c_str());
  }
  // O_NONBLOCK: opening a FIFO returns at once and the type check below refuses it.
  const FileHandle file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info {};
  if (file.descriptor < 0 || fstat(file.descriptor, &info) != 0) {
    throw Error("HD_DATA_FILE",
                concat("expected a readable file at ", path, " but received '", std::strerror(errno),
                       "': check the path and its permissions"),
                path);
  }
  if (!S_ISREG(info.st_mode)) {
    throw Error(
        "HD_DATA_FILE",
        concat("expected a regular file at ", path, " but received a folder, pipe or device: name a file"),
        path);
  }
  if (info.st_size > maxBytes) {
    throw Error("HD_DATA_TOO_LARGE",
                concat("expected at most ", maxBytes, " bytes for ", path, " but received ", info.st_size,
                       ": split it into several files"),
                path);
  }
  std::string text;
  text.reserve(static_cast<size_t>(info.st_size) + padding);
  text.resize(static_cast<size_t>(info.st_size));
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = read(file.descriptor, text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw Error(
          "HD_DATA_FILE",
          concat("expected to read ", path, " but received '", std::strerror(errno), "': check the disk"),
          path);
    }
    if (got == 0) break;  // it shrank meanwhile; the parser tells what is missing
    filled += static_cast<size_t>(got);
  }
  text.resize(filled);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

std::vector<std::string_view> splitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
      line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

bool parseNumber(std::string_view text, double& number) {
  text = trim(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && std::isfinite(number);
}

}  // namespace hd::data
