#include "io/pickle_builder.h"

#include <algorithm>

#include "core/error.h"

namespace hd::io {
namespace {

constexpr size_t kMaxNodes = size_t{1} << 21;
constexpr size_t kMaxNameBytes = size_t{1} << 24;
constexpr PickleRef kMark = 0xFFFFFFFFu;     // on the stack
constexpr PickleRef kNothing = 0xFFFFFFFFu;  // in the memo

// Nodes that every pickle shares, because they are immutable and frequent.
constexpr PickleRef kNone = 0, kFalse = 1, kTrue = 2, kEmptyTuple = 3;

}  // namespace

PickleBuilder::PickleBuilder(const std::string& path, size_t streamSize)
    : path_(path), streamSize_(streamSize) {
  for (const auto kind : {PickleKind::none, PickleKind::boolean, PickleKind::boolean, PickleKind::tuple})
    make(kind);
  node(kTrue).integer = 1;
}

void PickleBuilder::corrupt(const std::string& expected) const {
  throw Error(
      "HD_PTH_CORRUPT",
      concat("expected ", expected, " at byte ", offset_, " of '", path_,
             "' but received something else: the file is damaged or incomplete; copy or download it again"),
      path_);
}

void PickleBuilder::beyond(const char* limit) const {
  throw Error("HD_PTH_UNSUPPORTED",
              concat("expected at most ", limit, " in '", path_, "' but received more at byte ", offset_,
                     ": save the state_dict alone"),
              path_);
}

PickleRef PickleBuilder::make(PickleKind kind, std::string_view text) {
  if (out_.nodes.size() >= kMaxNodes) beyond("2 million objects");
  PickleNode& made = out_.nodes.emplace_back();
  made.kind = kind;
  made.text = text;
  made.offset = offset_;
  return static_cast<PickleRef>(out_.nodes.size() - 1);
}

// Values.

void PickleBuilder::pushNone() {
  stack_.push_back(kNone);
}

void PickleBuilder::pushBoolean(bool value) {
  stack_.push_back(value ? kTrue : kFalse);
}

void PickleBuilder::pushInteger(int64_t value) {
  const PickleRef made = make(PickleKind::integer);
  node(made).integer = value;
  stack_.push_back(made);
}

void PickleBuilder::pushReal(double value) {
  const PickleRef made = make(PickleKind::real);
  node(made).real = value;
  stack_.push_back(made);
}

void PickleBuilder::pushText(PickleKind kind, std::string_view text) {
  stack_.push_back(make(kind, text));
}

// Containers.

void PickleBuilder::pushEmpty(PickleKind kind) {
  stack_.push_back(kind == PickleKind::tuple ? kEmptyTuple : make(kind));
}

void PickleBuilder::pushTupleOf(size_t count) {
  std::vector<PickleRef> items = takeCount(count);
  const PickleRef made = make(PickleKind::tuple);
  node(made).items = std::move(items);
  stack_.push_back(made);
}

void PickleBuilder::pushMarked(PickleKind kind) {
  const std::vector<PickleRef> items = takeToMark();
  stack_.push_back(make(kind));
  insert(kind, items);
}

void PickleBuilder::insertTop(PickleKind kind) {
  insert(kind, takeCount(kind == PickleKind::dict ? 2 : 1));
}

void PickleBuilder::insertMarked(PickleKind kind) {
  insert(kind, takeToMark());
}

/// Adds to the container on top of the stack; items of an opaque object (a subclass) are of no use.
void PickleBuilder::insert(PickleKind kind, const std::vector<PickleRef>& items) {
  PickleNode& target = node(top());
  if (target.kind == PickleKind::opaque) return;
  if (target.kind != kind) corrupt("a list or dict to add to");
  if (kind == PickleKind::dict && items.size() % 2 != 0) corrupt("keys and values in pairs");
  target.items.insert(target.items.end(), items.begin(), items.end());
}

// Stack and memo.

void PickleBuilder::mark() {
  marks_.push_back(stack_.size());
  stack_.push_back(kMark);
}

PickleRef PickleBuilder::top() const {
  if (stack_.empty() || stack_.back() == kMark) corrupt("an object on the pickle's stack");
  return stack_.back();
}

PickleRef PickleBuilder::take() {
  const PickleRef ref = top();
  stack_.pop_back();
  return ref;
}

std::vector<PickleRef> PickleBuilder::takeCount(size_t count) {
  std::vector<PickleRef> items(count);
  for (size_t i = count; i-- > 0;) items[i] = take();
  return items;
}

std::vector<PickleRef> PickleBuilder::takeToMark() {
  if (marks_.empty()) corrupt("a mark on the pickle's stack");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleRef> items(first + 1, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleBuilder::pop() {
  if (!stack_.empty() && stack_.back() == kMark) {
    takeToMark();
  } else {
    take();
  }
}

void PickleBuilder::duplicate() {
  stack_.push_back(top());
}

void PickleBuilder::get(uint32_t index) {
  if (index >= memo_.size() || memo_[index] == kNothing) corrupt("a memo entry that was stored before");
  stack_.push_back(memo_[index]);
}

void PickleBuilder::put(uint32_t index) {
  // Picklers number their entries from 0, one for each object.
  if (index >= kMaxNodes) corrupt("a memo index below 2 million");
  if (index >= memo_.size()) memo_.resize(std::max<size_t>(index + 1, memo_.size() * 2), kNothing);
  memoized_ += memo_[index] == kNothing;
  memo_[index] = top();
}

// Classes and calls.

void PickleBuilder::pushGlobal(std::string_view module, std::string_view name) {
  if (module.size() > 1000 || name.size() > 1000) corrupt("a name of at most 1000 bytes");
  const auto [stored, added] = out_.names.insert(concat(module, ".", name));
  if (added) nameBytes_ += stored->size();
  if (nameBytes_ > kMaxNameBytes) beyond("16 MB of class names");
  stack_.push_back(make(PickleKind::global, *stored));
}

void PickleBuilder::pushGlobalFromStack() {
  const PickleRef name = take(), module = take();
  if (node(module).kind != PickleKind::text || node(name).kind != PickleKind::text) corrupt("two names");
  pushGlobal(node(module).text, node(name).text);
}

void PickleBuilder::call() {
  const PickleRef arguments = take(), callable = take();
  stack_.push_back(meaningOf(callable, arguments));
}

void PickleBuilder::callOpaque(size_t operands) {
  stack_.push_back(opaque(takeCount(operands).front()));
}

void PickleBuilder::callMarked() {
  const std::vector<PickleRef> operands = takeToMark();
  if (operands.empty()) corrupt("a class to build");
  stack_.push_back(opaque(operands.front()));
}

PickleRef PickleBuilder::opaque(PickleRef callable) {
  const PickleNode& called = node(callable);
  if (called.kind != PickleKind::global && called.kind != PickleKind::opaque)
    corrupt("a callable or a class");
  return make(PickleKind::opaque, called.text);
}

PickleRef PickleBuilder::meaningOf(PickleRef callable, PickleRef arguments) {
  if (node(arguments).kind != PickleKind::tuple) corrupt("a tuple of arguments");
  const std::string_view name = node(callable).kind == PickleKind::global ? node(callable).text : "";
  const std::vector<PickleRef>& items = node(arguments).items;  // until the next make()
  const auto startsWith = [&](PickleKind kind) { return !items.empty() && node(items[0]).kind == kind; };
  if (name == "torch._utils._rebuild_tensor_v2" || name == "torch._utils._rebuild_tensor") {
    if (items.size() < 4) corrupt("four arguments of a tensor");
    std::vector<PickleRef> four(items.begin(), items.begin() + 4);
    const PickleRef tensor = make(PickleKind::tensor);
    node(tensor).items = std::move(four);
    return tensor;
  }
  const bool parameter =
      name == "torch._utils._rebuild_parameter" || name == "torch._utils._rebuild_parameter_with_state";
  if (parameter && startsWith(PickleKind::tensor)) return items[0];
  if (name == "torch.Size" && startsWith(PickleKind::tuple)) return items[0];
  if (name == "collections.OrderedDict" && (items.empty() || startsWith(PickleKind::list))) {
    return orderedDict(arguments);
  }
  return opaque(callable);
}

/// OrderedDict() or, as Python 2 wrote it, OrderedDict([[key, value], …]).
PickleRef PickleBuilder::orderedDict(PickleRef arguments) {
  const PickleRef dict = make(PickleKind::dict);
  if (node(arguments).items.empty()) return dict;
  std::vector<PickleRef> items;
  for (const PickleRef ref : node(node(arguments).items[0]).items) {
    const PickleNode& pair = node(ref);
    const bool sequence = pair.kind == PickleKind::list || pair.kind == PickleKind::tuple;
    if (!sequence || pair.items.size() != 2) corrupt("pairs of key and value");
    items.insert(items.end(), pair.items.begin(), pair.items.end());
  }
  // One list may be named in many calls; honest streams spell out what they copy.
  copied_ += items.size();
  if (copied_ > streamSize_) corrupt("a list of its own for each OrderedDict");
  node(dict).items = std::move(items);
  return dict;
}

/// State set on an object after its making: attributes of a dict (`_metadata`) do not concern its items, but
/// a tensor whose class sets its own state is no longer the plain tensor that was rebuilt.
void PickleBuilder::setState() {
  take();
  PickleNode& target = node(top());
  if (target.kind == PickleKind::dict || target.kind == PickleKind::opaque) return;
  if (target.kind != PickleKind::tensor) corrupt("an object with state");
  target.kind = PickleKind::opaque;
  target.text = "the state setter of a tensor class";
  target.items.clear();
}

void PickleBuilder::resolvePersistent() {
  const PickleRef id = take();
  const std::vector<PickleRef>& items = node(id).items;  // until the next make()
  const auto holds = [&](size_t i, PickleKind kind) { return node(items[i]).kind == kind; };
  if (node(id).kind != PickleKind::tuple || items.empty() || node(items[0]).text != "storage") {
    stack_.push_back(make(PickleKind::opaque, "an unknown persistent object"));
    return;
  }
  if (items.size() < 5 || items.size() > 6 || !holds(1, PickleKind::global) || !holds(2, PickleKind::text) ||
      !holds(4, PickleKind::integer)) {
    corrupt("('storage', type, key, location, numel)");
  }
  std::vector<PickleRef> copy = items;
  const PickleRef storage = make(PickleKind::storage);
  node(storage).items = std::move(copy);
  stack_.push_back(storage);
}

Pickle PickleBuilder::finish(size_t bytes) {
  out_.root = take();
  if (!stack_.empty()) corrupt("a pickle that leaves one object");
  out_.bytes = bytes;
  return std::move(out_);
}

}  // namespace hd::io
