#include "io/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.h"

namespace hd::io {
namespace {

constexpr size_t kMaxNodes = size_t{1} << 21;
constexpr size_t kMaxNameBytes = size_t{1} << 24;
constexpr PickleRef kMark = 0xFFFFFFFFu;     // on the stack
constexpr PickleRef kNothing = 0xFFFFFFFFu;  // in the memo

// Nodes that every pickle shares, because they are immutable and frequent.
constexpr PickleRef kNone = 0, kFalse = 1, kTrue = 2, kEmptyTuple = 3;

/// Opcodes by the names of CPython's pickletools.
enum Opcode : uint8_t {
  MARK = '(',
  STOP = '.',
  POP = '0',
  POP_MARK = '1',
  DUP = '2',
  BINFLOAT = 'G',
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  NONE = 'N',
  BINPERSID = 'Q',
  REDUCE = 'R',
  BINSTRING = 'T',
  SHORT_BINSTRING = 'U',
  BINUNICODE = 'X',
  APPEND = 'a',
  BUILD = 'b',
  GLOBAL = 'c',
  DICT = 'd',
  EMPTY_DICT = '}',
  APPENDS = 'e',
  BINGET = 'h',
  LONG_BINGET = 'j',
  LIST = 'l',
  EMPTY_LIST = ']',
  OBJ = 'o',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  SETITEM = 's',
  TUPLE = 't',
  EMPTY_TUPLE = ')',
  SETITEMS = 'u',
  BINBYTES = 'B',
  SHORT_BINBYTES = 'C',
  PROTO = 0x80,
  NEWOBJ = 0x81,
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  LONG1 = 0x8a,
  LONG4 = 0x8b,
  SHORT_BINUNICODE = 0x8c,
  BINUNICODE8 = 0x8d,
  BINBYTES8 = 0x8e,
  EMPTY_SET = 0x8f,
  ADDITEMS = 0x90,
  FROZENSET = 0x91,
  NEWOBJ_EX = 0x92,
  STACK_GLOBAL = 0x93,
  MEMOIZE = 0x94,
  FRAME = 0x95,
  BYTEARRAY8 = 0x96
};

class Walker {
 public:
  Walker(std::span<const uint8_t> stream, const std::string& path, size_t origin)
      : stream_(stream), path_(path), origin_(origin) {
    for (const PickleKind kind :
         {PickleKind::none, PickleKind::boolean, PickleKind::boolean, PickleKind::tuple}) {
      make(kind);
    }
    node(kTrue).integer = 1;
  }

  Pickle run() {
    if (number<uint8_t>() != PROTO || number<uint8_t>() < 2)
      unsupported("pickle protocol 2 to 5", "an older protocol");
    while (true) {
      opcodeAt_ = at_;
      const auto opcode = number<uint8_t>();
      if (opcode == STOP) break;
      if (!buildAtom(opcode) && !buildContainer(opcode) && !manageStack(opcode) && !buildObject(opcode)) {
        unsupported("an opcode of torch.save", concat("opcode ", int{opcode}));
      }
    }
    out_.root = pop();
    if (!stack_.empty()) corrupt("a pickle that leaves one object");
    out_.bytes = at_;
    return std::move(out_);
  }

 private:
  [[noreturn]] void corrupt(const std::string& expected) const {
    throw Error(
        "HD_PTH_CORRUPT",
        concat("expected ", expected, " at byte ", origin_ + opcodeAt_, " of '", path_,
               "' but received something else: the file is damaged or incomplete; copy or download it again"),
        path_);
  }

  [[noreturn]] void unsupported(const char* expected, const std::string& received) const {
    throw Error("HD_PTH_UNSUPPORTED",
                concat("expected ", expected, " at byte ", origin_ + opcodeAt_, " of '", path_,
                       "' but received ", received, ": save the state_dict alone with a current torch.save"),
                path_);
  }

  // Reading the stream.

  std::string_view take(uint64_t size) {
    if (size > stream_.size() - at_) corrupt("more of the pickle");
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
    const void* end = std::memchr(stream_.data() + at_, '\n', stream_.size() - at_);
    if (end == nullptr) corrupt("the end of a name");
    const std::string_view text =
        take(static_cast<size_t>(static_cast<const uint8_t*>(end) - (stream_.data() + at_)));
    ++at_;
    return text;
  }

