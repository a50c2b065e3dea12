#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/value.h"
#include "io/atomic_file.h"
#include "io/content_check.h"
#include "io/tensor_memory.h"
#include "io/whole_file.h"

static_assert(std::endian::native == std::endian::little, "tensors are mapped as they stand in the file");

namespace hd::io {
namespace {

constexpr size_t kMaxHeader = 100'000'000;  // of the reference implementation
constexpr size_t kMaxHeaderValues = size_t{1} << 21;
constexpr size_t kMaxDimensions = 64;
const char* const kMetadata = "__metadata__";

struct DTypeInfo {
  const char* name;
  size_t size;
};

constexpr DTypeInfo kDTypes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                 {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};

// Valid in the format, but nothing that hdtrain trains with.
const char* const kForeignDTypes[] = {"U16",     "U32",     "U64", "C64",     "F8_E4M3",
                                      "F8_E5M2", "F8_E8M0", "F4",  "F6_E2M3", "F6_E3M2"};

/// Reads one image; its members are what the messages need.
class Reader {
 public:
  Reader(const uint8_t* data, size_t size, const std::string& path) : data_(data), size_(size), path_(path) {}

  TensorFile read(std::shared_ptr<const void> owner) {
    const Value header = readHeader();
    TensorFile file;
    for (const auto& [name, entry] : header.asObject()) {
      if (name == kMetadata) {
        readMetadata(entry, file.metadata);
      } else {
        file.tensors.push_back(readEntry(name, entry));
      }
    }
    refuseOverlapsAndHoles(file.tensors);
    auto memory = std::make_shared<TensorMemory>(std::move(owner));
    for (TensorView& tensor : file.tensors)
      tensor.data = memory->aligned(tensor.data, tensor.bytes, tensor.dtype);
    file.owner = std::move(memory);
    const auto content = file.metadata.find(kContentKey);
    if (content != file.metadata.end() && content->second != contentOf(file.tensors))
      refuse("the numbers that were written", "the tensors", "others (the checksum differs)");
    return file;
  }

 private:
  template <class Received>
  [[noreturn]] void refuse(const std::string& expected, const std::string& subject,
                           const Received& received) const {
    throw Error("HD_CKPT_CORRUPT",
                concat("expected ", expected, " for ", subject, " of '", path_, "' but received ", received,
                       ": the file is damaged or incomplete; copy or download it again"),
                path_);
  }

  static std::string tensor(const std::string& name) { return concat("tensor '", name.substr(0, 200), "'"); }

  Value readHeader() {
    if (size_ < 8) refuse("at least 8 bytes", "the header length", concat(size_, " bytes"));
    uint64_t length = 0;
    std::memcpy(&length, data_, 8);
    if (length > kMaxHeader) refuse("at most 100 MB", "the header length", concat(length, " bytes"));
    if (length > size_ - 8) {
      refuse(concat("at most the ", size_ - 8, " bytes that follow"), "the header length",
             concat(length, " bytes"));
    }
    body_ = data_ + 8 + length;
    bodySize_ = size_ - 8 - static_cast<size_t>(length);
    const std::string_view text(reinterpret_cast<const char*>(data_) + 8, static_cast<size_t>(length));
    if (text.empty() || text.front() != '{') refuse("'{'", "the first byte of the header", "something else");
    try {
      return parseJson(text, kMaxHeaderValues);
    } catch (const Error& error) {
      refuse("strict JSON", "the header", concat("a mistake (", error.what(), ")"));
    }
  }

  void readMetadata(const Value& entry, std::map<std::string, std::string>& out) const {
    if (!entry.isObject()) refuse("an object of strings", kMetadata, "another value");
    for (const auto& [key, text] : entry.asObject()) {
      if (!text.isString())
        refuse("a string", concat(kMetadata, " '", key.substr(0, 200), "'"), printJson(text).substr(0, 40));
      out[key] = text.asString();
    }
  }

  const Value& member(const std::string& name, const Value& entry, const char* key) const {
    const Value* value = entry.find(key);
    if (value == nullptr) refuse(concat("a member '", key, "'"), tensor(name), "none");
    return *value;
  }

  /// A whole number from 0 to 2^53.
  int64_t count(const std::string& name, const Value& value, const char* what) const {
    constexpr double kExact = 9007199254740992.0;
    const double number = value.isNumber() ? value.asNumber() : -1;
    if (!(number >= 0 && number <= kExact) || number != static_cast<double>(static_cast<int64_t>(number))) {
      refuse(concat("whole numbers from 0 in ", what), tensor(name), printJson(value).substr(0, 40));
    }
    return static_cast<int64_t>(number);
  }

  DType dtypeOf(const std::string& name, const Value& value) const {
    if (!value.isString()) refuse("a string in dtype", tensor(name), printJson(value).substr(0, 40));
    const std::string& text = value.asString();
    for (size_t i = 0; i < std::size(kDTypes); ++i) {
      if (text == kDTypes[i].name) return static_cast<DType>(i);
    }
    if (std::find(std::begin(kForeignDTypes), std::end(kForeignDTypes), text) != std::end(kForeignDTypes)) {
      throw Error("HD_CKPT_UNSUPPORTED",
                  concat("expected a floating-point, signed, U8 or BOOL type for ", tensor(name), " of '",
                         path_, "' but received ", text, ": convert the tensor to F32 first"),
                  path_);
    }
    refuse("a known dtype", tensor(name), concat("'", text.substr(0, 40), "'"));
  }

