#include "io/state_dict.h"

#include <algorithm>

#include "core/error.h"
#include "io/tensor_memory.h"

namespace hd::io {
namespace {

constexpr size_t kMaxDimensions = 64;
constexpr size_t kCopyAllowance = size_t{16} << 20;

struct StorageType {
  std::string_view name;
  std::optional<DType> dtype;
  size_t elementSize;
};

const StorageType kStorageTypes[] = {{"torch.DoubleStorage", DType::f64, 8},
                                     {"torch.FloatStorage", DType::f32, 4},
                                     {"torch.HalfStorage", DType::f16, 2},
                                     {"torch.BFloat16Storage", DType::bf16, 2},
                                     {"torch.LongStorage", DType::i64, 8},
                                     {"torch.IntStorage", DType::i32, 4},
                                     {"torch.ShortStorage", DType::i16, 2},
                                     {"torch.CharStorage", DType::i8, 1},
                                     {"torch.ByteStorage", DType::u8, 1},
                                     {"torch.BoolStorage", DType::boolean, 1},
                                     {"torch.ComplexFloatStorage", std::nullopt, 8},
                                     {"torch.ComplexDoubleStorage", std::nullopt, 16},
                                     {"torch.QInt8Storage", std::nullopt, 1},
                                     {"torch.QUInt8Storage", std::nullopt, 1},
                                     {"torch.QInt32Storage", std::nullopt, 4},
                                     {"torch.storage.UntypedStorage", std::nullopt, 1}};

const char* const kWrappers[] = {"state_dict", "model", "ema_state_dict"};

class StateDictReader {
 public:
  StateDictReader(const Pickle& pickle, const StorageSource& source, std::shared_ptr<const void> owner,
                  size_t fileSize, const std::string& path)
      : pickle_(pickle),
        source_(source),
        memory_(std::make_shared<TensorMemory>(std::move(owner))),
        copyBudget_(fileSize + kCopyAllowance),
        path_(path) {}

