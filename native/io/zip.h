// Zip archives of stored (uncompressed) entries, as torch.save writes them: found through the central
// directory, with zip64 fields and data descriptors. Read from memory; entries are views into the image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace hd::io {

/// Every entry's bytes lie inside the image and no two entries share a byte, so reading all of them once
/// touches the image at most once, whatever the directory claims. Errors: HD_PTH_CORRUPT with the byte
/// offset, HD_PTH_UNSUPPORTED for encryption and compression.
class ZipArchive {
 public:
  /// `path` is for messages only. `image` must outlive this object.
  ZipArchive(std::span<const uint8_t> image, std::string path);

  /// Entry names in directory order are of no use to anyone; they come sorted.
  struct Entry {
    std::span<const uint8_t> bytes;
    uint32_t checksum = 0;
    uint16_t method = 0;
    bool verified = false;
  };
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
  bool contains(std::string_view name) const { return entries_.find(name) != entries_.end(); }

  /// The bytes of an entry, checked against its CRC-32 (unless that is 0) on first use. Throws HD_PTH_CORRUPT
  /// when it is missing.
  std::span<const uint8_t> read(std::string_view name);

 private:
  [[noreturn]] void corrupt(const std::string& expected, size_t offset) const;
  template <class Number>
  Number number(size_t offset) const;

  struct Directory {
    size_t offset = 0, size = 0, count = 0;
  };
  Directory findDirectory() const;
  Directory findZip64(size_t end, Directory directory) const;
  size_t readHeader(size_t at);
  void refuseOverlaps() const;

  std::span<const uint8_t> image_;
  std::string path_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace hd::io
