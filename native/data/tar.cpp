#include "data/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

namespace hd::data {
namespace {

constexpr size_t kBlock = 512;
constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();

using Block = std::array<uint8_t, kBlock>;

/// Fields of a header block (POSIX.1-1988), and two of GNU's sparse files.
struct Field {
  size_t offset, length;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kMagic{257, 8}, kPrefix{345, 155};
constexpr size_t kType = 156, kSparseGoesOn = 482, kSparseBlockGoesOn = 504;

std::string_view bytes(const Block& block, Field field) {
  return {reinterpret_cast<const char*>(block.data()) + field.offset, field.length};
}

/// Up to the first NUL.
std::string_view text(const Block& block, Field field) {
  const std::string_view all = bytes(block, field);
  return all.substr(0, std::min(all.find('\0'), all.size()));
}

/// Octal digits between blanks (none at all is 0), or base 256 when the first bit is set. Nothing for
/// anything else, negative numbers among them.
std::optional<uint64_t> number(const Block& block, Field field) {
  std::string_view digits = bytes(block, field);
  if (const auto first = static_cast<uint8_t>(digits[0]); first >= 0x80) {
    uint64_t value = first & 0x7F;
    for (const char digit : digits.substr(1)) {
      if (value > kLargest >> 8) return std::nullopt;
      value = value << 8 | static_cast<uint8_t>(digit);
    }
    return value;
  }
  digits.remove_prefix(std::min(digits.find_first_not_of(' '), digits.size()));
  uint64_t value = 0;  // at most 12 digits: 36 bits
  for (const char digit : digits) {
    if (digit == ' ' || digit == '\0') break;
    if (digit < '0' || digit > '7') return std::nullopt;
    value = value * 8 + static_cast<uint64_t>(digit - '0');
  }
  return value;
}

/// Old writers summed signed bytes.
bool checksumHolds(const Block& block) {
  const std::optional<uint64_t> said = number(block, kChecksum);
  int64_t sum = 0, signedSum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.length;
    const uint8_t byte = own ? ' ' : block[i];
    sum += byte;
    signedSum += static_cast<int8_t>(byte);
  }
  return said && (static_cast<int64_t>(*said) == sum || static_cast<int64_t>(*said) == signedSum);
}

/// What PAX says of one entry, or of all.
struct Extended {
  std::optional<std::string> path;
  std::optional<uint64_t> size;
  bool sparse = false;

  /// False: `records` are not of the form "<length> <key>=<value>\n" each.
  bool read(std::string_view records) {
    while (!records.empty()) {
      size_t length = 0;
      const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
      const auto start = static_cast<size_t>(end - records.data());
      if (error != std::errc{} || length > records.size() || length < start + 3 || *end != ' ' ||
          records[length - 1] != '\n') {
        return false;
      }
      const std::string_view record = records.substr(start + 1, length - start - 2);
      const size_t equals = record.find('=');
      if (equals == std::string_view::npos || !take(record.substr(0, equals), record.substr(equals + 1)))
        return false;
      records.remove_prefix(length);
    }
    return true;
  }

 private:
  bool take(std::string_view key, std::string_view value) {
    if (key.starts_with("GNU.sparse.")) sparse = true;
    if (key == "path") path = std::string(value);
    if (key != "size") return true;
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size() || number > kLargest) return false;
    size = number;
    return true;
  }
};

class Walk {
 public:
  Walk(const ReadAt& read, uint64_t size, const TarLimits& limits)
      : read_(read), size_(size), limits_(limits) {}

  TarIndex run() {
    for (int64_t headers = 0;; ++headers) {
      index_.endOffset = at_;
      if (!readBlock(at_)) return ended(TarIndex::End::cut);
      if (std::ranges::all_of(block_, [](uint8_t byte) { return byte == 0; })) return std::move(index_);
      if (headers == limits_.maxHeaders) return ended(TarIndex::End::limit);
      const std::optional<uint64_t> size = number(block_, kSize);
      if (!checksumHolds(block_) || !size) return ended(TarIndex::End::damaged);
      at_ += kBlock;
      if (!readEntry(static_cast<char>(block_[kType]), *size)) return ended(TarIndex::End::cut);
    }
  }

 private:
  TarIndex ended(TarIndex::End end) {
    index_.end = end;
    return std::move(index_);
  }