  // Nodes and stack.

  PickleNode& node(PickleRef ref) { return out_.nodes[ref]; }

  PickleRef make(PickleKind kind, std::string_view text = {}) {
    if (out_.nodes.size() >= kMaxNodes) unsupported("at most 2 million objects", "more");
    PickleNode& made = out_.nodes.emplace_back();
    made.kind = kind;
    made.text = text;
    made.offset = origin_ + opcodeAt_;
    return static_cast<PickleRef>(out_.nodes.size() - 1);
  }

  void push(PickleRef ref) { stack_.push_back(ref); }
  void pushInteger(int64_t value) {
    push(make(PickleKind::integer));
    node(stack_.back()).integer = value;
  }

  PickleRef pop() {
    if (stack_.empty() || stack_.back() == kMark) corrupt("an object on the pickle's stack");
    const PickleRef ref = stack_.back();
    stack_.pop_back();
    return ref;
  }

  PickleRef top() const {
    if (stack_.empty() || stack_.back() == kMark) corrupt("an object on the pickle's stack");
    return stack_.back();
  }

  std::vector<PickleRef> popToMark() {
    if (marks_.empty()) corrupt("a mark on the pickle's stack");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleRef> items(first + 1, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  std::vector<PickleRef> popCount(size_t count) {
    std::vector<PickleRef> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  void pushItems(PickleKind kind, std::vector<PickleRef> items) {
    push(make(kind));
    node(stack_.back()).items = std::move(items);
  }

  // Opcodes.

  void pushLong(std::string_view digits) {
    if (digits.size() > 8) {
      push(make(PickleKind::longInteger, digits));
      return;
    }
    uint64_t value = !digits.empty() && (digits.back() & 0x80) != 0 ? ~uint64_t{0} : 0;  // sign extension
    for (size_t i = digits.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(digits[i]);
    pushInteger(static_cast<int64_t>(value));
  }

  void pushReal() {
    uint64_t bits = 0;  // big-endian, unlike every other number
    for (const char byte : take(8)) bits = bits << 8 | static_cast<uint8_t>(byte);
    push(make(PickleKind::real));
    node(stack_.back()).real = std::bit_cast<double>(bits);
  }

  bool buildAtom(uint8_t opcode) {
    switch (opcode) {
      case NONE:
        push(kNone);
        return true;
      case NEWTRUE:
        push(kTrue);
        return true;
      case NEWFALSE:
        push(kFalse);
        return true;
      case BININT:
        pushInteger(number<int32_t>());
        return true;
      case BININT1:
        pushInteger(number<uint8_t>());
        return true;
      case BININT2:
        pushInteger(number<uint16_t>());
        return true;
      case LONG1:
        pushLong(take(number<uint8_t>()));
        return true;
      case LONG4:
        pushLong(take(number<uint32_t>()));
        return true;
      case BINFLOAT:
        pushReal();
        return true;
      // Python 2 wrote its strings so; names of tensors are ASCII in either.
      case SHORT_BINSTRING:
      case SHORT_BINUNICODE:
        push(make(PickleKind::text, take(number<uint8_t>())));
        return true;
      case BINSTRING:
      case BINUNICODE:
        push(make(PickleKind::text, take(number<uint32_t>())));
        return true;
      case BINUNICODE8:
        push(make(PickleKind::text, take(number<uint64_t>())));
        return true;
      case SHORT_BINBYTES:
        push(make(PickleKind::bytes, take(number<uint8_t>())));
        return true;
      case BINBYTES:
        push(make(PickleKind::bytes, take(number<uint32_t>())));
        return true;
      case BINBYTES8:
      case BYTEARRAY8:
        push(make(PickleKind::bytes, take(number<uint64_t>())));
        return true;
      default:
        return false;
    }
  }

  bool buildContainer(uint8_t opcode) {
    switch (opcode) {
      case EMPTY_TUPLE:
        push(kEmptyTuple);
        return true;
      case TUPLE1:
        pushItems(PickleKind::tuple, popCount(1));
        return true;
      case TUPLE2:
        pushItems(PickleKind::tuple, popCount(2));
        return true;
      case TUPLE3:
        pushItems(PickleKind::tuple, popCount(3));
        return true;
      case TUPLE:
      case FROZENSET:
        pushItems(PickleKind::tuple, popToMark());
        return true;
      case EMPTY_LIST:
      case EMPTY_SET:
        push(make(PickleKind::list));
        return true;
      case LIST:
        pushItems(PickleKind::list, popToMark());
        return true;
      case EMPTY_DICT:
        push(make(PickleKind::dict));
        return true;
      case DICT:
        push(make(PickleKind::dict));
        insert(popBelowTop(), 2);
        return true;
      case APPEND:
        insert(popCount(1), 1);
        return true;
      case APPENDS:
      case ADDITEMS:
        insert(popToMark(), 1);
        return true;
      case SETITEM:
        insert(popCount(2), 2);
        return true;
      case SETITEMS:
        insert(popToMark(), 2);
        return true;
      default:
        return false;
    }
  }

  /// The items of a DICT, whose node was pushed above them.
  std::vector<PickleRef> popBelowTop() {
    const PickleRef made = pop();
    std::vector<PickleRef> items = popToMark();
    push(made);
    return items;
  }

  /// Adds to the list (`stride` 1) or dict (2) on top of the stack; items of an opaque object are of no use.
  void insert(const std::vector<PickleRef>& items, size_t stride) {
    PickleNode& target = node(top());
    if (target.kind == PickleKind::opaque) return;
    if (target.kind != (stride == 2 ? PickleKind::dict : PickleKind::list))
      corrupt("a list or dict to add to");
    if (items.size() % stride != 0) corrupt("keys and values in pairs");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  bool manageStack(uint8_t opcode) {
    switch (opcode) {
      case MARK:
        marks_.push_back(stack_.size());
        push(kMark);
        return true;
      case POP:
        if (!stack_.empty() && stack_.back() == kMark) {
          popToMark();
        } else {
          pop();
        }
        return true;
      case POP_MARK:
        popToMark();
        return true;
      case DUP:
        push(top());
        return true;
      case BINGET:
        get(number<uint8_t>());
        return true;
      case LONG_BINGET:
        get(number<uint32_t>());
        return true;
      case BINPUT:
        put(number<uint8_t>());
        return true;
      case LONG_BINPUT:
        put(number<uint32_t>());
        return true;
      case MEMOIZE:
        put(memoized_);
        return true;
      case PROTO:
        number<uint8_t>();
        return true;
      case FRAME:
        number<uint64_t>();
        return true;
      default:
        return false;
    }
  }

  void get(uint32_t index) {
    if (index >= memo_.size() || memo_[index] == kNothing) corrupt("a memo entry that was stored before");
    push(memo_[index]);
  }

  void put(uint32_t index) {
    // Picklers number their entries from 0, one for each object.
    if (index >= kMaxNodes) corrupt("a memo index below 2 million");
    if (index >= memo_.size()) memo_.resize(std::max<size_t>(index + 1, memo_.size() * 2), kNothing);
    memoized_ += memo_[index] == kNothing;
    memo_[index] = top();
  }

  bool buildObject(uint8_t opcode) {
    switch (opcode) {
      case GLOBAL: {
        const std::string_view module = line();
        pushGlobal(module, line());
        return true;
      }
      case STACK_GLOBAL: {
        const auto names = popCount(2);
        if (node(names[0]).kind != PickleKind::text || node(names[1]).kind != PickleKind::text)
          corrupt("two names");
        pushGlobal(node(names[0]).text, node(names[1]).text);
        return true;
      }
      case REDUCE:
      case NEWOBJ: {
        const auto call = popCount(2);
        push(reduce(call[0], call[1]));
        return true;
      }
      case NEWOBJ_EX:
        push(opaque(popCount(3)[0]));
        return true;
      case OBJ: {
        const auto call = popToMark();
        if (call.empty()) corrupt("a class to build");
        push(opaque(call[0]));
        return true;
      }
      case BUILD:
        build();
        return true;
      case BINPERSID:
        push(persistent(pop()));
        return true;
      default:
        return false;
    }
  }

  void pushGlobal(std::string_view module, std::string_view name) {
    if (module.size() > 1000 || name.size() > 1000) corrupt("a name of at most 1000 bytes");
    const auto [stored, added] = out_.names.insert(concat(module, ".", name));
    if (added) nameBytes_ += stored->size();
    if (nameBytes_ > kMaxNameBytes) unsupported("at most 16 MB of class names", "more");
    push(make(PickleKind::global, *stored));
  }

  PickleRef opaque(PickleRef callable) {
    const PickleNode& called = node(callable);
    const bool known = called.kind == PickleKind::global || called.kind == PickleKind::opaque;
    if (!known) corrupt("a callable or a class");
    return make(PickleKind::opaque, called.text);
  }

  /// What `callable(*arguments)` means, for the calls that mean something.
  PickleRef reduce(PickleRef callable, PickleRef arguments) {
    if (node(arguments).kind != PickleKind::tuple) corrupt("a tuple of arguments");
    const std::string_view name =
        node(callable).kind == PickleKind::global ? node(callable).text : std::string_view();
    const std::vector<PickleRef>& items = node(arguments).items;
    const auto first = [&](PickleKind kind) { return !items.empty() && node(items[0]).kind == kind; };
    if (name == "torch._utils._rebuild_tensor_v2" || name == "torch._utils._rebuild_tensor") {
      if (items.size() < 4) corrupt("four arguments of a tensor");
      const std::vector<PickleRef> four(items.begin(), items.begin() + 4);
      const PickleRef tensor = make(PickleKind::tensor);
      node(tensor).items = four;
      return tensor;
    }
    if (name == "torch._utils._rebuild_parameter" || name == "torch._utils._rebuild_parameter_with_state") {
      if (items.empty()) corrupt("a tensor to make a parameter of");
      return first(PickleKind::tensor) ? items[0] : opaque(callable);
    }
    if (name == "torch.Size" && first(PickleKind::tuple)) return items[0];
    if (name == "collections.OrderedDict" && (items.empty() || first(PickleKind::list))) {
      return orderedDict(arguments);
    }
    return opaque(callable);
  }

  /// OrderedDict() or, as Python 2 wrote it, OrderedDict([[key, value], …]).
  PickleRef orderedDict(PickleRef arguments) {
    const PickleRef dict = make(PickleKind::dict);
    if (node(arguments).items.empty()) return dict;
    std::vector<PickleRef> items;
    for (const PickleRef ref : node(node(arguments).items[0]).items) {
      const PickleNode& pair = node(ref);
      if ((pair.kind != PickleKind::list && pair.kind != PickleKind::tuple) || pair.items.size() != 2) {
        corrupt("pairs of key and value");
      }
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
    // One list may be named in many calls; honest streams spell out what they copy.
    copied_ += items.size();
    if (copied_ > stream_.size()) corrupt("a list of its own for each OrderedDict");
    node(dict).items = std::move(items);
    return dict;
  }

  /// State set on an object after its making: attributes of a dict (`_metadata`) do not concern its items,
  /// but a tensor whose class sets its own state is no longer the plain tensor that was rebuilt.
  void build() {
    pop();
    PickleNode& target = node(top());
    if (target.kind == PickleKind::dict || target.kind == PickleKind::opaque) return;
    if (target.kind != PickleKind::tensor) corrupt("an object with state");
    target.kind = PickleKind::opaque;
    target.text = "a tensor class with a state of its own";
    target.items.clear();
  }

  PickleRef persistent(PickleRef id) {
    const std::vector<PickleRef>& items = node(id).items;
    const bool isTuple =
        node(id).kind == PickleKind::tuple && !items.empty() && node(items[0]).kind == PickleKind::text;
    if (!isTuple || node(items[0]).text != "storage") return make(PickleKind::opaque, "a persistent object");
    if (items.size() < 5 || items.size() > 6 || node(items[1]).kind != PickleKind::global ||
        node(items[2]).kind != PickleKind::text || node(items[4]).kind != PickleKind::integer) {
      corrupt("('storage', type, key, location, numel)");
    }
    const PickleRef storage = make(PickleKind::storage);
    node(storage).items = node(id).items;
    return storage;
  }

  std::span<const uint8_t> stream_;
  const std::string& path_;
  size_t origin_, at_ = 0, opcodeAt_ = 0;
  Pickle out_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // places of the marks in the stack
  std::vector<PickleRef> memo_;
  uint32_t memoized_ = 0;
  size_t nameBytes_ = 0, copied_ = 0;
};

}  // namespace

Pickle readPickle(std::span<const uint8_t> stream, const std::string& path, size_t origin) {
  return Walker(stream, path, origin).run();
}

}  // namespace hd::io
