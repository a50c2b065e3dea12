#include "io/pickle.h"

#include <bit>
#include <cstring>

#include "core/error.h"
#include "io/pickle_builder.h"

namespace hd::io {
namespace {

/// By the names of CPython's pickletools. Opcodes of protocols 0 and 1 that protocol 2 no longer writes,
/// extension registries and out-of-band buffers are left out.
// clang-format off
enum Opcode : uint8_t {
  MARK = '(', STOP = '.', POP = '0', POP_MARK = '1', DUP = '2', BINFLOAT = 'G', BININT = 'J', BININT1 = 'K',
  BININT2 = 'M', NONE = 'N', BINPERSID = 'Q', REDUCE = 'R', BINSTRING = 'T', SHORT_BINSTRING = 'U', BINUNICODE = 'X',
  EMPTY_LIST = ']', APPEND = 'a', BUILD = 'b', GLOBAL = 'c', DICT = 'd', APPENDS = 'e', BINGET = 'h',
  LONG_BINGET = 'j', LIST = 'l', OBJ = 'o', BINPUT = 'q', LONG_BINPUT = 'r', SETITEM = 's', TUPLE = 't',
  SETITEMS = 'u', EMPTY_DICT = '}', EMPTY_TUPLE = ')', BINBYTES = 'B', SHORT_BINBYTES = 'C',
  PROTO = 0x80, NEWOBJ = 0x81, TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87, NEWTRUE = 0x88, NEWFALSE = 0x89,
  LONG1 = 0x8a, LONG4 = 0x8b, SHORT_BINUNICODE = 0x8c, BINUNICODE8 = 0x8d, BINBYTES8 = 0x8e, EMPTY_SET = 0x8f,
  ADDITEMS = 0x90, FROZENSET = 0x91, NEWOBJ_EX = 0x92, STACK_GLOBAL = 0x93, MEMOIZE = 0x94, FRAME = 0x95,
  BYTEARRAY8 = 0x96
};
// clang-format on

/// Reads opcodes and their arguments; the builder does the rest. Each group of opcodes returns whether it
/// knew one.
class Walker {
 public:
  Walker(std::span<const uint8_t> stream, const std::string& path, size_t origin)
      : stream_(stream), path_(path), origin_(origin), builder_(path, stream.size()) {}

  Pickle run() {
    if (number<uint8_t>() != PROTO || number<uint8_t>() < 2) unsupported("a pickle of protocol 0 or 1");
    while (true) {
      opcodeAt_ = origin_ + at_;
      builder_.startOpcode(opcodeAt_);
      const auto opcode = number<uint8_t>();
      if (opcode == STOP) return builder_.finish(at_);
      if (!readNumber(opcode) && !readText(opcode) && !readContainer(opcode) && !readStack(opcode) &&
          !readObject(opcode)) {
        unsupported(concat("opcode ", int{opcode}));
      }
    }
  }

 private:
  [[noreturn]] void cutOff() const {
    throw Error(
        "HD_PTH_CORRUPT",
        concat("expected a whole pickle in '", path_, "' but received its end inside the opcode at byte ",
               opcodeAt_, ": the file is damaged or incomplete; copy or download it again"),
        path_);
  }

  [[noreturn]] void unsupported(const std::string& received) const {
    throw Error(
        "HD_PTH_UNSUPPORTED",
        concat("expected pickle protocol 2 to 5 as torch.save writes it at byte ", opcodeAt_, " of '", path_,
               "' but received ", received, ": save the state_dict alone with a current torch"),
        path_);
  }

  std::string_view take(uint64_t size) {
    if (size > stream_.size() - at_) cutOff();
    const std::string_view text(reinterpret_cast<const char*>(stream_.data()) + at_,
                                static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return text;
  }

  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(stream_.data()) + at_, stream_.size() - at_);
    const size_t length = rest.find('\n');
    if (length == std::string_view::npos) cutOff();
    at_ += length + 1;
    return rest.substr(0, length);
  }