  bool readBlock(uint64_t offset) {
    return offset <= size_ && size_ - offset >= kBlock && read_(offset, block_.data(), kBlock) == kBlock;
  }

  /// False: the file ends within the content of the entry, whose header is in block_.
  bool readEntry(char type, uint64_t size) {
    switch (type) {
      case 'L':
      case 'K':
      case 'x':
      case 'X':
      case 'g':
        return readExtension(type, size);
      case '\0':
      case '0':
      case '7':
        return readFile(size);
      case 'S':
        return skipSparse(size);
      case '1':
        return skipWithoutContent("hard links");
      case '2':
        return skipWithoutContent("symbolic links");
      case '3':
      case '4':
        return skipWithoutContent("devices");
      case '5':
        return skipWithoutContent(nullptr);
      case '6':
        return skipWithoutContent("FIFOs");
      default:
        ++index_.skipped["entries of unknown kinds"];
        return endEntry(next_.size.value_or(size));
    }
  }

  /// A header that speaks of the next one, or of all.
  bool readExtension(char type, uint64_t size) {
    const bool longName = type == 'L';
    const bool fits = size <= (longName ? limits_.maxNameBytes + 1 : limits_.maxExtendedBytes);
    std::string content;
    if (type != 'K' && fits) {
      content.resize(static_cast<size_t>(size));
      if (size > size_ - at_ ||
          read_(at_, reinterpret_cast<uint8_t*>(content.data()), content.size()) != content.size()) {
        return false;
      }
    }
    if (longName) {
      next_.path = content.substr(0, content.find('\0'));
      unusable_ |= !fits;
    } else if (type == 'g') {
      unusable_ |= !fits || !all_.read(content);
    } else if (type != 'K') {
      unusable_ |= !fits || !next_.read(content);
    }
    return pass(size);
  }

  bool readFile(uint64_t headerSize) {
    const uint64_t size = next_.size.value_or(all_.size.value_or(headerSize));
    std::string name = next_.path ? *next_.path : all_.path ? *all_.path : headerName();
    // Before ustar there was no type for folders.
    if (name.ends_with('/')) return endEntry(size);
    if (next_.sparse || all_.sparse) {
      ++index_.skipped["sparse files"];
      return endEntry(size);
    }
    const bool named =
        !name.empty() && name.size() <= limits_.maxNameBytes && name.find('\0') == std::string::npos;
    if (unusable_ || !named) {
      ++index_.skipped["entries without a usable name"];
      return endEntry(size);
    }
    if (size > size_ - at_) return false;
    index_.files.push_back({std::move(name), at_, size});
    return endEntry(size);
  }

  std::string headerName() const {
    const std::string_view name = text(block_, kName);
    const bool posix = bytes(block_, kMagic).starts_with(std::string_view("ustar\0", 6));
    const std::string_view prefix = posix ? text(block_, kPrefix) : std::string_view{};
    return prefix.empty() ? std::string(name) : std::string(prefix).append("/").append(name);
  }

  /// GNU's old form: the map may go on in blocks behind the header, before the content.
  bool skipSparse(uint64_t size) {
    ++index_.skipped["sparse files"];
    for (bool more = block_[kSparseGoesOn] != 0; more; more = block_[kSparseBlockGoesOn] != 0) {
      if (!readBlock(at_)) return false;
      at_ += kBlock;
    }
    return endEntry(size);
  }

  bool skipWithoutContent(const char* kind) {
    if (kind != nullptr) ++index_.skipped[kind];
    return endEntry(0);
  }

  bool endEntry(uint64_t size) {
    next_ = {};
    unusable_ = false;
    return pass(size);
  }

  /// Goes behind the content, which fills whole blocks; the last one may lack its end.
  bool pass(uint64_t size) {
    if (size > size_ - at_) return false;
    at_ = std::min(size_, at_ + (size + kBlock - 1) / kBlock * kBlock);
    return true;
  }

  const ReadAt& read_;
  const uint64_t size_;
  const TarLimits limits_;
  Block block_{};
  uint64_t at_ = 0;  // ≤ size_ whenever readEntry() is called
  Extended next_, all_;
  bool unusable_ = false;  // what stands before the next entry cannot be understood
  TarIndex index_;
};

}  // namespace

TarIndex readTarIndex(const ReadAt& read, uint64_t size, const TarLimits& limits) {
  return Walk(read, size, limits).run();
}

}  // namespace hd::data
