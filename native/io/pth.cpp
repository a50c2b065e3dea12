#include "io/pth.h"

#include <cstring>
#include <map>

#include "core/error.h"
#include "io/pickle.h"
#include "io/state_dict.h"
#include "io/whole_file.h"
#include "io/zip.h"

namespace hd::io {
namespace {

using Bytes = std::span<const uint8_t>;

Error unsupported(const char* expected, const std::string& path, const std::string& received,
                  const char* cure) {
  return Error("HD_PTH_UNSUPPORTED",
               concat("expected ", expected, " for '", path, "' but received ", received, ": ", cure), path);
}

Error corrupt(const char* expected, const std::string& path, size_t offset) {
  return Error(
      "HD_PTH_CORRUPT",
      concat("expected ", expected, " at byte ", offset, " of '", path,
             "' but received something else: the file is damaged or incomplete; copy or download it again"),
      path);
}

// Zip archives: <name>/data.pkl, <name>/data/<key>, and <name>/byteorder since torch 2.1.

std::string folderOf(const ZipArchive& archive, const std::string& path) {
  const std::string tail = "/data.pkl";
  for (const auto& [name, entry] : archive.entries()) {
    const bool nested = name.find('/') != name.rfind('/');
    if (!nested && name.ends_with(tail)) return name.substr(0, name.size() - tail.size() + 1);
  }
  throw unsupported("an archive of torch.save", path, "a zip without data.pkl",
                    "save the state_dict with torch.save");
}

TensorFile parseZip(Bytes image, std::shared_ptr<const void> owner, const std::string& path) {
  ZipArchive archive(image, path);
  const std::string folder = folderOf(archive, path);
  if (archive.contains(folder + "constants.pkl")) {
    throw unsupported("a state dict", path, "a TorchScript archive",
                      "load it with torch.jit.load and save its state_dict() with torch.save");
  }
  if (archive.contains(folder + "byteorder")) {
    const Bytes order = archive.read(folder + "byteorder");
    const std::string_view text(reinterpret_cast<const char*>(order.data()), order.size());
    if (text != "little") {
      throw unsupported("little-endian numbers", path, concat("'", text.substr(0, 20), "'"),
                        "save it again on a little-endian machine");
    }
  }
  const Bytes stream = archive.read(folder + "data.pkl");
  const Pickle pickle = readPickle(stream, path, static_cast<size_t>(stream.data() - image.data()));
  const StorageSource source = [&](const StorageRecord& storage) {
    return archive.read(concat(folder, "data/", storage.key));
  };
  return readStateDict(pickle, source, std::move(owner), image.size(), path);
}

// Legacy streams: five pickles (magic number, protocol version, system, object, storage keys), then for each
// key the number of elements and the elements.

/// 0x1950a86a20f9469cfc6c, as pickled.
constexpr std::string_view kLegacyMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);

class LegacyReader {
 public:
  LegacyReader(Bytes image, const std::string& path) : image_(image), path_(path) {}

  TensorFile read(std::shared_ptr<const void> owner) {
    const Pickle magic = next();
    if (magic[magic.root].kind != PickleKind::longInteger || magic[magic.root].text != kLegacyMagic) {
      throw corrupt("the magic number of torch.save", path_, 0);
    }
    const Pickle version = next();
    if (version[version.root].kind != PickleKind::integer || version[version.root].integer != 1001) {
      throw unsupported("version 1001 of torch.save's stream", path_, "another",
                        "save it with a current torch");
    }
    refuseBigEndian(next());
    const Pickle object = next();
    locateStorages(object, next());
    const StorageSource source = [&](const StorageRecord& storage) {
      const auto found = storages_.find(storage.key);
      if (found == storages_.end()) throw corrupt("every storage that a tensor names", path_, at_);
      return found->second;
    };
    return readStateDict(object, source, std::move(owner), image_.size(), path_);
  }

 private:
  Pickle next() {
    Pickle pickle = readPickle(image_.subspan(at_), path_, at_);
    at_ += pickle.bytes;
    return pickle;
  }

  void refuseBigEndian(const Pickle& system) const {
    const PickleNode& dict = system[system.root];
    for (size_t i = 0; dict.kind == PickleKind::dict && i < dict.items.size(); i += 2) {
      const PickleNode& value = system[dict.items[i + 1]];
      if (system[dict.items[i]].text == "little_endian" && value.kind == PickleKind::boolean &&
          value.integer == 1)
        return;
    }
    throw unsupported("little-endian numbers", path_, "a stream that does not declare them",
                      "save it again on a little-endian machine");
  }

  /// Steps over all storages; how many bytes each takes follows from its type in the object's pickle.
  void locateStorages(const Pickle& object, const Pickle& keys) {
    std::map<std::string_view, StorageRecord> records;
    for (size_t ref = 0; ref < object.nodes.size(); ++ref) {
      if (object.nodes[ref].kind != PickleKind::storage) continue;
      refuseView(object, object.nodes[ref]);
      const StorageRecord record = storageOf(object, static_cast<PickleRef>(ref), path_);
      records.emplace(record.key, record);
    }
    const PickleNode& list = keys[keys.root];
    if (list.kind != PickleKind::list) throw corrupt("the list of storages", path_, list.offset);
    for (const PickleRef ref : list.items) {
      const auto found =
          records.find(keys[ref].kind == PickleKind::text ? keys[ref].text : std::string_view());
      if (found == records.end()) throw corrupt("a storage that the object names", path_, list.offset);
      locate(found->second);
    }
    if (at_ != image_.size()) throw corrupt("the end of the file", path_, at_);
  }

  /// The sixth member of a persistent id: (key, offset, size) of a view, which torch stopped writing
  /// before 1.0.
  void refuseView(const Pickle& object, const PickleNode& storage) const {
    if (storage.items.size() > 5 && object[storage.items[5]].kind != PickleKind::none) {
      throw unsupported("whole storages", path_, "a storage view of torch 0.x",
                        "save it with a current torch");
    }
  }

  void locate(const StorageRecord& record) {
    if (record.elementSize == 0) {
      throw unsupported("a known storage type", path_, std::string(record.type.substr(0, 200)),
                        "convert it to float32");
    }
    uint64_t count = 0;
    if (image_.size() - at_ < sizeof count) throw corrupt("the size of a storage", path_, at_);
    std::memcpy(&count, image_.data() + at_, sizeof count);
    at_ += sizeof count;
    const size_t bytes = record.count * record.elementSize;
    if (count != record.count)
      throw corrupt("the size that the object gives a storage", path_, at_ - sizeof count);
    if (bytes > image_.size() - at_) throw corrupt("all elements of a storage", path_, at_);
    if (!storages_.emplace(record.key, image_.subspan(at_, bytes)).second)
      throw corrupt("each storage once", path_, at_);
    at_ += bytes;
  }

  Bytes image_;
  const std::string& path_;
  size_t at_ = 0;
  std::map<std::string_view, Bytes> storages_;
};

}  // namespace

TensorFile parsePth(const uint8_t* data, size_t size, std::shared_ptr<const void> owner,
                    const std::string& path) {
  const Bytes image(data, size);
  if (size >= 4 && std::memcmp(data, "PK\3\4", 4) == 0) return parseZip(image, std::move(owner), path);
  if (size >= 2 && data[0] == 0x80) return LegacyReader(image, path).read(std::move(owner));
  throw corrupt("a zip archive or a pickle stream of torch.save", path, 0);
}

TensorFile readPth(const std::string& path) {
  FileImage image = readWholeFile(path);
  return parsePth(image.data, image.size, std::move(image.owner), path);
}

}  // namespace hd::io
