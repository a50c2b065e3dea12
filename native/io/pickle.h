// A reader of pickle streams (protocols 2 to 5) that executes nothing. A pickle is a program; this walker
// runs only the opcodes that build data and gives meaning to the few calls by which torch.save writes
// tensors:
//
//   collections.OrderedDict() · torch.Size(tuple) · torch._utils._rebuild_tensor, _rebuild_tensor_v2,
//   _rebuild_parameter, _rebuild_parameter_with_state · the persistent id ('storage', type, key, location,
//   numel)
//
// Every other call, class or persistent object becomes an `opaque` node that remembers what was to be called.
// Whoever needs such a node's value refuses it; metadata that nobody needs stays harmless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hd::io {

/// Index into Pickle::nodes: nodes may refer to each other in cycles and to any depth, so nothing here
/// recurses.
using PickleRef = uint32_t;

enum class PickleKind : uint8_t {
  none,
  boolean,      ///< integer: 0 or 1
  integer,      ///< integer
  longInteger,  ///< beyond 64 bits; text: two's complement, little-endian
  real,         ///< real
  text,         ///< text
  bytes,        ///< text
  tuple,        ///< items
  list,         ///< items (sets as well)
  dict,         ///< items: key, value, key, value, …
  global,       ///< text: "module.name"
  storage,  ///< items: the persistent id: 'storage', type (global), key (text), location, numel (integer), …
  tensor,   ///< items: arguments of _rebuild_tensor: storage, offset, size, stride, …; the first four exist
  opaque    ///< text: what it would take to build it
};

struct PickleNode {
  PickleKind kind = PickleKind::none;
  int64_t integer = 0;
  double real = 0;
  std::string_view text;  ///< into the stream, or into Pickle::names
  std::vector<PickleRef> items;
  size_t offset = 0;  ///< of the opcode that made it, in the file
};

struct Pickle {
  std::vector<PickleNode> nodes;
  std::set<std::string> names;  ///< each "module.name" once
  PickleRef root = 0;
  size_t bytes = 0;  ///< of the stream, STOP included

  const PickleNode& operator[](PickleRef ref) const { return nodes[ref]; }
};

/// Reads the pickle at the start of `stream`, which must outlive the result. `origin`: its offset in the file
/// `path`, for messages. Memory stays below 100 bytes an opcode and 2 million nodes. Errors: HD_PTH_CORRUPT,
/// HD_PTH_UNSUPPORTED (protocols 0 and 1, out-of-band buffers, more than 2 million objects), each with the
/// offset.
Pickle readPickle(std::span<const uint8_t> stream, const std::string& path, size_t origin);

}  // namespace hd::io
