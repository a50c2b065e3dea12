// Tar archives for tests, written block by block, also in forms that no tool writes.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace fixture {

/// One header block; what is not set is as GNU tar writes it for a small file.
struct TarHeader {
  std::string name = {};
  uint64_t size = 0;
  char type = '0';
  std::string prefix = {};
  std::string sizeField = {};  ///< 12 bytes instead of octal digits
  std::string magic = std::string(
      "ustar\0"
      "00",
      8);  ///< 8 bytes; GNU's is "ustar  "
  int checksumError = 0;
};

/// The checksum that the header should have, into its field.
inline void signTarHeader(std::string& block, size_t at, int error = 0) {
  std::memset(block.data() + at + 148, ' ', 8);
  unsigned sum = static_cast<unsigned>(error);
  for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(block[at + i]);
  std::snprintf(block.data() + at + 148, 8, "%06o", sum);
}

inline std::string tarHeader(const TarHeader& header) {
  std::string block(512, '\0');
  const auto put = [&](size_t at, size_t length, const std::string& text) {
    std::memcpy(block.data() + at, text.data(), std::min(length, text.size()));
  };
  std::array<char, 16> digits{};
  std::snprintf(digits.data(), digits.size(), "%011llo", static_cast<unsigned long long>(header.size));
  put(0, 100, header.name);
  put(100, 8, "0000644");
  put(108, 8, "0001750");
  put(116, 8, "0001750");
  put(124, 12, header.sizeField.empty() ? std::string(digits.data()) : header.sizeField);
  put(136, 12, "14700000000");
  block[156] = header.type;
  put(257, 8, std::string(header.magic.data(), std::min<size_t>(8, header.magic.size())));
  put(345, 155, header.prefix);
  signTarHeader(block, 0, header.checksumError);
  return block;
}

/// Content filled up to whole blocks.
inline std::string tarBlocks(std::string content) {
  content.resize((content.size() + 511) / 512 * 512, '\0');
  return content;
}

inline std::string paxRecord(const std::string& key, const std::string& value) {
  size_t length = key.size() + value.size() + 3;  // blank, '=' and line end
  length += std::to_string(length + std::to_string(length).size()).size();
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

/// An archive that grows entry by entry; text() is without its end.
class Tar {
 public:
  Tar& file(const std::string& name, const std::string& content) {
    return entry({.name = name, .size = content.size()}, content);
  }
  Tar& entry(const TarHeader& header, const std::string& content = "") {
    text_ += tarHeader(header) + tarBlocks(content);
    return *this;
  }
  /// GNU's long name ('L') or long link name ('K') of the next entry.
  Tar& longName(const std::string& name, char type = 'L') {
    const std::string content(name.c_str(), name.size() + 1);
    return entry({.name = "././@LongLink", .size = content.size(), .type = type, .magic = "ustar  "},
                 content);
  }
  /// PAX records for the next entry ('x') or all that follow ('g').
  Tar& pax(const std::string& records, char type = 'x') {
    return entry({.name = "PaxHeaders/x", .size = records.size(), .type = type}, records);
  }
  Tar& raw(const std::string& bytes) {
    text_ += bytes;
    return *this;
  }

  const std::string& text() const { return text_; }
  std::string whole() const { return text_ + std::string(1024, '\0'); }

 private:
  std::string text_;
};

}  // namespace fixture
