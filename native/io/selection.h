// Part of a weight file: one network of a checkpoint that holds several things, without what nobody needs.
#pragma once

#include <string>
#include <vector>

#include "core/value.h"
#include "io/safetensors.h"

namespace hd::io {

struct Selection {
  std::string prefix;                  ///< of the names to take; it is cut off
  std::vector<std::string> drop;       ///< ends of names to leave out
  std::vector<std::string> dropBelow;  ///< beginnings of names, behind the prefix, to leave out
  /// { prefix?, drop?, dropBelow? }; what is not an object selects everything.
  static Selection from(const Value& options);
};

/// Keeps the selected tensors in their order. `path` is for messages. Throws HD_WEIGHTS_MISMATCH when none is
/// left.
void select(TensorFile& file, const Selection& selection, const std::string& path);

}  // namespace hd::io
