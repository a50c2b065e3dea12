// Files of torch.save, in both containers, for the tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/crc32.h"
#include "pickle_writer.h"

namespace hd::io::test {

/// Writes zip archives of stored entries; what a test wants to be wrong can be set before or patched
/// afterwards.
class ZipWriter {
 public:
  bool descriptors = false;  ///< sizes and checksum behind the data instead of before it
  bool zip64 = false;        ///< every size and offset in zip64 fields
  bool aligned = true;       ///< data at multiples of 64, by an extra field, as torch does
  std::string comment;

  void add(const std::string& name, const std::string& data, uint16_t method = 0, uint16_t flags = 0) {
    Entry entry{name,
                static_cast<uint32_t>(bytes_.size()),
                static_cast<uint32_t>(data.size()),
                crc32(data.data(), data.size()),
                method,
                static_cast<uint16_t>(flags | (descriptors ? 8 : 0))};
    std::string extra;
    if (aligned) {
      const size_t start = bytes_.size() + 30 + name.size() + 4;
      const size_t padding = (64 - start % 64) % 64;
      extra = "FB" + littleEndian(static_cast<uint16_t>(padding)) + std::string(padding, 'Z');
    }
    const uint32_t shown = descriptors ? 0 : entry.size;
    bytes_ += "PK\3\4" + littleEndian<uint16_t>(20) + littleEndian(entry.flags) + littleEndian(method) +
              std::string(4, '\0') + littleEndian(descriptors ? 0 : entry.checksum) + littleEndian(shown) +
              littleEndian(shown) + littleEndian(static_cast<uint16_t>(name.size())) +
              littleEndian(static_cast<uint16_t>(extra.size())) + name + extra + data;
    if (descriptors)
      bytes_ +=
          "PK\7\10" + littleEndian(entry.checksum) + littleEndian(entry.size) + littleEndian(entry.size);
    entries_.push_back(std::move(entry));
  }

  std::string finish() const {
    std::string directory;
    for (const Entry& entry : entries_) directory += header(entry);
    std::string out = bytes_ + directory;
    const auto count = static_cast<uint16_t>(entries_.size());
    if (zip64) {
      const uint64_t at = out.size();
      out += "PK\6\6" + littleEndian<uint64_t>(44) + std::string(4, '\0') + std::string(8, '\0') +
             littleEndian<uint64_t>(count) + littleEndian<uint64_t>(count) +
             littleEndian<uint64_t>(directory.size()) + littleEndian<uint64_t>(bytes_.size());
      out += "PK\6\7" + std::string(4, '\0') + littleEndian(at) + littleEndian<uint32_t>(1);
    }
    out += "PK\5\6" + std::string(4, '\0') + littleEndian(zip64 ? uint16_t{0xFFFF} : count) +
           littleEndian(zip64 ? uint16_t{0xFFFF} : count) +
           littleEndian(zip64 ? ~uint32_t{0} : static_cast<uint32_t>(directory.size())) +
           littleEndian(zip64 ? ~uint32_t{0} : static_cast<uint32_t>(bytes_.size())) +
           littleEndian(static_cast<uint16_t>(comment.size())) + comment;
    return out;
  }

 private:
  struct Entry {
    std::string name;
    uint32_t offset, size, checksum;
    uint16_t method, flags;
  };

  std::string header(const Entry& entry) const {
    const uint32_t size = zip64 ? ~uint32_t{0} : entry.size;
    std::string extra;
    if (zip64) {
      extra = littleEndian<uint16_t>(1) + littleEndian<uint16_t>(24) + littleEndian<uint64_t>(entry.size) +
              littleEndian<uint64_t>(entry.size) + littleEndian<uint64_t>(entry.offset);
    }
    return "PK\1\2" + std::string(4, '\0') + littleEndian(entry.flags) + littleEndian(entry.method) +
           std::string(4, '\0') + littleEndian(entry.checksum) + littleEndian(size) + littleEndian(size) +
           littleEndian(static_cast<uint16_t>(entry.name.size())) +
           littleEndian(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') +
           littleEndian(zip64 ? ~uint32_t{0} : entry.offset) + entry.name + extra;
  }

  std::string bytes_;
  std::vector<Entry> entries_;
};

/// A saved object and the storages that it names, in the order in which a legacy stream lists them.
struct TorchFile {
  std::string pickle;
  struct Storage {
    std::string key;
    size_t elementSize;
    std::string bytes;
  };
  std::vector<Storage> storages;

  std::string zip(ZipWriter writer = {}, const std::string& byteorder = "little") const {
    writer.add("archive/data.pkl", pickle);
    if (!byteorder.empty()) writer.add("archive/byteorder", byteorder);
    for (const Storage& storage : storages) writer.add("archive/data/" + storage.key, storage.bytes);
    writer.add("archive/version", "3\n");
    return writer.finish();
  }

  std::string legacy(bool littleEndianSystem = true, int version = 1001) const {
    std::string out = PickleWriter().raw("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19").stop();
    out += PickleWriter().integer(version).stop();
    out += PickleWriter()
               .emptyDict()
               .mark()
               .text("protocol_version")
               .integer(1001)
               .text("little_endian")
               .boolean(littleEndianSystem)
               .setItems()
               .stop();
    out += pickle;
    PickleWriter keys;
    keys.emptyList().mark();
    for (const Storage& storage : storages) keys.text(storage.key);
    out += keys.appends().stop();
    for (const Storage& storage : storages) {
      out += littleEndian<uint64_t>(storage.bytes.size() / storage.elementSize) + storage.bytes;
    }
    return out;
  }
};

}  // namespace hd::io::test