  /// Two's complement, little-endian, of any length.
  void pushLong(std::string_view digits) {
    if (digits.size() > 8) return builder_.pushText(PickleKind::longInteger, digits);
    uint64_t value = !digits.empty() && (digits.back() & 0x80) != 0 ? ~uint64_t{0} : 0;  // sign extension
    for (size_t i = digits.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(digits[i]);
    builder_.pushInteger(static_cast<int64_t>(value));
  }

  /// Big-endian, unlike every other number.
  double readReal() {
    uint64_t bits = 0;
    for (const char byte : take(8)) bits = bits << 8 | static_cast<uint8_t>(byte);
    return std::bit_cast<double>(bits);
  }

  // One line an opcode.
  // clang-format off
  bool readNumber(uint8_t opcode) {
    switch (opcode) {
      case NONE: builder_.pushNone(); break;
      case NEWTRUE: builder_.pushBoolean(true); break;
      case NEWFALSE: builder_.pushBoolean(false); break;
      case BININT: builder_.pushInteger(number<int32_t>()); break;
      case BININT1: builder_.pushInteger(number<uint8_t>()); break;
      case BININT2: builder_.pushInteger(number<uint16_t>()); break;
      case LONG1: pushLong(take(number<uint8_t>())); break;
      case LONG4: pushLong(take(number<uint32_t>())); break;
      case BINFLOAT: builder_.pushReal(readReal()); break;
      default: return false;
    }
    return true;
  }

  bool readText(uint8_t opcode) {
    switch (opcode) {
      case SHORT_BINSTRING:  // Python 2 wrote its strings so; names of tensors are ASCII in either
      case SHORT_BINUNICODE: builder_.pushText(PickleKind::text, take(number<uint8_t>())); break;
      case BINSTRING:
      case BINUNICODE: builder_.pushText(PickleKind::text, take(number<uint32_t>())); break;
      case BINUNICODE8: builder_.pushText(PickleKind::text, take(number<uint64_t>())); break;
      case SHORT_BINBYTES: builder_.pushText(PickleKind::bytes, take(number<uint8_t>())); break;
      case BINBYTES: builder_.pushText(PickleKind::bytes, take(number<uint32_t>())); break;
      case BINBYTES8:
      case BYTEARRAY8: builder_.pushText(PickleKind::bytes, take(number<uint64_t>())); break;
      default: return false;
    }
    return true;
  }

  bool readContainer(uint8_t opcode) {
    switch (opcode) {
      case EMPTY_TUPLE: builder_.pushEmpty(PickleKind::tuple); break;
      case TUPLE1: builder_.pushTupleOf(1); break;
      case TUPLE2: builder_.pushTupleOf(2); break;
      case TUPLE3: builder_.pushTupleOf(3); break;
      case TUPLE:
      case FROZENSET: builder_.pushMarked(PickleKind::tuple); break;
      case EMPTY_LIST:
      case EMPTY_SET: builder_.pushEmpty(PickleKind::list); break;
      case LIST: builder_.pushMarked(PickleKind::list); break;
      case EMPTY_DICT: builder_.pushEmpty(PickleKind::dict); break;
      case DICT: builder_.pushMarked(PickleKind::dict); break;
      case APPEND: builder_.insertTop(PickleKind::list); break;
      case APPENDS:
      case ADDITEMS: builder_.insertMarked(PickleKind::list); break;
      case SETITEM: builder_.insertTop(PickleKind::dict); break;
      case SETITEMS: builder_.insertMarked(PickleKind::dict); break;
      default: return false;
    }
    return true;
  }

  bool readStack(uint8_t opcode) {
    switch (opcode) {
      case MARK: builder_.mark(); break;
      case POP: builder_.pop(); break;
      case POP_MARK: builder_.popToMark(); break;
      case DUP: builder_.duplicate(); break;
      case BINGET: builder_.get(number<uint8_t>()); break;
      case LONG_BINGET: builder_.get(number<uint32_t>()); break;
      case BINPUT: builder_.put(number<uint8_t>()); break;
      case LONG_BINPUT: builder_.put(number<uint32_t>()); break;
      case MEMOIZE: builder_.memoize(); break;
      case PROTO: take(1); break;
      case FRAME: take(8); break;  // a hint for buffering
      default: return false;
    }
    return true;
  }

  bool readObject(uint8_t opcode) {
    switch (opcode) {
      case GLOBAL: readGlobal(); break;
      case STACK_GLOBAL: builder_.pushGlobalFromStack(); break;
      case REDUCE:
      case NEWOBJ: builder_.call(); break;
      case NEWOBJ_EX: builder_.callOpaque(3); break;
      case OBJ: builder_.callMarked(); break;
      case BUILD: builder_.setState(); break;
      case BINPERSID: builder_.resolvePersistent(); break;
      default: return false;
    }
    return true;
  }

  // clang-format on

  void readGlobal() {
    const std::string_view module = line();
    builder_.pushGlobal(module, line());
  }

  std::span<const uint8_t> stream_;
  const std::string& path_;
  size_t origin_, at_ = 0, opcodeAt_ = 0;
  PickleBuilder builder_;
};

}  // namespace

Pickle readPickle(std::span<const uint8_t> stream, const std::string& path, size_t origin) {
  return Walker(stream, path, origin).run();
}

}  // namespace hd::io
