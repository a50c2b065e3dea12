#include "io/zip.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "io/crc32.h"

namespace hd::io {
namespace {

// Signatures and sizes of the fixed parts (PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16).
constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr size_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kEnd64Size = 56, kLocator64Size = 20;
constexpr uint32_t kIn64 = 0xFFFFFFFFu;  // "see the zip64 field"

}  // namespace

void ZipArchive::corrupt(const std::string& expected, size_t offset) const {
  throw Error(
      "HD_PTH_CORRUPT",
      concat("expected ", expected, " at byte ", offset, " of '", path_,
             "' but received something else: the file is damaged or incomplete; copy or download it again"),
      path_);
}

template <class Number>
Number ZipArchive::number(size_t offset) const {
  if (offset > image_.size() || image_.size() - offset < sizeof(Number))
    corrupt("more of the archive", offset);
  Number value;
  std::memcpy(&value, image_.data() + offset, sizeof value);
  return value;
}

ZipArchive::ZipArchive(std::span<const uint8_t> image, std::string path)
    : image_(image), path_(std::move(path)) {
  const Directory directory = findDirectory();
  size_t at = directory.offset;
  for (size_t i = 0; i < directory.count; ++i) at = readHeader(at);
  if (at - directory.offset != directory.size) corrupt("the end of the directory", at);
  refuseOverlaps();
}

ZipArchive::Directory ZipArchive::findDirectory() const {
  if (image_.size() < kEndSize) corrupt("a zip archive", 0);
  // The end record stands last but for a comment of at most 65535 bytes, whose length it holds.
  const size_t last = image_.size() - kEndSize;
  const size_t first = last > 65535 ? last - 65535 : 0;
  size_t end = last;
  while (number<uint32_t>(end) != kEnd || number<uint16_t>(end + 20) != last - end) {
    if (end == first) corrupt("the end record of a zip archive", last);
    --end;
  }
  Directory directory{number<uint32_t>(end + 16), number<uint32_t>(end + 12), number<uint16_t>(end + 10)};
  const bool zip64 = end >= kLocator64Size && number<uint32_t>(end - kLocator64Size) == kLocator64;
  if (zip64) directory = findZip64(end, directory);
  if (directory.offset > end || directory.size > end - directory.offset)
    corrupt("a directory within the file", end);
  if (directory.count > directory.size / kCentralSize) corrupt("as many entries as the directory holds", end);
  return directory;
}

ZipArchive::Directory ZipArchive::findZip64(size_t end, Directory directory) const {
  const uint64_t at = number<uint64_t>(end - kLocator64Size + 8);
  if (at > end || end - at < kEnd64Size || number<uint32_t>(at) != kEnd64) corrupt("a zip64 end record", end);
  const auto count = number<uint64_t>(at + 32), size = number<uint64_t>(at + 40),
             offset = number<uint64_t>(at + 48);
  // The short record must agree wherever it does not defer.
  if ((directory.count != 0xFFFF && directory.count != count) ||
      (directory.size != kIn64 && directory.size != size) ||
      (directory.offset != kIn64 && directory.offset != offset)) {
    corrupt("end records that agree", at);
  }
  return {offset, size, count};
}

/// One directory header and the local header that it points to; returns where the next one starts.
size_t ZipArchive::readHeader(size_t at) {
  if (number<uint32_t>(at) != kCentral) corrupt("a directory header", at);
  const auto flags = number<uint16_t>(at + 8);
  Entry entry;
  entry.method = number<uint16_t>(at + 10);
  entry.checksum = number<uint32_t>(at + 16);
  uint64_t packed = number<uint32_t>(at + 20), size = number<uint32_t>(at + 24),
           local = number<uint32_t>(at + 42);
  const size_t nameSize = number<uint16_t>(at + 28), extraSize = number<uint16_t>(at + 30);
  const size_t next = at + kCentralSize + nameSize + extraSize + number<uint16_t>(at + 32);
  if (next > image_.size()) corrupt("a whole directory header", at);
  const std::string name(reinterpret_cast<const char*>(image_.data()) + at + kCentralSize, nameSize);

  size_t field = at + kCentralSize + nameSize;
  const size_t extraEnd = field + extraSize;
  while (extraEnd - field >= 4) {
    const size_t fieldEnd = field + 4 + number<uint16_t>(field + 2);
    if (fieldEnd > extraEnd) break;      // padding that is no field
    if (number<uint16_t>(field) == 1) {  // zip64: the values that were deferred, in this order
      size_t value = field + 4;
      for (uint64_t* deferred : {&size, &packed, &local}) {
        if (*deferred != kIn64) continue;
        if (fieldEnd - value < 8) corrupt("a zip64 field", value);
        *deferred = number<uint64_t>(value);
        value += 8;
      }
    }
    field = fieldEnd;
  }

  if (flags & 1) {
    throw Error("HD_PTH_UNSUPPORTED",
                concat("expected plain entries in '", path_, "' but received the encrypted '",
                       name.substr(0, 200), "' (byte ", at, "): decrypt the file first"),
                path_);
  }
  if (entry.method == 0 && packed != size) corrupt("equal sizes of a stored entry", at);
  if (local > image_.size() || number<uint32_t>(local) != kLocal) corrupt("a local header", local);
  const size_t localName = number<uint16_t>(local + 26);
  const size_t data = local + kLocalSize + localName + number<uint16_t>(local + 28);
  if (data > image_.size() || packed > image_.size() - data)
    corrupt("the data of an entry within the file", at);
  if (localName != nameSize || std::memcmp(image_.data() + local + kLocalSize, name.data(), nameSize) != 0) {
    corrupt("the same name in both headers of an entry", local);
  }
  entry.bytes = image_.subspan(data, packed);
  if (!entries_.emplace(name, entry).second) corrupt("entries of different names", at);
  return next;
}

void ZipArchive::refuseOverlaps() const {
  std::vector<std::span<const uint8_t>> places;
  for (const auto& [name, entry] : entries_) {
    if (!entry.bytes.empty()) places.push_back(entry.bytes);
  }
  std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.data() < b.data(); });
  for (size_t i = 1; i < places.size(); ++i) {
    if (places[i - 1].data() + places[i - 1].size() > places[i].data()) {
      corrupt("entries that do not overlap", static_cast<size_t>(places[i].data() - image_.data()));
    }
  }
}

std::span<const uint8_t> ZipArchive::read(std::string_view name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) corrupt(concat("an entry '", name.substr(0, 200), "'"), image_.size());
  Entry& entry = found->second;
  const auto offset = static_cast<size_t>(entry.bytes.data() - image_.data());
  if (entry.method != 0) {
    throw Error("HD_PTH_UNSUPPORTED",
                concat("expected stored entries in '", path_, "' but received '", name.substr(0, 200),
                       "' with compression method ", entry.method, " (byte ", offset,
                       "): save the file again with torch.save instead of zipping it"),
                path_);
  }
  // torch writes 0 when told to skip checksums.
  const bool recorded = entry.checksum != 0;
  if (recorded && !entry.verified && crc32(entry.bytes.data(), entry.bytes.size()) != entry.checksum) {
    corrupt(concat("data of '", name.substr(0, 200), "' with the recorded checksum"), offset);
  }
  entry.verified = true;
  return entry.bytes;
}

}  // namespace hd::io