  TensorView readEntry(const std::string& name, const Value& entry) const {
    if (!entry.isObject()) refuse("an object", tensor(name), printJson(entry).substr(0, 40));
    TensorView view;
    view.name = name;
    view.dtype = dtypeOf(name, member(name, entry, "dtype"));
    const Value& shape = member(name, entry, "shape");
    if (!shape.isArray()) refuse("a list in shape", tensor(name), "another value");
    if (shape.asArray().size() > kMaxDimensions) {
      refuse("at most 64 dimensions", tensor(name), shape.asArray().size());
    }
    for (const Value& extent : shape.asArray()) view.shape.push_back(count(name, extent, "shape"));

    const Value& offsets = member(name, entry, "data_offsets");
    if (!offsets.isArray() || offsets.asArray().size() != 2)
      refuse("two data_offsets", tensor(name), "another value");
    const auto begin = static_cast<uint64_t>(count(name, offsets.asArray()[0], "data_offsets"));
    const auto end = static_cast<uint64_t>(count(name, offsets.asArray()[1], "data_offsets"));
    if (begin > end || end > bodySize_) {
      refuse(concat("data_offsets in order and within ", bodySize_, " bytes of data"), tensor(name),
             concat("[", begin, ",", end, "]"));
    }
    view.data = body_ + begin;
    view.bytes = static_cast<size_t>(end - begin);
    const auto needed = byteCount(view.shape, view.dtype);
    if (!needed) refuse("a size that fits 63 bits", tensor(name), "a larger shape");
    if (*needed != view.bytes) {
      refuse(concat(*needed, " bytes of ", nameOf(view.dtype), " data"), tensor(name),
             concat(view.bytes, " bytes"));
    }
    return view;
  }

  /// Sorts by place; afterwards the tensors tile the data without gaps (empty ones stand anywhere between).
  void refuseOverlapsAndHoles(std::vector<TensorView>& tensors) const {
    std::stable_sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
      return a.data != b.data ? a.data < b.data : a.bytes < b.bytes;
    });
    const uint8_t* at = body_;
    for (const TensorView& view : tensors) {
      if (view.data < at) {
        refuse("data of its own", tensor(view.name),
               concat("an overlap of ", at - view.data, " bytes with another"));
      }
      if (view.data > at) {
        refuse("data right behind the tensor before", tensor(view.name),
               concat("a hole of ", view.data - at, " bytes"));
      }
      at += view.bytes;
    }
    const auto trailing = static_cast<size_t>(body_ + bodySize_ - at);
    if (trailing > 0) {
      refuse("the end of the file",
             tensors.empty() ? "the header" : concat("the end of ", tensor(tensors.back().name)),
             concat(trailing, " more bytes"));
    }
  }

  const uint8_t* data_;
  size_t size_;
  const std::string& path_;
  const uint8_t* body_ = nullptr;
  size_t bodySize_ = 0;
};

std::string headerOf(const std::vector<TensorView>& tensors,
                     const std::map<std::string, std::string>& metadata) {
  Value::Object header;
  if (!metadata.empty()) {
    Value::Object texts;
    for (const auto& [key, text] : metadata) texts.emplace_back(key, text);
    header.emplace_back(kMetadata, std::move(texts));
  }
  std::set<std::string_view> names{kMetadata};
  uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    require(names.insert(tensor.name).second, "two tensors to write are called '", tensor.name, "'");
    require(byteCount(tensor.shape, tensor.dtype) == tensor.bytes, "tensor '", tensor.name,
            "' to write has bytes that do not fit its shape");
    Value::Array shape(tensor.shape.begin(), tensor.shape.end());
    Value entry;
    entry.set("dtype", nameOf(tensor.dtype)).set("shape", std::move(shape));
    entry.set("data_offsets", Value::Array{offset, offset + tensor.bytes});
    header.emplace_back(tensor.name, std::move(entry));
    offset += tensor.bytes;
  }
  std::string text = printJson(std::move(header));
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data starts at a multiple of eight
  require(text.size() <= kMaxHeader, "a safetensors header beyond 100 MB");
  return text;
}

}  // namespace

size_t sizeOf(DType type) {
  return kDTypes[static_cast<size_t>(type)].size;
}

const char* nameOf(DType type) {
  return kDTypes[static_cast<size_t>(type)].name;
}

std::optional<size_t> byteCount(const std::vector<int64_t>& shape, DType type) {
  int64_t bytes = static_cast<int64_t>(sizeOf(type));
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return static_cast<size_t>(bytes);
}

const TensorView* TensorFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const TensorView& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

TensorFile parseSafetensors(const uint8_t* data, size_t size, std::shared_ptr<const void> owner,
                            const std::string& path) {
  return Reader(data, size, path).read(std::move(owner));
}

TensorFile readSafetensors(const std::string& path) {
  FileImage image = readWholeFile(path);
  return parseSafetensors(image.data, image.size, std::move(image.owner), path);
}

void writeSafetensors(const std::string& path, const std::vector<TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::string header = headerOf(tensors, metadata);
  const uint64_t length = header.size();
  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(header);
  for (const TensorView& tensor : tensors) file.write(tensor.data, tensor.bytes);
  file.commit();
}

}  // namespace hd::io
