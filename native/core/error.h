// The one exception type that native code throws on purpose. It crosses into JavaScript in exactly one place
// (addon/), where it becomes an HdError with the same three fields.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace hd {

class Error : public std::runtime_error {
 public:
  /// `code`: stable, e.g. "HD_CKPT_CORRUPT". `message`: one sentence that names the cure.
  /// `where`: the file, tensor, image or recipe path it is about; may be empty.
  Error(std::string code, const std::string& message, std::string where = {})
      : std::runtime_error(message), code_(std::move(code)), where_(std::move(where)) {}

  const std::string& code() const { return code_; }
  const std::string& where() const { return where_; }

 private:
  std::string code_, where_;
};

/// Joins its arguments with operator<<; for building messages.
template <class... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// Throws `HD_INTERNAL` when a condition that the caller guarantees does not hold.
template <class... Args>
void require(bool condition, const Args&... args) {
  if (!condition) throw Error("HD_INTERNAL", concat(args...));
}

}  // namespace hd
