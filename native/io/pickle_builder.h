// The data side of the pickle walker: the stack, the memo and the nodes that opcodes build, and what calls
// mean. It never sees the byte stream (io/pickle.cpp reads that).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/pickle.h"

namespace hd::io {

/// Every operation that finds the stack or its operands wrong throws HD_PTH_CORRUPT with `offset`; nodes,
/// memo and names are bounded (HD_PTH_UNSUPPORTED). What it stores is proportional to the opcodes seen,
/// whatever they say.
class PickleBuilder {
 public:
  /// `streamSize` bounds what calls may copy.
  PickleBuilder(const std::string& path, size_t streamSize);

  void startOpcode(size_t offset) { offset_ = offset; }

  // Values.
  void pushNone();
  void pushBoolean(bool value);
  void pushInteger(int64_t value);
  void pushReal(double value);
  void pushText(PickleKind kind, std::string_view text);

  // Containers.
  void pushEmpty(PickleKind kind);
  void pushTupleOf(size_t count);
  void pushMarked(PickleKind kind);    ///< a tuple, list or dict of all above the mark
  void insertTop(PickleKind kind);     ///< APPEND, SETITEM
  void insertMarked(PickleKind kind);  ///< APPENDS, SETITEMS

  // Stack and memo.
  void mark();
  void pop();  ///< an object or a mark
  void popToMark() { takeToMark(); }
  void duplicate();
  void get(uint32_t index);
  void put(uint32_t index);
  void memoize() { put(memoized_); }

  // Classes and calls.
  void pushGlobal(std::string_view module, std::string_view name);
  void pushGlobalFromStack();
  void call();  ///< callable(*arguments)
  void callOpaque(
      size_t operands);  ///< a call of the lowest of `operands` objects that never means anything here
  void callMarked();
  void setState();
  void resolvePersistent();

  /// The one object that must remain.
  Pickle finish(size_t bytes);

 private:
  [[noreturn]] void corrupt(const std::string& expected) const;
  [[noreturn]] void beyond(const char* limit) const;

  PickleNode& node(PickleRef ref) { return out_.nodes[ref]; }
  PickleRef make(PickleKind kind, std::string_view text = {});
  PickleRef take();
  PickleRef top() const;
  std::vector<PickleRef> takeCount(size_t count);
  std::vector<PickleRef> takeToMark();
  void insert(PickleKind kind, const std::vector<PickleRef>& items);
  PickleRef opaque(PickleRef callable);
  PickleRef meaningOf(PickleRef callable, PickleRef arguments);
  PickleRef orderedDict(PickleRef arguments);

  const std::string& path_;
  size_t streamSize_, offset_ = 0;
  Pickle out_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  ///< places of the marks in the stack
  std::vector<PickleRef> memo_;
  uint32_t memoized_ = 0;
  size_t nameBytes_ = 0, copied_ = 0;
};

}  // namespace hd::io
