// Reading annotation files: regular files only, of bounded size, never blocking on a FIFO or device.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hd::data {

/// The whole file without a UTF-8 byte order mark, with `padding` spare bytes of capacity behind it (simdjson
/// reads past the end). Throws HD_DATA_FILE when it is missing, unreadable or no regular file,
/// HD_DATA_TOO_LARGE beyond `maxBytes`.
std::string readTextFile(const std::string& path, int64_t maxBytes, size_t padding = 0);

/// The lines without their ends (LF or CRLF) and without trailing blanks; empty ones are kept so that index +
/// 1 is the line number. A text that ends with a line end has no further line.
std::vector<std::string_view> splitLines(std::string_view text);

/// Without blanks at both ends.
std::string_view trim(std::string_view text);

/// A finite number that takes the whole (trimmed) text, independent of the locale.
bool parseNumber(std::string_view text, double& number);

}  // namespace hd::data
