#include "io/selection.h"

#include <algorithm>

#include "core/error.h"

namespace hd::io {

Selection Selection::from(const Value& options) {
  Selection out;
  if (!options.isObject()) return out;
  out.prefix = options.get("prefix", "");
  out.drop = options.strings("drop");
  return out;
}

void select(TensorFile& file, const Selection& selection, const std::string& path) {
  const auto& [prefix, drop] = selection;
  std::erase_if(file.tensors, [&](const TensorView& view) {
    return !view.name.starts_with(prefix) || view.name.size() == prefix.size() ||
           std::any_of(drop.begin(), drop.end(), [&](const auto& end) { return view.name.ends_with(end); });
  });
  if (file.tensors.empty()) {
    throw Error("HD_WEIGHTS_MISMATCH",
                concat("expected tensors named '", prefix,
                       "…' in the weight file but found none: name the "
                       "weights of a run or checkpoint"),
                path);
  }
  for (TensorView& view : file.tensors) view.name.erase(0, prefix.size());
}

}  // namespace hd::io