  TensorFile read() {
    const PickleNode& dict = findStateDict();
    TensorFile file;
    std::vector<std::string_view> names;
    for (size_t i = 0; i < dict.items.size(); i += 2) {
      const PickleNode& key = pickle_[dict.items[i]];
      const PickleNode& value = pickle_[dict.items[i + 1]];
      if (value.kind != PickleKind::tensor && value.kind != PickleKind::opaque) continue;
      if (key.kind != PickleKind::text)
        fail("HD_PTH_UNSUPPORTED", "a name", "a key of a tensor", "another value", value.offset);
      const std::string_view extra = "_extra_state";  // of a module; by contract no weight
      if (value.kind == PickleKind::opaque && key.text.ends_with(extra)) continue;
      if (value.kind == PickleKind::opaque) refuseCall(value, concat("'", key.text.substr(0, 200), "'"));
      names.push_back(key.text);
      file.tensors.push_back(readTensor(key.text, value));
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
      corrupt("a name of its own", concat("tensor '", twice->substr(0, 200), "'"), "a second one",
              dict.offset);
    file.owner = memory_;
    return file;
  }

 private:
  [[noreturn]] void fail(const char* code, const std::string& expected, const std::string& subject,
                         const std::string& received, size_t offset,
                         const char* cure = "save the state_dict alone with torch.save") const {
    throw Error(code,
                concat("expected ", expected, " for ", subject, " of '", path_, "' (byte ", offset,
                       ") but received ", received, ": ", cure),
                path_);
  }

  [[noreturn]] void corrupt(const std::string& expected, const std::string& subject,
                            const std::string& received, size_t offset) const {
    fail("HD_PTH_CORRUPT", expected, subject, received, offset,
         "the file is damaged or incomplete; copy or download it again");
  }

  [[noreturn]] void refuseCall(const PickleNode& opaque, const std::string& subject) const {
    fail("HD_PTH_UNSAFE", "plain data", subject,
         concat("a call of ", opaque.text.substr(0, 200), ", which hdtrain never executes"), opaque.offset,
         "load the file where it was made and save its state_dict() alone");
  }

  bool holdsTensors(const PickleNode& node) const {
    if (node.kind != PickleKind::dict) return false;
    for (size_t i = 1; i < node.items.size(); i += 2) {
      if (pickle_[node.items[i]].kind == PickleKind::tensor) return true;
    }
    return false;
  }

  const PickleNode* member(const PickleNode& dict, std::string_view name) const {
    for (size_t i = 0; i < dict.items.size(); i += 2) {
      const PickleNode& key = pickle_[dict.items[i]];
      if (key.kind == PickleKind::text && key.text == name) return &pickle_[dict.items[i + 1]];
    }
    return nullptr;
  }

  const PickleNode& findStateDict() const {
    const PickleNode& root = pickle_[pickle_.root];
    if (root.kind == PickleKind::opaque) refuseCall(root, "the saved object");
    if (root.kind == PickleKind::dict) {
      for (const char* name : kWrappers) {
        const PickleNode* inner = member(root, name);
        if (inner != nullptr && holdsTensors(*inner)) return *inner;
      }
      if (holdsTensors(root)) return root;
      for (const char* name : kWrappers) {
        const PickleNode* inner = member(root, name);
        if (inner != nullptr && inner->kind == PickleKind::opaque) refuseCall(*inner, concat("'", name, "'"));
      }
      // All of its tensors may be hidden behind calls: the reader's loop then names the first.
      for (size_t i = 1; i < root.items.size(); i += 2) {
        if (pickle_[root.items[i]].kind == PickleKind::opaque) return root;
      }
    }
    fail("HD_PTH_UNSUPPORTED", "a dict of tensors, there or under 'state_dict', 'model' or 'ema_state_dict',",
         "the saved object", "something else", root.offset);
  }

  int64_t integer(PickleRef ref, const std::string& subject, size_t offset) const {
    const PickleNode& node = pickle_[ref];
    if (node.kind != PickleKind::integer || node.integer < 0) {
      corrupt("whole numbers from 0 in size, stride and offset", subject, "another value", offset);
    }
    return node.integer;
  }

  std::vector<int64_t> integers(PickleRef ref, const std::string& subject, size_t offset) const {
    const PickleNode& node = pickle_[ref];
    if ((node.kind != PickleKind::tuple && node.kind != PickleKind::list) ||
        node.items.size() > kMaxDimensions) {
      corrupt("a size and a stride of at most 64 numbers", subject, "another value", offset);
    }
    std::vector<int64_t> out;
    for (const PickleRef item : node.items) out.push_back(integer(item, subject, offset));
    return out;
  }

  TensorView readTensor(std::string_view name, const PickleNode& node) {
    const std::string subject = concat("tensor '", name.substr(0, 200), "'");
    const PickleNode& storageNode = pickle_[node.items[0]];
    if (storageNode.kind == PickleKind::opaque) refuseCall(storageNode, subject);
    if (storageNode.kind != PickleKind::storage) corrupt("a storage", subject, "another value", node.offset);
    const StorageRecord storage = storageOf(pickle_, node.items[0], path_);
    if (!storage.dtype) {
      fail("HD_PTH_UNSUPPORTED", "a real number type", subject, std::string(storage.type.substr(0, 200)),
           node.offset, "convert it to float32 before saving");
    }
    TensorView view;
    view.name = name;
    view.dtype = *storage.dtype;
    const int64_t offset = integer(node.items[1], subject, node.offset);
    view.shape = integers(node.items[2], subject, node.offset);
    const std::vector<int64_t> strides = integers(node.items[3], subject, node.offset);
    if (strides.size() != view.shape.size())
      corrupt("as many strides as sizes", subject, "others", node.offset);
    const auto bytes = byteCount(view.shape, view.dtype);
    if (!bytes) corrupt("a size that fits 63 bits", subject, "a larger one", node.offset);
    view.bytes = *bytes;

    const std::span<const uint8_t> data = source_(storage);
    if (data.size() != storage.count * storage.elementSize) {
      corrupt(
          concat(storage.count * storage.elementSize, " bytes in storage '", storage.key.substr(0, 40), "'"),
          subject, concat(data.size(), " bytes"), node.offset);
    }
    if (!reaches(offset, view.shape, strides, storage.count)) {
      corrupt(concat("elements within the ", storage.count, " of its storage"), subject, "others beyond",
              node.offset);
    }
    // The offset of a tensor without elements may lie anywhere.
    const uint8_t* start =
        data.data() + (view.bytes == 0 ? 0 : static_cast<size_t>(offset) * storage.elementSize);
    if (view.bytes == 0 || isContiguous(view.shape, strides)) {
      view.data = memory_->aligned(start, view.bytes, view.dtype);
    } else {
      view.data = gather(start, view, strides, subject, node.offset);
    }
    return view;
  }

  /// Whether the last element lies in the storage (tensors without elements reach nothing).
  static bool reaches(int64_t offset, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                      size_t count) {
    int64_t last = offset;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 0) return true;
      int64_t step = 0;
      if (__builtin_mul_overflow(shape[i] - 1, strides[i], &step) ||
          __builtin_add_overflow(last, step, &last)) {
        return false;
      }
    }
    return static_cast<uint64_t>(last) < count;
  }

  static bool isContiguous(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
    int64_t expected = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      if (shape[i] != 1 && strides[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }

  const uint8_t* gather(const uint8_t* start, const TensorView& view, const std::vector<int64_t>& strides,
                        const std::string& subject, size_t offset) {
    // A stride of 0 makes any size of one element; without a bound a small file could ask for all memory.
    if (view.bytes > copyBudget_) {
      fail("HD_PTH_UNSUPPORTED", "strided tensors of no more than the file's size", subject,
           concat(view.bytes, " bytes more"), offset, "save contiguous tensors");
    }
    copyBudget_ -= view.bytes;
    uint8_t* const out = memory_->allocate(view.bytes);
    const size_t element = sizeOf(view.dtype);
    std::vector<int64_t> index(view.shape.size(), 0);
    int64_t from = 0;  // in elements
    for (size_t to = 0; to < view.bytes; to += element) {
      std::memcpy(out + to, start + static_cast<size_t>(from) * element, element);
      for (size_t axis = view.shape.size(); axis-- > 0;) {
        from += strides[axis];
        if (++index[axis] < view.shape[axis]) break;
        from -= strides[axis] * view.shape[axis];
        index[axis] = 0;
      }
    }
    return out;
  }

  const Pickle& pickle_;
  const StorageSource& source_;
  std::shared_ptr<TensorMemory> memory_;
  size_t copyBudget_;
  const std::string& path_;
};

}  // namespace

StorageRecord storageOf(const Pickle& pickle, PickleRef storage, const std::string& path) {
  const std::vector<PickleRef>& id = pickle[storage].items;
  StorageRecord record;
  record.type = pickle[id[1]].text;
  record.key = pickle[id[2]].text;
  const int64_t count = pickle[id[4]].integer;
  for (const StorageType& type : kStorageTypes) {
    if (record.type == type.name) {
      record.dtype = type.dtype;
      record.elementSize = type.elementSize;
    }
  }
  int64_t bytes = 0;
  if (count < 0 || __builtin_mul_overflow(count, static_cast<int64_t>(record.elementSize), &bytes)) {
    throw Error("HD_PTH_CORRUPT",
                concat("expected a size of storage '", record.key.substr(0, 40), "' of '", path, "' (byte ",
                       pickle[storage].offset, ") from 0 to 2^63 but received ", count,
                       " elements: the file is damaged; copy or download it again"),
                path);
  }
  record.count = static_cast<size_t>(count);
  return record;
}

TensorFile readStateDict(const Pickle& pickle, const StorageSource& source, std::shared_ptr<const void> owner,
                         size_t fileSize, const std::string& path) {
  return StateDictReader(pickle, source, std::move(owner), fileSize, path).read();
}

}  // namespace hd::io
